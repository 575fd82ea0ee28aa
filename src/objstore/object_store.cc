#include "objstore/object_store.h"

#include "objstore/store_errors.h"

namespace akidb {
namespace {

bool IsKeyByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-' || c == '/';
}

// Keys come from outside: what is printed of a bad one is short and has no control characters.
std::string Printable(std::string_view text) {
  constexpr size_t kBytesMax = 64;
  std::string out(text.substr(0, kBytesMax));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  return text.size() > kBytesMax ? out + "..." : out;
}

// A key, or the beginning of one: then the last part is not complete.
Status ValidateParts(std::string_view what, std::string_view text, bool last_part_complete) {
  const auto refuse = [&](const std::string& why) {
    return InvalidArgument(std::string(what) + " \"" + Printable(text) + "\" " + why).WithReason("invalid_key");
  };
  if (text.size() > kObjectKeyBytesMax) {
    return refuse("has " + std::to_string(text.size()) + " bytes, the limit is " + std::to_string(kObjectKeyBytesMax));
  }
  for (const char c : text) {
    if (!IsKeyByte(c)) return refuse("has a byte outside of [A-Za-z0-9_.-/]");
  }
  for (size_t begin = 0; begin <= text.size();) {
    const size_t slash = text.find('/', begin);
    const std::string_view part = text.substr(begin, slash - begin);
    if (slash == std::string_view::npos && !last_part_complete) break;
    if (part.empty() || part == "." || part == "..") return refuse("has an empty, \".\" or \"..\" part");
    if (slash == std::string_view::npos) break;
    begin = slash + 1;
  }
  return OkStatus();
}

std::string Object(std::string_view key) { return "object " + std::string(key); }

}  // namespace

Status ValidateObjectKey(std::string_view key) { return ValidateParts("object key", key, true); }

Status ValidateListing(std::string_view prefix, std::string_view start_after, uint32_t keys_max) {
  if (keys_max < 1 || keys_max > kListKeysMax) {
    return InvalidArgument("keys_max is " + std::to_string(keys_max) + ", allowed are 1 to " +
                           std::to_string(kListKeysMax));
  }
  if (start_after.size() > kObjectKeyBytesMax) {
    return InvalidArgument("start_after has " + std::to_string(start_after.size()) + " bytes, the limit is " +
                           std::to_string(kObjectKeyBytesMax));
  }
  return ValidateParts("key prefix", prefix, false);
}

Status ObjectNotFound(std::string_view key) { return NotFound(Object(key) + " does not exist"); }

Status ConditionLost(std::string_view key, std::string_view why) {
  return Aborted(Object(key) + " " + std::string(why)).WithReason("condition_lost");
}

Status ObjectTooLarge(std::string_view key, uint64_t size_bytes, uint64_t size_max) {
  return ResourceExhausted(Object(key) + " has " + std::to_string(size_bytes) + " bytes, the limit is " +
                           std::to_string(size_max))
      .WithRetry(Retry::kNever)
      .WithReason("too_large");
}

Status CheckObjectRange(std::string_view key, ByteRange range, uint64_t size_bytes) {
  const std::string shown = "range [" + std::to_string(range.begin) + ", " + std::to_string(range.end) + ")";
  if (range.begin > range.end) return InvalidArgument(shown + " of " + Object(key) + " is reversed");
  if (range.end > size_bytes) {
    return {StatusCode::kOutOfRange,
            shown + " ends past " + Object(key) + " of " + std::to_string(size_bytes) + " bytes"};
  }
  return OkStatus();
}

}  // namespace akidb
