// Rows in memory as a segment's source, and segments in a memory store, for the tests of this folder and above.
//
// Threads: one test, one thread.
// Errors:  helpers fail the test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "objstore/object_store.h"
#include "segment/segment_reader.h"
#include "segment/segment_writer.h"

namespace akidb {

struct TestRow {
  std::string id;
  std::string vector;  // stored elements
  float scale = 0;
  std::string payload;
};

class TestSource final : public SegmentSource {
 public:
  explicit TestSource(std::vector<TestRow> rows, Lsn lsn_max = Lsn(42)) : rows_(std::move(rows)), lsn_max_(lsn_max) {}
  std::vector<TestRow>& rows() { return rows_; }

  uint32_t row_count() const override { return static_cast<uint32_t>(rows_.size()); }
  Result<std::string_view> Id(OpContext&, RowIndex row) override { return rows_[row].id; }
  Result<std::string_view> Vector(OpContext&, RowIndex row) override { return rows_[row].vector; }
  float Scale(RowIndex row) override { return rows_[row].scale; }
  Result<std::string_view> Payload(OpContext&, RowIndex row) override { return rows_[row].payload; }
  Lsn lsn_max() const override { return lsn_max_; }

 private:
  std::vector<TestRow> rows_;
  Lsn lsn_max_;
};

// `count` rows, the same for the same arguments: ids ascend, every seventh payload is empty.
std::vector<TestRow> MakeTestRows(uint32_t count, uint32_t dim, VectorType type);

}  // namespace akidb
