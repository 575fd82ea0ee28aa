#include "service/core/json_cursor.h"

#include <fast_float/fast_float.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "simd/decimals.h"

namespace akidb {
namespace {

constexpr std::array<double, 23> kPowersOfTen = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

constexpr std::array<uint64_t, 16> kWholePowersOfTen = [] {
  std::array<uint64_t, 16> powers{1};
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

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

// The high bit of each byte that is no digit, exact up to the first: a carry only reaches bytes behind it.
uint64_t NoDigits(uint64_t values) { return ((values + 0x7676767676767676) | values) & 0x8080808080808080; }

// Digits from `p` on, and where they end.
struct DigitRun {
  const char* end;
  uint64_t value;  // of all of them if they are at most 19, behind `before`
};

// Little-endian. Numbers differ in length, so that a branch for each digit, or for each eight of them, would be guessed
// wrong once a number.
[[gnu::always_inline]] inline DigitRun ReadDigits(const char* p, uint64_t before) {
  const uint64_t first = Load8(p) ^ 0x3030303030303030;
  const uint64_t second = Load8(p + 8) ^ 0x3030303030303030;
  const uint64_t in_first = NoDigits(first);
  const uint64_t in_second = NoDigits(second);
  if ((in_first | in_second) == 0) {
    // Sixteen, and more follow.
    before = before * 10000000000000000 + uint64_t{EightDigits(first)} * 100000000 + EightDigits(second);
    for (p += 16; IsDigit(*p); ++p) before = before * 10 + static_cast<uint64_t>(*p - '0');
    return {p, before};
  }
  const auto count =
      static_cast<unsigned>(std::countr_zero(in_first != 0 ? in_first : in_second)) / 8 + (in_first != 0 ? 0 : 8);
  if (count == 0) return {p, before};
  // Zeros in front of what there is.
  const auto digits = (static_cast<unsigned __int128>(second) << 64 | first) << (8 * (16 - count));
  const uint64_t high = EightDigits(static_cast<uint64_t>(digits));
  const uint64_t low = EightDigits(static_cast<uint64_t>(digits >> 64));
  return {p + count, before * kWholePowersOfTen[count] + high * 100000000 + low};
}

// The high bit of each byte that is `c`, exact up to the first.
uint64_t BytesEqual(uint64_t word, char c) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t zero_if_equal = word ^ kOnes * static_cast<unsigned char>(c);
  return (zero_if_equal - kOnes) & ~zero_if_equal & 0x8080808080808080;
}

// Goes on to the next quote, bracket or brace, or to the last bytes before `end`.
const char* SkipPlain(const char* p, const char* end) {
#if defined(__SSE2__)
  const auto equal = [](__m128i bytes, char c) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)); };
  for (; end - p >= 32; p += 32) {
    const auto found = [&](const char* at) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));  // makes braces of brackets
      return _mm_or_si128(equal(bytes, '"'), _mm_or_si128(equal(lower, '{'), equal(lower, '}')));
    };
    const auto first = static_cast<uint32_t>(_mm_movemask_epi8(found(p)));
    const uint32_t both = first | static_cast<uint32_t>(_mm_movemask_epi8(found(p + 16))) << 16;
    if (both != 0) return p + std::countr_zero(both);
  }
#endif
  for (; end - p >= 8; p += 8) {
    const uint64_t word = Load8(p);
    const uint64_t lower = word | 0x2020202020202020;  // makes braces of brackets
    const uint64_t found = BytesEqual(word, '"') | BytesEqual(lower, '{') | BytesEqual(lower, '}');
    if (found != 0) return p + std::countr_zero(found) / 8;
  }
  return p;
}

// Any number whose grammar was checked.
[[gnu::noinline]] NumberParse ParseSlow(const char* begin, const char* end, float* out) {
  fast_float::from_chars(begin, end, *out);
  return std::isfinite(*out) ? NumberParse::kOk : NumberParse::kOutOfRange;
}

// A number with an exponent, which begins at `p`.
[[gnu::noinline]] NumberParse ParseExponent(const char* begin, const char* p, const char** end, float* out) {
  ++p;
  if (*p == '+' || *p == '-') ++p;
  if (!IsDigit(*p)) return NumberParse::kNotANumber;
  while (IsDigit(*p)) ++p;
  *end = p;
  return ParseSlow(begin, p, out);
}

// ParseJsonFloat, with everything in registers where it is part of a loop.
[[gnu::always_inline]] inline NumberParse ParseNumber(const char* const begin, const char** end, float* out) {
  const bool negative = *begin == '-';
  const char* const integer = begin + (negative ? 1 : 0);
  if (!IsDigit(*integer)) return NumberParse::kNotANumber;
  DigitRun digits = *integer == '0' ? DigitRun{integer + 1, 0} : ReadDigits(integer, 0);
  if (IsDigit(*digits.end)) return NumberParse::kNotANumber;  // a leading zero
  ptrdiff_t digit_count = digits.end - integer;
  ptrdiff_t fraction_count = 0;
  if (*digits.end == '.') {
    const char* const fraction = digits.end + 1;
    digits = ReadDigits(fraction, digits.value);
    fraction_count = digits.end - fraction;
    digit_count += fraction_count;
    if (fraction_count == 0) return NumberParse::kNotANumber;
  }
  if ((*digits.end | 0x20) == 'e') return ParseExponent(begin, digits.end, end, out);
  *end = digits.end;
  // Both operands are exact doubles here, so that the quotient is correctly rounded; rounding it once more to float is
  // correct too unless the double lies on the middle between two floats, where the first rounding may have moved it.
  if (digit_count <= 19 && digits.value <= 1ull << 53 && fraction_count <= 22) {
    const double value = static_cast<double>(digits.value) / kPowersOfTen[static_cast<size_t>(fraction_count)];
    if ((std::bit_cast<uint64_t>(value) & 0x1FFFFFFF) != 0x10000000) {
      // Half of all numbers are negative, which no branch predictor knows.
      *out = std::bit_cast<float>(std::bit_cast<uint32_t>(static_cast<float>(value)) | uint32_t{negative} << 31);
      return NumberParse::kOk;
    }
  }
  return ParseSlow(begin, digits.end, out);
}

}  // namespace

NumberParse ParseJsonFloat(const char** cursor, float* out) {
  const char* end = *cursor;
  const NumberParse parsed = ParseNumber(*cursor, &end, out);
  if (parsed != NumberParse::kNotANumber) *cursor = end;
  return parsed;
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
  const auto space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  // Of the fast reader, which does not know every shape.
  constexpr size_t kTriesInVain = 8;
  size_t in_vain = 0;
  size_t read = 0;
  for (const char* p = at_;; ++p) {
    if (read < max && in_vain < kTriesInVain) {
      const size_t plain = ReadDecimals(begin_, &p, end_, out + read, max - read);
      read += plain;
      in_vain += plain == 0 ? 1 : 0;
    }
    while (space(*p)) ++p;
    float value = 0;
    const char* end = p;
    if (const NumberParse parsed = ParseNumber(p, &end, &value); parsed != NumberParse::kOk) {
      at_ = start;
      *count = read;
      return parsed;
    }
    if (read < max) out[read] = value;
    ++read;
    p = end;
    while (space(*p)) ++p;
    if (*p == ',') continue;
    at_ = p;
    *count = read;
    if (*p != ']' || p >= end_) return std::unexpected(Error("',' or ']' in an array of numbers"));
    at_ = p + 1;
    return NumberParse::kOk;
  }
}

Status JsonCursor::End() {
  SkipSpace();
  return at_ == end_ ? OkStatus() : Error("nothing more");
}

}  // namespace akidb
