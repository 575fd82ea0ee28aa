// The golden segments of every released version stay readable for ever.
#include <gtest/gtest.h>

#include "filter/column_format.h"
#include "filter/filter_testing.h"
#include "format/format_testing.h"
#include "objstore/memory/memory_store.h"
#include "segment/segment_reader.h"
#include "segment/segment_testing.h"

namespace akidb {
namespace {

const std::string kGoldenKey = "segment";

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
    const std::string key = kGoldenKey + "-golden";
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
    EXPECT_TRUE(WriteSegment(ctx_, *store_, kGoldenKey, "", options, source));
    return store_->Get(ctx_, kGoldenKey, 1u << 20)->bytes;
  }

  OpContext ctx_{RealClock()};
  std::shared_ptr<ObjectStore> store_ = NewMemoryStore(RealClock());
};

TEST_F(GoldenSegmentTest, RawBlocksV1) {
  ExpectGolden("segment_raw_v1.seg",
               Write(IncompressibleRows(), {.dim = 4, .type = VectorType::kF16, .columns = std::nullopt}));
  ExpectRows(ReadGolden("segment_raw_v1.seg"), IncompressibleRows());
}

TEST_F(GoldenSegmentTest, ZstdBlocksV1) {
  // Another version of Zstd may pack other bytes; those of the golden file must go on to say the same.
  const std::vector<TestRow> rows = MakeTestRows(200, 6, VectorType::kInt8);
  const std::string written = Write(rows, {.dim = 6, .type = VectorType::kInt8, .payload_block_bytes = 4096});
  ExpectRows(written, rows);
  ExpectRows(ReadGolden("segment_zstd_v1.seg"), rows);
}

// Rows of every shape that a column tells apart.
PayloadColumns GoldenColumns() {
  const auto builder = ColumnBuilder::New({});
  for (const std::string_view payload :
       {R"({"v":"fr","o":{"at":"2024-05-01"}})", R"({"v":-3,"o":{"at":"2024-05-02T10:00:00Z"}})", R"({"v":1.5})",
        R"({"v":18446744073709551615})", R"({"v":["fr","en",1.5,null]})", R"({"v":[]})", R"({"v":[{"w":1}]})",
        R"({"v":null})", R"({"v":true})", ""}) {
    builder->Add(payload);
  }
  return builder->Finish();
}

TEST_F(GoldenSegmentTest, ColumnsV1) {
  const PayloadColumns columns = GoldenColumns();
  ASSERT_EQ(columns.columns.size(), 4u);
  ExpectGolden("payload_column_tree_v1.bin", filter::EncodeColumnTree(columns.tree));
  ExpectGolden("payload_column_v1.bin", filter::EncodeColumn(columns.columns[0]));
  ExpectGolden("payload_column_times_v1.bin", filter::EncodeColumn(columns.columns[2]));
  EXPECT_EQ(filter::DecodeColumnTree(ReadGolden("payload_column_tree_v1.bin")).value(), columns.tree);
  const auto column = filter::DecodeColumn(ReadGolden("payload_column_v1.bin"), 10);
  ASSERT_TRUE(column) << column.error().ToString();
  EXPECT_EQ(column->codes.bytes(), columns.columns[0].codes.bytes());
  EXPECT_EQ(column->list_codes.bytes(), columns.columns[0].list_codes.bytes());
  EXPECT_TRUE(filter::DecodeColumn(ReadGolden("payload_column_times_v1.bin"), 10).value().strings_are_times);
}

TEST_F(GoldenSegmentTest, ColumnsOfASegmentV2) {
  // As with Zstd: other bytes may say the same, the golden ones must go on to do so.
  const std::vector<TestRow> rows = MakeTestRows(200, 6, VectorType::kF16);
  const std::string written = Write(rows, {.dim = 6, .type = VectorType::kF16, .payload_block_bytes = 4096});
  ExpectRows(written, rows);
  const std::string golden = ReadGolden("segment_columns_v2.seg");
  ExpectRows(golden, rows);
  ASSERT_TRUE(store_->Put(ctx_, "columns", golden, PutCondition::None()));
  SegmentEntry entry;
  entry.row_count = 200;
  const auto segment = SegmentReader::Open(ctx_, store_, "columns", entry, NewPayloadBlockCache(0));
  ASSERT_TRUE(segment) << segment.error().ToString();
  const auto filter = ParseFilterText(R"({"must":[{"key":"lang","value":"fr"},{"key":"n","value":{"gte":100}}]})");
  const auto match = (*segment)->MatchColumns(ctx_, **filter);
  ASSERT_TRUE(match) << match.error().ToString();
  EXPECT_TRUE(match->undecided.empty());
  EXPECT_EQ(RowSet(200, match->matching).Count(), 28u);
}

}  // namespace
}  // namespace akidb
