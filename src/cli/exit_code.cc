#include "cli/exit_code.h"

namespace akidb {

ExitCode ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk: return ExitCode::kOk;
    case StatusCode::kInvalidArgument: return ExitCode::kUsage;
    case StatusCode::kNotFound: return ExitCode::kNotFound;
    case StatusCode::kAlreadyExists:
    case StatusCode::kAborted: return ExitCode::kConflict;
    case StatusCode::kUnavailable:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kResourceExhausted: return ExitCode::kUnavailable;
    case StatusCode::kDataLoss: return ExitCode::kCorruption;
    case StatusCode::kCancelled: return ExitCode::kInterrupted;
    default: return ExitCode::kFailed;
  }
}

}  // namespace akidb
