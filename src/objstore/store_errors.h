// The answers that every object store words alike, so that callers and tests see one set of codes and reasons.
//
// Threads: pure functions.
// Errors:  they are what is made here.
#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"

namespace akidb {

Status ObjectNotFound(std::string_view key);
// kAborted, reason "condition_lost"; `why` ends the sentence "object k ...".
Status ConditionLost(std::string_view key, std::string_view why);
// kResourceExhausted, reason "too_large", never worth a retry.
Status ObjectTooLarge(std::string_view key, uint64_t size_bytes, uint64_t size_max);
// kInvalidArgument for a reversed range, kOutOfRange for one that ends past the object.
Status CheckObjectRange(std::string_view key, ByteRange range, uint64_t size_bytes);

}  // namespace akidb
