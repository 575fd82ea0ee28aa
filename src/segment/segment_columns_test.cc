#include <gtest/gtest.h>

#include "filter/filter_generator_testing.h"
#include "filter/filter_testing.h"
#include "objstore/memory/memory_store.h"
#include "segment/payload_cache.h"
#include "segment/segment_reader.h"
#include "segment/segment_testing.h"
#include "segment/segment_writer.h"

namespace akidb {
namespace {

const std::string kColumnsKey = "t/default/c/1/segments/00000000000000000001-0123456789abcdef.seg";

std::shared_ptr<const Filter> Parsed(std::string_view json) {
  auto filter = ParseFilterText(json);
  EXPECT_TRUE(filter) << filter.error().ToString();
  return *filter;
}

class SegmentColumnsTest : public testing::Test {
 protected:
  std::shared_ptr<const SegmentReader> MustOpen(const std::vector<TestRow>& rows, SegmentOptions options = {.dim = 1}) {
    if (store_->Head(ctx_, kColumnsKey)) EXPECT_TRUE(store_->Delete(ctx_, kColumnsKey).ok());
    options.dim = 1;
    TestSource source(rows);
    const auto entry = WriteSegment(ctx_, *store_, kColumnsKey, "", options, source);
    EXPECT_TRUE(entry) << entry.error().ToString();
    auto segment = SegmentReader::Open(ctx_, store_, kColumnsKey, *entry, cache_);
    EXPECT_TRUE(segment) << segment.error().ToString();
    store_->ranges.clear();
    return *segment;
  }
  // `count` rows with the payloads that `payload` makes.
  template <class Payload>
  static std::vector<TestRow> Rows(uint32_t count, const Payload& payload) {
    std::vector<TestRow> rows = MakeTestRows(count, 1, VectorType::kF32);
    for (uint32_t i = 0; i < count; ++i) rows[i].payload = payload(i);
    return rows;
  }
  uint32_t Count(const SegmentReader& segment, std::string_view filter) {
    const auto rows = segment.Matching(ctx_, *Parsed(filter));
    EXPECT_TRUE(rows) << rows.error().ToString();
    return (*rows)->Count();
  }

  OpContext ctx_{RealClock()};
  std::shared_ptr<SpyStore> store_ = std::make_shared<SpyStore>(NewMemoryStore(RealClock()));
  std::shared_ptr<PayloadBlockCache> cache_ = NewPayloadBlockCache(1u << 20, 1u << 20);
};

TEST_F(SegmentColumnsTest, MatchingRowsAreThoseWhosePayloadsMatch) {
  FilterGenerator generate(5);
  size_t matches = 0;
  for (size_t set = 0; set < 30; ++set) {
    const auto rows = Rows(1 + static_cast<uint32_t>(generate.Below(150)), [&](uint32_t) {
      return generate.Below(3) == 0 ? generate.Payload().Text() : generate.PlainPayload().Text();
    });
    SegmentOptions options{.payload_block_bytes = 1024};
    if (set % 3 == 0) options.columns = std::nullopt;
    if (set % 3 == 1) options.columns = ColumnOptions{.column_row_bytes_max = 8, .rows_min = 1};
    const auto segment = MustOpen(rows, options);
    for (size_t i = 0; i < 30; ++i) {
      const auto filter = Parsed(generate.Filter(static_cast<int>(generate.Below(4))).Text());
      PaddedEvaluator evaluator(*filter);
      const auto matching = segment->Matching(ctx_, *filter);
      ASSERT_TRUE(matching) << matching.error().ToString();
      uint32_t expected = 0;
      for (RowIndex row = 0; row < rows.size(); ++row) {
        const bool matched = evaluator.Matches(rows[row].id, rows[row].payload);
        expected += matched ? 1 : 0;
        ASSERT_EQ((*matching)->Contains(row), matched) << filter->Canonical() << "\non " << rows[row].payload;
      }
      ASSERT_EQ((*matching)->Count(), expected);
      matches += expected;
    }
  }
  EXPECT_GT(matches, 1000u);
}

TEST_F(SegmentColumnsTest, ReadsOnlyTheColumnsThatAFilterAsksForAndNoPayload) {
  const auto segment = MustOpen(Rows(5000, [](uint32_t i) {
    return R"({"lang":")" + std::string(i % 5 == 0 ? "fr" : "en") + R"(","size":)" + std::to_string(i) + "}";
  }));
  EXPECT_EQ(Count(*segment, R"({"key":"lang","value":"fr"})"), 1000u);
  EXPECT_EQ(store_->ranges.size(), 2u);  // the tree and one column
  EXPECT_EQ(Count(*segment, R"({"must":[{"key":"lang","value":"fr"},{"key":"size","range":{"gte":4000}}]})"), 200u);
  EXPECT_EQ(store_->ranges.size(), 3u);
  EXPECT_EQ(Count(*segment, R"({"key":"size","range":{"gte":4000}})"), 1000u);
  EXPECT_EQ(Count(*segment, R"({"is_empty":{"key":"nowhere"}})"), 5000u);
  EXPECT_EQ(store_->ranges.size(), 3u);
}

TEST_F(SegmentColumnsTest, AnswersTheSameFilterFromMemory) {
  const auto segment = MustOpen(Rows(1000, [](uint32_t i) { return R"({"n":)" + std::to_string(i) + "}"; }));
  const auto first = segment->Matching(ctx_, *Parsed(R"({"key":"n","value":{"gte":7,"lt":9}})"));
  ASSERT_TRUE(first);
  const auto again = segment->Matching(ctx_, *Parsed(R"({"range":{"lt":9.0,"gte":7},"key":"n"})"));
  ASSERT_TRUE(again);
  EXPECT_EQ(*first, *again);
}

TEST_F(SegmentColumnsTest, ReadsPayloadBlocksOnlyOfUndecidedRows) {
  // One row in a thousand has an object in a list, which columns leave to the payload.
  const auto rows = Rows(10'000, [](uint32_t i) {
    return i == 4321 ? std::string(R"({"parts":[{"size":3}]})") : R"({"parts":)" + std::to_string(i) + "}";
  });
  const auto segment = MustOpen(rows, {.payload_block_bytes = 1024});
  EXPECT_EQ(Count(*segment, R"({"nested":{"key":"parts","filter":{"key":"size","value":3}}})"), 1u);
  ASSERT_EQ(store_->ranges.size(), 4u);  // the tree, two columns, one block of payloads
  EXPECT_LT(store_->ranges.back().size(), 1024u);
}

TEST_F(SegmentColumnsTest, WorksWithoutRoomToKeepAnything) {
  cache_ = NewPayloadBlockCache(0, 0);
  const auto segment = MustOpen(Rows(100, [](uint32_t i) { return R"({"n":)" + std::to_string(i) + "}"; }));
  EXPECT_EQ(Count(*segment, R"({"key":"n","value":{"lt":10}})"), 10u);
  EXPECT_EQ(Count(*segment, R"({"key":"n","value":{"lt":10}})"), 10u);
  EXPECT_EQ(cache_->columns()->used_bytes(), 0u);
}

TEST_F(SegmentColumnsTest, AClosedSegmentLeavesNothingInTheCache) {
  auto segment = MustOpen(Rows(100, [](uint32_t i) { return R"({"n":)" + std::to_string(i) + "}"; }));
  EXPECT_EQ(Count(*segment, R"({"key":"n","value":{"lt":10}})"), 10u);
  EXPECT_GT(cache_->columns()->used_bytes(), 100u);
  segment.reset();
  EXPECT_EQ(cache_->columns()->used_bytes(), 0u);
}

TEST_F(SegmentColumnsTest, RowsWithoutFieldsMakeASegmentOfTheFirstVersion) {
  const auto rows = Rows(10, [](uint32_t) { return ""; });
  const auto segment = MustOpen(rows);
  const std::string with = store_->Get(ctx_, kColumnsKey, 1u << 20)->bytes;
  EXPECT_EQ(Count(*segment, R"({"is_empty":{"key":"a"}})"), 10u);
  MustOpen(rows, {.columns = std::nullopt});
  EXPECT_EQ(store_->Get(ctx_, kColumnsKey, 1u << 20)->bytes, with);
}

TEST_F(SegmentColumnsTest, IdsAreFoundWithoutReadingAnything) {
  const auto segment = MustOpen(MakeTestRows(100, 1, VectorType::kF32));
  EXPECT_EQ(Count(*segment, R"({"has_id":["doc-00000007","doc-00000099","doc-1"]})"), 2u);
  EXPECT_EQ(Count(*segment, R"({"must_not":{"has_id":["doc-00000007"]}})"), 99u);
  EXPECT_EQ(store_->ranges.size(), 0u);
}

TEST_F(SegmentColumnsTest, WhatTheStoreDeniesIsUnavailableAndMayBeAskedAgain) {
  const auto segment = MustOpen(Rows(100, [](uint32_t i) { return R"({"n":)" + std::to_string(i) + "}"; }));
  const auto filter = Parsed(R"({"key":"n","value":{"lt":10}})");
  store_->answer = NotFound("no such key");
  EXPECT_EQ(segment->Matching(ctx_, *filter).error().code(), StatusCode::kUnavailable);
  store_->answer = OkStatus();
  EXPECT_EQ(Count(*segment, R"({"key":"n","value":{"lt":10}})"), 10u);
}

}  // namespace
}  // namespace akidb
