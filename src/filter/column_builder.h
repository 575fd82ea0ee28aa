// Builds the payload columns of a segment, row by row. Memory is bounded: what has too many or too long values keeps
// only what kind of value each row has, and fields beyond ColumnTree::kColumnsMax have no column.
//
// Threads: one builder, one thread.
// Errors:  none: a payload that is no JSON object means that there are no columns.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "filter/column.h"

namespace akidb {

struct ColumnOptions {
  // Dictionaries and lists of one column may take so much for each row, and as much as so many rows at least; while it
  // grows as much as more rows, because among few almost every value is new, in any column.
  uint32_t column_row_bytes_max = 24;
  uint32_t rows_min = 1024;
  uint32_t growing_rows_min = 64u << 10;
  // All columns together, at the end.
  uint32_t row_bytes_max = 96;
};

struct PayloadColumns {
  filter::ColumnTree tree;
  std::vector<filter::Column> columns;  // by the tree's numbers

  bool empty() const { return columns.empty(); }
};

class ColumnBuilder {
 public:
  static std::unique_ptr<ColumnBuilder> New(const ColumnOptions& options);
  virtual ~ColumnBuilder() = default;
  // The payload of the next row; empty means {}.
  virtual void Add(std::string_view payload) = 0;
  // Once, at the end. Equal rows give equal columns.
  virtual PayloadColumns Finish() = 0;
};

}  // namespace akidb
