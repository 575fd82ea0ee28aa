#include "filter/number.h"

#include <bit>
#include <cmath>

#include "base/json_writer.h"

namespace akidb::filter {
namespace {

constexpr double kTwo63 = 9223372036854775808.0;
constexpr double kTwo64 = 18446744073709551616.0;

std::strong_ordering Reverse(std::strong_ordering order) { return 0 <=> order; }

// `other` equals no 64-bit integer, so it is out of their range, or has a fraction and fits into int64.
std::strong_ordering CompareNatural(uint64_t natural, double other) {
  if (other < 0) return std::strong_ordering::greater;
  if (other >= kTwo64) return std::strong_ordering::less;
  return natural <= static_cast<uint64_t>(other) ? std::strong_ordering::less : std::strong_ordering::greater;
}

std::strong_ordering CompareNegative(int64_t negative, double other) {
  if (other > 0) return std::strong_ordering::less;
  if (other < -kTwo63) return std::strong_ordering::greater;
  return negative >= static_cast<int64_t>(other) ? std::strong_ordering::greater : std::strong_ordering::less;
}

}  // namespace

Number::Number(double value) : other_(value), kind_(Kind::kOther) {
  if (std::trunc(value) != value) return;
  if (value >= 0 && value < kTwo64) {
    *this = Number(static_cast<uint64_t>(value));
  } else if (value < 0 && value >= -kTwo63) {
    *this = Number(static_cast<int64_t>(value));
  }
}

uint64_t Number::bits() const {
  switch (kind_) {
    case Kind::kNegative: return std::bit_cast<uint64_t>(negative_);
    case Kind::kNatural: return natural_;
    case Kind::kOther: break;
  }
  return std::bit_cast<uint64_t>(other_);
}

std::optional<Number> Number::FromParts(uint8_t kind, uint64_t bits) {
  switch (static_cast<Kind>(kind)) {
    case Kind::kNegative: {
      const auto value = std::bit_cast<int64_t>(bits);
      return value < 0 ? std::optional(Number(value)) : std::nullopt;
    }
    case Kind::kNatural: return Number(bits);
    case Kind::kOther: {
      const auto value = std::bit_cast<double>(bits);
      if (!std::isfinite(value)) return std::nullopt;
      const Number number(value);
      return number.kind_ == Kind::kOther ? std::optional(number) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::strong_ordering Number::operator<=>(const Number& other) const {
  if (kind_ == other.kind_) {
    switch (kind_) {
      case Kind::kNegative: return negative_ <=> other.negative_;
      case Kind::kNatural: return natural_ <=> other.natural_;
      case Kind::kOther:
        return other_ < other.other_   ? std::strong_ordering::less
               : other_ > other.other_ ? std::strong_ordering::greater
                                       : std::strong_ordering::equal;
    }
  }
  if (kind_ == Kind::kOther) return Reverse(other <=> *this);
  if (other.kind_ != Kind::kOther) {
    return kind_ == Kind::kNegative ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  return kind_ == Kind::kNegative ? CompareNegative(negative_, other.other_) : CompareNatural(natural_, other.other_);
}

void Number::AppendTo(std::string* out) const {
  switch (kind_) {
    case Kind::kNegative: *out += std::to_string(negative_); return;
    case Kind::kNatural: *out += std::to_string(natural_); return;
    case Kind::kOther: break;
  }
  const size_t begin = out->size();
  AppendJsonNumber(other_, out);
  // Without it a reader takes the text for an integer, which is out of range.
  if (out->find_first_of(".e", begin) == std::string::npos) *out += ".0";
}

}  // namespace akidb::filter
