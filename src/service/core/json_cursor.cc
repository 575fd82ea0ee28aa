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

// The number whose eight digits are these bytes, the first in the lowest (Lemire, "Quickly parsing eight digits",
// 2018).
uint32_t EightDigits(uint64_t values) {
  values = values * 10 + (values >> 8);
  return static_cast<uint32_t>((((values & 0x000000FF000000FF) * 0x000F424000000064) +
                                (((values >> 16) & 0x000000FF000000FF) * 0x0000271000000001)) >>
                               32);
}

// Little-endian. Numbers differ in length, so that a branch for each digit would be guessed wrong once a number.
const char* Digits(const char* p, uint64_t* mantissa) {
  constexpr std::array<uint64_t, 8> kPowers = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
  while (true) {
    const uint64_t values = Load8(p) ^ 0x3030303030303030;
    // The high bit of each byte above 9; a carry only reaches bytes behind the first of them.
    const uint64_t others = ((values + 0x7676767676767676) | values) & 0x8080808080808080;
    if (others != 0) {
      const auto count = static_cast<unsigned>(std::countr_zero(others)) / 8;
      // Zeros in front of what there is; in two steps, for 64 places at once are undefined.
      *mantissa = *mantissa * kPowers[count] + EightDigits((values << (8 * (7 - count))) << 8);
      return p + count;
    }
    *mantissa = *mantissa * 100000000 + EightDigits(values);
    p += 8;
  }
}

// The high bit of each byte that is `c`, exact up to the first.
uint64_t BytesEqual(uint64_t word, char c) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t zero_if_equal = word ^ kOnes * static_cast<unsigned char>(c);
  return (zero_if_equal - kOnes) & ~zero_if_equal & 0x8080808080808080;
}

// Goes on to the next quote, bracket or brace, or to the last bytes before `end`.
const char* SkipPlain(const char* p, const char* end) {
  for (; end - p >= 8; p += 8) {
    const uint64_t word = Load8(p);
    const uint64_t lower = word | 0x2020202020202020;  // makes braces of brackets
    const uint64_t found = BytesEqual(word, '"') | BytesEqual(lower, '{') | BytesEqual(lower, '}');
    if (found != 0) return p + std::countr_zero(found) / 8;
  }
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
          p = SkipPlain(p + 1, end_);
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
