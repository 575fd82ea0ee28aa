// Walks JSON text once, without a tree: for the bodies that are mostly numbers. Members are taken by their extent and
// vectors are read in place; what is small or rare goes on to simdjson, which checks it in full.
//
// Threads: one cursor, one thread.
// Errors:  kInvalidArgument (reason "invalid_json") naming the byte offset.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace akidb {

enum class NumberParse : uint8_t { kOk, kNotANumber, kOutOfRange };

// Reads a JSON number (RFC 8259 grammar: no "+1", "01", "1.", ".5", "NaN") at *cursor, correctly rounded to float, and
// moves *cursor behind it. At least 16 readable bytes follow the number, and the byte behind the text is no digit.
NumberParse ParseJsonFloat(const char** cursor, float* out);

class JsonCursor {
 public:
  // `text` is followed by at least 64 readable bytes, the first of which cannot continue a number.
  explicit JsonCursor(std::string_view text) : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {}

  // Skips spaces, then consumes `c` if it is next.
  bool TryTake(char c);
  Status Take(char c);
  // True after the closing bracket of a container or, between members, when a comma led to the next one.
  Result<bool> NextMember(char close, bool first);
  // A member's key and its colon; keys with escapes are refused: no field of ours has any.
  Result<std::string_view> Key();
  // The extent of the next value. Brackets and quotes balance; everything else is unchecked.
  Result<std::string_view> RawValue();
  // Reads an array of numbers into out[0, max); *count is how many the array has (those beyond max are checked, not
  // kept). kNotANumber or kOutOfRange leave the cursor at the array's start, *count being the offending element.
  Result<NumberParse> Floats(float* out, size_t max, size_t* count);
  // OK if only spaces are left.
  Status End();

  size_t offset() const { return static_cast<size_t>(at_ - begin_); }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }

 private:
  void SkipSpace();
  Status Error(std::string_view expected) const;
  const char* StringEnd(const char* quote) const;  // behind the closing quote; null if there is none

  const char* begin_;
  const char* at_;
  const char* end_;
};

}  // namespace akidb
