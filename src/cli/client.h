// What every command that talks to a server starts with.
//
// Threads: pure functions.
// Errors:  kInvalidArgument for a bad --server.
#pragma once

#include "base/status.h"
#include "cli/http_client.h"
#include "cli/options.h"

namespace akidb {

inline Duration SecondsOf(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

inline HttpOptions HttpOptionsOf(const ClientOptions& client) {
  return {SecondsOf(client.timeout_s), SecondsOf(client.retry_for_s)};
}

// `text`, or the content of FILE for "@FILE".
Result<std::string> TextOrFile(const std::string& text, uint64_t size_max);

}  // namespace akidb
