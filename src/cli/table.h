// Tables and numbers for people.
//
// Threads: values and pure functions.
// Errors:  none; short rows are padded with empty cells.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace akidb {

enum class Align : uint8_t { kLeft, kRight };

struct TableColumn {
  std::string title;
  Align align = Align::kLeft;
};

class Table {
 public:
  explicit Table(std::vector<TableColumn> columns) : columns_(std::move(columns)) {}
  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Columns two spaces apart, as wide as their widest cell; control characters are shown as '?'.
  std::string ToString() const;

 private:
  std::vector<TableColumn> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Characters a terminal shows for UTF-8 text, wide East Asian ones counted as two.
size_t DisplayWidth(std::string_view text);
std::string HumanBytes(uint64_t bytes);     // "1.5 MiB"
std::string HumanCount(uint64_t count);     // "92,555"
std::string HumanDuration(Duration value);  // "350 us" "1.2 ms" "3.4 s" "2m05s" "1h02m"
std::string Fixed(double value, int digits);

}  // namespace akidb
