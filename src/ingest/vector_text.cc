#include "ingest/vector_text.h"

#include <fast_float/fast_float.h>

#include <string>

namespace akidb {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

const char* SkipBlanks(const char* p, const char* end) {
  while (p != end && IsBlank(*p)) ++p;
  return p;
}

}  // namespace

Status AppendVectorText(std::string_view text, size_t length_max, std::vector<float>* out) {
  const char* p = SkipBlanks(text.data(), text.data() + text.size());
  const char* end = text.data() + text.size();
  while (end != p && IsBlank(end[-1])) --end;
  const bool bracketed = p != end && *p == '[';
  if (bracketed) {
    if (end[-1] != ']' || end - p < 2) return InvalidArgument("vector has no closing ']'");
    p = SkipBlanks(p + 1, --end);
  }
  if (p == end) return InvalidArgument("vector is empty");
  if (*p == '{') return InvalidArgument("vector is a JSON object; numbers alone are expected, as in [0.1, 0.2]");
  for (size_t i = 0;; ++i) {
    if (i == length_max) return InvalidArgument("vector has more than " + std::to_string(length_max) + " elements");
    float value = 0;
    const auto [next, error] = fast_float::from_chars(p, end, value);
    if (error != std::errc()) return InvalidArgument("vector element " + std::to_string(i) + " is not a number");
    out->push_back(value);
    p = SkipBlanks(next, end);
    if (p == end) return OkStatus();
    if (*p == ',' || *p == ';') {
      p = SkipBlanks(p + 1, end);
    } else if (p == next) {
      return InvalidArgument("vector element " + std::to_string(i) + " is followed by something that is no separator");
    }
  }
}

}  // namespace akidb
