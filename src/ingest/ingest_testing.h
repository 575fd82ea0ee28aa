// Files in memory and short ways to read a whole source, for tests and fuzz targets.
//
// Threads: one.
// Errors:  none but the readers' own.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ingest/row_source.h"

namespace akidb {

// Read-only, and as stingy as a disk may be: a read returns at most `read_max` bytes.
class StringFile final : public File {
 public:
  explicit StringFile(std::string bytes, size_t read_max = SIZE_MAX) : bytes_(std::move(bytes)), read_max_(read_max) {}
  Result<size_t> ReadAt(uint64_t offset, size_t size, char* out) override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t count = std::min({size, bytes_.size() - static_cast<size_t>(offset), read_max_});
    std::memcpy(out, bytes_.data() + offset, count);
    return count;
  }
  Status WriteAt(uint64_t, std::string_view) override { return FailedPrecondition("read-only"); }
  Status Sync() override { return OkStatus(); }
  Result<uint64_t> Size() override { return bytes_.size(); }
  Status Truncate(uint64_t) override { return FailedPrecondition("read-only"); }

 private:
  std::string bytes_;
  size_t read_max_;
};

struct ReadRow {
  uint64_t number = 0;
  std::string id;
  std::vector<float> vector;
  std::string payload;
  bool operator==(const ReadRow&) const = default;
};

struct ReadResult {
  Status status;
  std::vector<ReadRow> rows;
  std::vector<RowProblem> problems;
};

// Everything `source` has, in batches of `batch_rows`.
inline ReadResult ReadAll(RowSource& source, uint32_t batch_rows = 1000) {
  OpContext ctx(RealClock());
  ReadResult out;
  RowBatch batch;
  for (;;) {
    const auto more = source.NextBatch(ctx, batch_rows, 8u << 20, &batch);
    if (!more) out.status = more.error();
    if (!more || !*more) return out;
    const ColumnBatch view = batch.View();
    for (size_t i = 0; i < view.ids.size(); ++i) {
      const auto begin = batch.vectors.begin() + static_cast<std::ptrdiff_t>(i * batch.dim);
      out.rows.push_back(
          {batch.rows[i], std::string(view.ids[i]), {begin, begin + batch.dim}, std::string(view.payloads[i])});
    }
    out.problems.insert(out.problems.end(), batch.problems.begin(), batch.problems.end());
  }
}

}  // namespace akidb
