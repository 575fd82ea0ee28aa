// Ctrl-C for commands: the first one asks the work to end cleanly, the second ends the process at once.
//
// Threads: Interrupted() may be called from any thread.
// Errors:  none.
#pragma once

#include "base/clock.h"
#include "base/status.h"

namespace akidb {

void CatchInterrupts();
bool Interrupted();
// kCancelled once interrupted.
Status CheckInterrupt();
// Waits; ends early, with kCancelled, when interrupted.
Status SleepUnlessInterrupted(Duration duration);

}  // namespace akidb
