// The request target taken apart: path segments and query parameters, each percent-decoded exactly once.
// Splitting comes before decoding, so that an encoded slash stays inside its segment.
//
// Threads: values and pure functions.
// Errors:  kInvalidArgument (reason "invalid_target"): not a path, a bad escape, a repeated parameter, too many of
// either.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace akidb {

struct Target {
  std::vector<std::string> segments;                       // "/a/b%2Fc" is {"a", "b/c"}; "/" is {}
  std::vector<std::pair<std::string, std::string>> query;  // names are unique
};

Result<Target> ParseTarget(std::string_view target);
// Bytes of `text` with %XX replaced; `plus_is_space` as in HTML forms.
enum class PlusMeans : uint8_t { kPlus, kSpace };
Result<std::string> PercentDecode(std::string_view text, PlusMeans plus);

}  // namespace akidb
