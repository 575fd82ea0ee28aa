// The Date header.
//
// Threads: thread-safe; what is returned belongs to the calling thread and lives until its next call.
// Errors:  none.
#pragma once

#include <string>

#include "base/clock.h"

namespace akidb {

// `now` as RFC 9110 wants it: "Sun, 06 Nov 1994 08:49:37 GMT".
const std::string& HttpDate(WallTime now);

}  // namespace akidb
