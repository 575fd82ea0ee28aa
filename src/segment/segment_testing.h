// Rows in memory as a segment's source, and a store that counts, for the tests of this folder and above.
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

// Counts requests and answers what a test tells it to.
class SpyStore final : public ObjectStore {
 public:
  explicit SpyStore(std::shared_ptr<ObjectStore> inner) : inner_(std::move(inner)) {}
  std::string_view kind() const override { return "spy"; }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    return inner_->Get(ctx, key, size_max);
  }
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    ranges.push_back(range);
    if (!answer.ok()) return answer;
    return inner_->GetRange(ctx, key, range, version_id, out);
  }
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override { return inner_->Head(ctx, key); }
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& c) override {
    return inner_->Put(ctx, key, body, c);
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override {
    return inner_->OpenWriter(ctx, key);
  }
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& after, uint32_t max) override {
    return inner_->List(ctx, prefix, after, max);
  }
  Status Delete(OpContext& ctx, const std::string& key) override { return inner_->Delete(ctx, key); }

  std::vector<ByteRange> ranges;
  Status answer;

 private:
  std::shared_ptr<ObjectStore> inner_;
};

// `count` rows, the same for the same arguments: ids ascend, every seventh payload is empty.
std::vector<TestRow> MakeTestRows(uint32_t count, uint32_t dim, VectorType type);

}  // namespace akidb
