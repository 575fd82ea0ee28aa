// A JSON number compared by its mathematical value: 2^53 + 1 differs from 2^53, and 1 equals 1.0.
// It exists because int64, uint64 and double cannot be brought to one machine type without loss.
//
// Threads: values.
// Errors:  none; a double must be finite, as JSON numbers are.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace akidb::filter {

class Number {
 public:
  explicit Number(int64_t value) : negative_(value), kind_(value < 0 ? Kind::kNegative : Kind::kNatural) {}
  explicit Number(uint64_t value) : natural_(value), kind_(Kind::kNatural) {}
  explicit Number(double value);

  std::strong_ordering operator<=>(const Number& other) const;
  bool operator==(const Number& other) const { return (*this <=> other) == 0; }

  // What is stored of a number; equal numbers have equal parts. FromParts refuses what is nobody's parts.
  uint8_t kind() const { return static_cast<uint8_t>(kind_); }
  uint64_t bits() const;
  static std::optional<Number> FromParts(uint8_t kind, uint64_t bits);

  // Appends JSON text that reads back as an equal number; equal numbers give equal text.
  void AppendTo(std::string* out) const;

 private:
  // Each value has exactly one kind: kOther is what no 64-bit integer equals. Persisted in payload columns.
  enum class Kind : uint8_t { kNegative = 0, kNatural = 1, kOther = 2 };

  union {
    int64_t negative_;
    uint64_t natural_;
    double other_;
  };
  Kind kind_;
};

}  // namespace akidb::filter
