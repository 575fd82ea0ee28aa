#include "service/core/json_cursor.h"

#include <fast_float/fast_float.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace akidb {
namespace {

constexpr std::array<double, 23> kPowersOfTen = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

uint64_t Load8(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

// Eight digits at a time (Lemire, "Quickly parsing eight digits", 2018). Little-endian.
bool AreEightDigits(uint64_t word) {
  return ((word & 0xF0F0F0F0F0F0F0F0) | (((word + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0) >> 4)) ==
         0x3333333333333333;
}
uint32_t EightDigits(uint64_t word) {
  word -= 0x3030303030303030;
  word = word * 10 + (word >> 8);
  return static_cast<uint32_t>((((word & 0x000000FF000000FF) * 0x000F424000000064) +
                                (((word >> 16) & 0x000000FF000000FF) * 0x0000271000000001)) >>
                               32);
}

const char* Digits(const char* p, uint64_t* mantissa) {
  for (uint64_t word = Load8(p); AreEightDigits(word); word = Load8(p)) {
    *mantissa = *mantissa * 100000000 + EightDigits(word);
    p += 8;
  }
  for (; IsDigit(*p); ++p) *mantissa = *mantissa * 10 + static_cast<uint64_t>(*p - '0');
  return p;
}

// Any number whose grammar was checked.
NumberParse ParseSlow(const char* begin, const char* end, float* out) {
  fast_float::from_chars(begin, end, *out);
  return std::isfinite(*out) ? NumberParse::kOk : NumberParse::kOutOfRange;
}

}  // namespace

NumberParse ParseJsonFloat(const char** cursor, float* out) {
  const char* const begin = *cursor;
  const char* p = begin;
  const bool negative = *p == '-';
  p += negative ? 1 : 0;
  if (!IsDigit(*p)) return NumberParse::kNotANumber;
  uint64_t mantissa = 0;
  const char* const integer = p;
  p = *p == '0' ? p + 1 : Digits(p, &mantissa);
  if (IsDigit(*p)) return NumberParse::kNotANumber;  // a leading zero
  ptrdiff_t digit_count = p - integer;
  ptrdiff_t fraction_count = 0;
  if (*p == '.') {
    const char* const fraction = ++p;
    p = Digits(p, &mantissa);
    fraction_count = p - fraction;
    digit_count += fraction_count;
    if (fraction_count == 0) return NumberParse::kNotANumber;
  }
  if (*p == 'e' || *p == 'E') {
    ++p;
    if (*p == '+' || *p == '-') ++p;
    if (!IsDigit(*p)) return NumberParse::kNotANumber;
    while (IsDigit(*p)) ++p;
    *cursor = p;
    return ParseSlow(begin, p, out);
  }
  *cursor = p;
  // Both operands are exact doubles here, so that the quotient is correctly rounded; rounding it once more to float is
  // correct too unless the double lies on the middle between two floats, where the first rounding may have moved it.
  if (digit_count <= 19 && mantissa <= 1ull << 53 && fraction_count <= 22) {
    const double value = static_cast<double>(mantissa) / kPowersOfTen[static_cast<size_t>(fraction_count)];
    if ((std::bit_cast<uint64_t>(value) & 0x1FFFFFFF) != 0x10000000) {
      *out = static_cast<float>(negative ? -value : value);
      return NumberParse::kOk;
    }
  }
  return ParseSlow(begin, p, out);
}

Status JsonCursor::Error(std::string_view expected) const {
  return InvalidArgument("the body is not the JSON wanted: expected " + std::string(expected) + " at byte " +
                         std::to_string(offset()) + (at_ >= end_ ? " (the body ends there)" : ""))
      .WithReason("invalid_json");
}

void JsonCursor::SkipSpace() {
  while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
}

bool JsonCursor::TryTake(char c) {
  SkipSpace();
  if (at_ >= end_ || *at_ != c) return false;
  ++at_;
  return true;
}

Status JsonCursor::Take(char c) {
  if (TryTake(c)) return OkStatus();
  return Error(std::string("'") + c + "'");
}

Result<bool> JsonCursor::NextMember(char close, bool first) {
  if (TryTake(close)) return false;
  if (!first && !TryTake(',')) return std::unexpected(Error(std::string("',' or '") + close + "'"));
  return true;
}

Result<std::string_view> JsonCursor::Key() {
  SkipSpace();
  if (at_ >= end_ || *at_ != '"') return std::unexpected(Error("a field name"));
  const char* const end = StringEnd(at_);
  if (end == nullptr) return std::unexpected(Error("a closed string"));
  const std::string_view key(at_ + 1, static_cast<size_t>(end - at_) - 2);
  if (key.find('\\') != std::string_view::npos) return std::unexpected(Error("a field name without escapes"));
  at_ = end;
  AKI_RETURN_IF_ERROR(Take(':'));
  return key;
}

const char* JsonCursor::StringEnd(const char* quote) const {
  for (const char* from = quote + 1; from < end_;) {
    const auto* hit = static_cast<const char*>(std::memchr(from, '"', static_cast<size_t>(end_ - from)));
    if (hit == nullptr) return nullptr;
    const char* slash = hit;
    while (slash > quote + 1 && slash[-1] == '\\') --slash;
    if ((hit - slash) % 2 == 0) return hit + 1;
    from = hit + 1;
  }
  return nullptr;
}

Result<std::string_view> JsonCursor::RawValue() {
  SkipSpace();
  const char* const start = at_;
  const char* p = at_;
  size_t depth = 0;
  while (p < end_) {
    switch (*p) {
      case '"':
        p = StringEnd(p);
        if (p == nullptr) return std::unexpected(Error("a closed string"));
        break;
      case '{':
      case '[': ++depth, ++p; continue;
      case '}':
      case ']':
        if (depth == 0) return std::unexpected(Error("a value"));
        --depth, ++p;
        break;
      default:
        if (depth > 0) {
          ++p;
          continue;
        }
        while (p < end_ && std::strchr(",]} \t\r\n", *p) == nullptr) ++p;
        if (p == start) return std::unexpected(Error("a value"));
    }
    if (depth == 0) {
      at_ = p;
      return std::string_view(start, static_cast<size_t>(p - start));
    }
  }
  return std::unexpected(Error(depth > 0 ? "a value whose brackets are closed" : "a value"));
}

Result<NumberParse> JsonCursor::Floats(float* out, size_t max, size_t* count) {
  *count = 0;
  SkipSpace();
  const char* const start = at_;
  if (!TryTake('[')) return NumberParse::kNotANumber;
  if (TryTake(']')) return NumberParse::kOk;
  const char* p = at_;
  for (;; ++*count) {
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') ++p;
    float value = 0;
    if (const NumberParse parsed = ParseJsonFloat(&p, &value); parsed != NumberParse::kOk) {
      at_ = start;
      return parsed;
    }
    if (*count < max) out[*count] = value;
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') ++p;
    if (*p == ',') {
      ++p;
    } else if (*p == ']' && p < end_) {
      ++*count;
      at_ = p + 1;
      return NumberParse::kOk;
    } else {
      at_ = p;
      return std::unexpected(Error("',' or ']' in an array of numbers"));
    }
  }
}

Status JsonCursor::End() {
  SkipSpace();
  return at_ == end_ ? OkStatus() : Error("nothing more");
}

}  // namespace akidb
