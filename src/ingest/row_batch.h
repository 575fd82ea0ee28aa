// A run of rows as columns, and what was wrong with the rows that are missing from it.
//
// Threads: value.
// Errors:  rows that break a limit become a RowProblem naming field, value and limit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "format/columns.h"

namespace akidb {

struct RowLimits {
  uint32_t row_bytes_max = 8u << 20;  // text of one JSONL line or CSV record
  uint32_t columns_max = 4096;
  uint32_t dim_max = 16384;
  uint32_t id_bytes_max = 512;
  uint32_t payload_bytes_max = 256u << 10;
};

// A row that was read and refused. Rows are counted from 1 in file order; a CSV header is not a row.
struct RowProblem {
  uint64_t row = 0;
  std::string reason;
};

// Readers append to ids, vectors and payloads, then end the row: EndRow keeps it or takes it back.
struct RowBatch {
  uint32_t dim = 0;  // what every row must have; set before the first row
  std::string ids;
  std::vector<float> vectors;
  std::string payloads;
  std::vector<uint32_t> id_ends;
  std::vector<uint32_t> payload_ends;
  std::vector<uint64_t> rows;  // row number of each kept row
  std::vector<RowProblem> problems;
  uint64_t rows_begin = 0;  // rows (rows_begin, rows_end] of the file were read into this batch
  uint64_t rows_end = 0;

  // Forgets the rows, keeps `dim` and the memory.
  void Clear(uint64_t first_row_before);
  // Ends row number rows_end + 1: kept if `row_status` is OK and id, vector and payload are within `limits`.
  void EndRow(Status row_status, const RowLimits& limits);
  size_t row_count() const { return id_ends.size(); }
  uint64_t bytes() const { return ids.size() + vectors.size() * sizeof(float) + payloads.size(); }
  // Borrows from this batch.
  ColumnBatch View() const;
};

}  // namespace akidb
