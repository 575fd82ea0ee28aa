// JSON Merge Patch (RFC 7386) on payload text.
//
// Threads: pure function.
// Errors:  kInvalidArgument (reason "invalid_payload") when the patch is not an object, is too deep, or the result is
// too large.
#pragma once

#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/status.h"

namespace akidb {

// Both are JSON objects; an empty target means {}. The result is compact; members keep the target's order, new ones
// follow.
Result<std::string> ApplyMergePatch(std::string_view target, std::string_view patch, const Limits& limits);

}  // namespace akidb
