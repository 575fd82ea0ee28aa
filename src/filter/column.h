// What a segment knows of one path in the payloads of its rows: a small code a row, and what the codes stand for.
// Values are numbered in their order, numbers before strings, so that a range, a prefix or an equality is a range of
// codes. Meaning and physical form: docs/internals/payload-columns.md.
//
// Threads: immutable once built; thread-safe.
// Errors:  none.
// Format:  docs/formats/payload_columns.md
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "filter/number.h"

namespace akidb::filter {

// The codes that mean the same in every column. Numbers are persisted.
inline constexpr uint32_t kMissingCode = 0;    // no value
inline constexpr uint32_t kNullCode = 1;       // one null
inline constexpr uint32_t kListCode = 2;       // any number of values, none of them an object, all of them counted
inline constexpr uint32_t kUndecidedCode = 3;  // whatever the column does not hold
inline constexpr uint32_t kTextCode = 4;       // one string that the dictionary leaves out
inline constexpr uint32_t kObjectCode = 5;     // one object
inline constexpr uint32_t kFalseCode = 6;
inline constexpr uint32_t kTrueCode = 7;
inline constexpr uint32_t kValueCode = 8;  // the first number, or string if there is no number

// Strings up to this long are in a dictionary that is not given up.
inline constexpr size_t kColumnStringBytesMax = 255;
inline constexpr uint32_t kColumnListValuesMax = UINT16_MAX;

// Codes of one, two or four bytes: as few as the greatest takes.
class Codes {
 public:
  explicit Codes(uint32_t code_count = 0) : width_(code_count <= 256 ? 1 : code_count <= 65536 ? 2 : 4) {}
  uint32_t width() const { return width_; }
  uint32_t size() const { return static_cast<uint32_t>(bytes_.size() / width_); }
  const std::string& bytes() const { return bytes_; }
  std::string& bytes() { return bytes_; }
  uint32_t At(uint32_t i) const {
    const char* at = bytes_.data() + uint64_t{i} * width_;
    switch (width_) {
      case 1: return GetLe<uint8_t>(at);
      case 2: return GetLe<uint16_t>(at);
      default: return GetLe<uint32_t>(at);
    }
  }
  void Append(uint32_t code) {
    switch (width_) {
      case 1: return bytes_.push_back(static_cast<char>(code));
      case 2: return PutLe<uint16_t>(&bytes_, static_cast<uint16_t>(code));
      default: return PutLe<uint32_t>(&bytes_, code);
    }
  }
  // Bit i % 64 of words[i / 64] becomes whether low <= code i <= high.
  void InRange(uint32_t low, uint32_t high, uint64_t* words) const;
  // Likewise, whether in[code i] is 1; it is 0 or 1 for every code.
  void In(const uint8_t* in, uint64_t* words) const;

 private:
  uint32_t width_;
  std::string bytes_;  // little-endian
};

struct Column {
  // Numbers ascend, then strings, bytewise.
  std::vector<Number> numbers;
  std::string string_bytes;
  std::vector<uint32_t> string_ends;
  // Every string outside of the dictionary is longer than kColumnStringBytesMax.
  bool text_is_long = true;
  // Every string is a time, and their order is that of the times.
  bool strings_are_times = false;
  Codes codes;       // one a row
  Codes list_codes;  // of the values of lists, one list after the other
  std::vector<uint32_t> list_rows;
  std::vector<uint32_t> list_ends;  // in list_codes
  // Bit c: some row, or value of a list, has the code c, below kValueCode. Not stored: whoever fills the codes fills
  // it.
  uint32_t codes_present = 0;

  uint32_t string_count() const { return static_cast<uint32_t>(string_ends.size()); }
  uint32_t code_count() const { return kValueCode + static_cast<uint32_t>(numbers.size()) + string_count(); }
  uint32_t CodeOfNumber(size_t i) const { return kValueCode + static_cast<uint32_t>(i); }
  uint32_t CodeOfString(size_t i) const { return CodeOfNumber(numbers.size() + i); }
  std::string_view String(size_t i) const {
    const uint32_t begin = i == 0 ? 0 : string_ends[i - 1];
    return std::string_view(string_bytes).substr(begin, string_ends[i] - begin);
  }
  // False if no row and no value of a list has a code in [low, high]; true if one may.
  bool MayHave(uint32_t low, uint32_t high) const {
    return high >= kValueCode || (codes_present >> low & ((2u << (high - low)) - 1)) != 0;
  }
  void FindCodesPresent();
  uint64_t memory_bytes() const;
};

// Which paths have a column. Columns are named by their number; a parent comes before its children.
class ColumnTree {
 public:
  static constexpr uint32_t kRoot = UINT32_MAX;
  static constexpr size_t kNameBytesMax = 255;
  static constexpr uint32_t kColumnsMax = 64;

  struct Node {
    uint32_t parent = kRoot;
    std::string name;
    // Every field of the objects here has a column: no column means that no row has a value.
    bool complete = true;

    bool operator==(const Node&) const = default;
  };

  std::vector<Node> nodes;
  bool complete = true;  // likewise, of the payload itself

  // The column of `name` in the objects at `parent`.
  std::optional<uint32_t> Find(uint32_t parent, std::string_view name) const;
  bool CompleteAt(uint32_t parent) const { return parent == kRoot ? complete : nodes[parent].complete; }
  bool operator==(const ColumnTree&) const = default;
};

}  // namespace akidb::filter
