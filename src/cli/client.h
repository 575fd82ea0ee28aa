// What every command that talks to a server starts with.
//
// Threads: pure functions.
// Errors:  kInvalidArgument for a bad --server.
#pragma once

#include "base/status.h"
#include "cli/console.h"
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

// The value of `at` in a request, as JSON, from a flag: a snapshot's NAME, "version:N" or "time:T".
Result<std::string> AtJson(const std::string& text);

// The value of `filter` in a request: `text`, or the content of FILE for "@FILE". kInvalidArgument if it is no JSON.
Result<std::string> FilterJson(const std::string& text);

// Asks on the terminal for `name` again before something cannot be undone; OK at once with `yes`. kInvalidArgument when
// nobody can be asked.
Status ConfirmByName(const std::string& question, const std::string& name, bool yes, const Console& console);

}  // namespace akidb
