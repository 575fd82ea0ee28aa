// What the process says to the shell that ran it. docs/guide/cli.md has the same table.
//
// Threads: pure function.
// Errors:  none.
#pragma once

#include "base/status.h"

namespace akidb {

enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,        // wrong flags, wrong configuration, a request the server refused as invalid
  kNotFound = 3,     // collection, file, object
  kConflict = 4,     // exists already, or changed meanwhile
  kUnavailable = 5,  // no answer in time, too busy, data directory in use: try again later
  kCorruption = 6,   // stored bytes are damaged
  kDied = 70,        // the server stopped itself because a promise could not be kept (a failed fsync)
  kInterrupted = 130,
};

ExitCode ExitCodeOf(const Status& status);

}  // namespace akidb
