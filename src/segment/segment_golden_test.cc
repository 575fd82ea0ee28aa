// The golden segments of every released version stay readable for ever.
#include <gtest/gtest.h>

#include "format/format_testing.h"
#include "objstore/memory/memory_store.h"
#include "segment/segment_reader.h"
#include "segment/segment_testing.h"

namespace akidb {
namespace {

const std::string kKey = "segment";

// Ids and payloads too short for Zstd to pay, so that the bytes do not depend on its version.
std::vector<TestRow> IncompressibleRows() {
  std::vector<TestRow> rows = MakeTestRows(3, 4, VectorType::kF16);
  rows[0].id = "a";
  rows[1].id = "b7";
  rows[2].id = "c-\xC3\xA9";
  rows[0].payload = R"({"n":1})";
  rows[1].payload = "";
  rows[2].payload = R"({"lang":"fr"})";
  return rows;
}

class GoldenSegmentTest : public testing::Test {
 protected:
  // The rows of the segment with these bytes, found without a manifest.
  void ExpectRows(const std::string& bytes, const std::vector<TestRow>& rows) {
    const std::string key = kKey + "-golden";
    ASSERT_TRUE(store_->Put(ctx_, key, bytes, PutCondition::None()));
    SegmentEntry entry;
    entry.row_count = static_cast<uint32_t>(rows.size());
    const auto segment = SegmentReader::Open(ctx_, store_, key, entry, NewPayloadBlockCache(1u << 20));
    ASSERT_TRUE(segment) << segment.error().ToString();
    for (RowIndex row = 0; row < rows.size(); ++row) {
      const VectorRows& vectors = (*segment)->vectors();
      EXPECT_EQ((*segment)->Id(row), rows[row].id);
      EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(vectors.Row(row)), vectors.stride_bytes),
                rows[row].vector);
      if (vectors.scales != nullptr) EXPECT_EQ(vectors.scales[row], rows[row].scale);
      EXPECT_EQ((*segment)->Payload(ctx_, row).value().json, rows[row].payload.empty() ? "{}" : rows[row].payload);
    }
  }
  std::string Write(const std::vector<TestRow>& rows, const SegmentOptions& options) {
    TestSource source(rows);
    EXPECT_TRUE(WriteSegment(ctx_, *store_, kKey, "", options, source));
    return store_->Get(ctx_, kKey, 1u << 20)->bytes;
  }

  OpContext ctx_{RealClock()};
  std::shared_ptr<ObjectStore> store_ = NewMemoryStore(RealClock());
};

TEST_F(GoldenSegmentTest, RawBlocksV1) {
  ExpectGolden("segment_raw_v1.seg", Write(IncompressibleRows(), {.dim = 4, .type = VectorType::kF16, .columns = std::nullopt}));
  ExpectRows(ReadGolden("segment_raw_v1.seg"), IncompressibleRows());
}

TEST_F(GoldenSegmentTest, ZstdBlocksV1) {
  // Another version of Zstd may pack other bytes; those of the golden file must go on to say the same.
  const std::vector<TestRow> rows = MakeTestRows(200, 6, VectorType::kInt8);
  const std::string written = Write(rows, {.dim = 6, .type = VectorType::kInt8, .payload_block_bytes = 4096});
  ExpectRows(written, rows);
  ExpectRows(ReadGolden("segment_zstd_v1.seg"), rows);
}

}  // namespace
}  // namespace akidb
