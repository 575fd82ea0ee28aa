// Invariants I1-I3, I5 and I8 on the paths a single process takes; the simulation takes the others.
#include "engine/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "engine/engine_testing.h"
#include "query/search.h"

namespace akidb {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::vector<TestRow> NumberedRows(int begin, int end, const std::string& tag = "a") {
  std::vector<TestRow> rows;
  for (int i = begin; i < end; ++i) {
    const auto x = static_cast<float>(i);
    rows.push_back(
        {"id" + std::to_string(i), {x, x * 2, 1, -x}, "{\"n\":" + std::to_string(i) + ",\"tag\":\"" + tag + "\"}"});
  }
  return rows;
}

std::shared_ptr<const Filter> MakeFilter(const std::string& json) {
  simdjson::dom::parser parser;
  const auto filter = Filter::Parse(parser.parse(json).value(), Limits());
  EXPECT_TRUE(filter) << (filter ? "" : filter.error().ToString());
  return filter ? *filter : nullptr;
}

TEST(DatabaseTest, AcknowledgedRowsSurviveACrash) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, NumberedRows(0, 10));
  EXPECT_EQ(test.Delete(*c, {"id3", "nowhere"}), 1u);
  const auto before = test.Contents(*c);
  EXPECT_EQ(before.size(), 9u);
  c.reset();
  test.Crash();
  EXPECT_EQ(test.Contents(*test.Get("docs")), before);
}

TEST(DatabaseTest, FlushedAndUnflushedRowsSurviveTogether) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, NumberedRows(0, 10));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  EXPECT_EQ(c->stats().segment_count, 1u);
  EXPECT_EQ(c->stats().unflushed_bytes, 0u);
  test.Upsert(*c, NumberedRows(5, 12, "b"));
  EXPECT_EQ(test.Delete(*c, {"id0", "id7"}), 2u);
  const auto before = test.Contents(*c);
  EXPECT_EQ(before.size(), 10u);
  c.reset();
  for (int i = 0; i < 3; ++i) {
    test.Crash();
    EXPECT_EQ(test.Contents(*test.Get("docs")), before);
  }
  test.Restart();
  EXPECT_EQ(test.Contents(*test.Get("docs")), before);
  EXPECT_EQ(test.Get("docs")->stats().live_rows, 10u);
}

TEST(DatabaseTest, RowsAreNotVisibleBeforeTheyAreDurable) {
  TestDatabase test;
  auto c = test.Create("docs", 2);
  const std::vector<float> vector = {1, 2};
  WriteRows rows;
  rows.ids = {"a"};
  rows.payloads = {"{}"};
  rows.vectors = vector.data();
  rows.dim = 2;
  const auto receipt = c->Write(test.ctx(), rows, WriteMode::kUpsert, BatchPolicy::kAllOrNothing);
  ASSERT_TRUE(receipt);
  EXPECT_THAT(test.Contents(*c), IsEmpty());
  ASSERT_TRUE(c->WaitDurable(test.ctx(), receipt->position.lsn).ok());
  EXPECT_THAT(test.Contents(*c), ElementsAre(Pair("a", "{}")));
}

TEST(DatabaseTest, AnOldSnapshotSeesNoLaterWriteFlushOrMerge) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, NumberedRows(0, 8));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  test.Upsert(*c, NumberedRows(8, 12));
  const auto old = *c->Read(test.ctx());
  test.Upsert(*c, NumberedRows(4, 10, "new"));
  test.Delete(*c, {"id0", "id11"});
  ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
  const auto count = Count(test.ctx(), *old, nullptr);
  ASSERT_TRUE(count);
  EXPECT_EQ(*count, 12u);
  const auto rows = GetRows(test.ctx(), *old, {"id0", "id9", "id11"}, Include::kYes, Include::kNo);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[1].payload.json, "{\"n\":9,\"tag\":\"a\"}");
  EXPECT_EQ(*Count(test.ctx(), **c->Read(test.ctx()), nullptr), 10u);
  EXPECT_EQ(c->stats().segment_count, 1u);
}

TEST(DatabaseTest, AFailedBatchChangesNothing) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, NumberedRows(0, 3));
  const auto before = test.Contents(*c);
  auto rows = NumberedRows(2, 6);
  rows.back().vector = {1, 2, std::numeric_limits<float>::quiet_NaN(), 4};
  EXPECT_EQ(test.Write(*c, rows).error().reason(), "non_finite");
  rows = NumberedRows(2, 6);
  rows[2].id = rows[0].id;
  EXPECT_EQ(test.Write(*c, rows).error().reason(), "duplicate_id");
  EXPECT_EQ(test.Write(*c, NumberedRows(2, 6), WriteMode::kInsert).error().reason(), "id_exists");
  EXPECT_EQ(test.Write(*c, NumberedRows(2, 6), WriteMode::kUpdate).error().reason(), "id_not_found");
  EXPECT_EQ(test.Write(*c, {{"x", {1, 2}}}).error().reason(), "wrong_dimension");
  EXPECT_EQ(test.Write(*c, {{"", {1, 2, 3, 4}}}).error().reason(), "empty_id");
  EXPECT_EQ(test.Write(*c, {{std::string(600, 'x'), {1, 2, 3, 4}}}).error().reason(), "id_too_long");
  EXPECT_EQ(test.Write(*c, {{"\xff", {1, 2, 3, 4}}}).error().reason(), "invalid_utf8");
  EXPECT_EQ(test.Write(*c, {{"x", {1, 2, 3, 4}, std::string(300 << 10, ' ')}}).error().reason(), "payload_too_large");
  EXPECT_EQ(test.Contents(*c), before);
  c.reset();
  test.Crash();
  EXPECT_EQ(test.Contents(*test.Get("docs")), before);
}

TEST(DatabaseTest, ZeroVectorsAreRefusedOnlyUnderCosine) {
  TestDatabase test;
  auto cosine = test.Create("cosine", 2, Distance::kCosine);
  EXPECT_EQ(test.Write(*cosine, {{"x", {0, 0}}}).error().reason(), "zero_vector");
  auto euclidean = test.Create("euclidean", 2, Distance::kEuclidean);
  EXPECT_TRUE(test.Write(*euclidean, {{"x", {0, 0}}}));
}

TEST(DatabaseTest, APartialBatchReportsEachRefusedRow) {
  TestDatabase test;
  auto c = test.Create("docs", 4, Distance::kEuclidean, VectorType::kF16);
  auto rows = NumberedRows(0, 5);
  rows[1].id = "";
  rows[3].vector[0] = 1e9F;  // beyond f16
  const auto receipt = test.Write(*c, rows, WriteMode::kUpsert, BatchPolicy::kPartial);
  ASSERT_TRUE(receipt);
  EXPECT_EQ(receipt->affected, 3u);
  ASSERT_EQ(receipt->errors.size(), 2u);
  EXPECT_EQ(receipt->errors[0].index, 1u);
  EXPECT_EQ(receipt->errors[1].status.reason(), "vector_out_of_range");
  const auto inserted = test.Write(*c, NumberedRows(0, 6), WriteMode::kInsert, BatchPolicy::kPartial);
  ASSERT_TRUE(inserted);
  EXPECT_EQ(inserted->affected, 3u);
  EXPECT_EQ(test.Contents(*c).size(), 6u);
  const auto got = GetRows(test.ctx(), **c->Read(test.ctx()), {"id4", "id3"}, Include::kNo, Include::kYes);
  ASSERT_TRUE(got);
  EXPECT_THAT((*got)[0].vector, ElementsAre(4, 8, 1, -4));
}

TEST(DatabaseTest, PayloadMergeFollowsRfc7386) {
  TestDatabase test;
  auto c = test.Create("docs", 2);
  test.Upsert(*c, {{"a", {1, 2}, R"({"x":1,"deep":{"k":1,"l":2},"gone":true})"}});
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  const auto receipt =
      c->MergePayload(test.ctx(), "a", R"({"deep":{"k":null,"m":[1]},"gone":null,"new":{"z":null,"y":"\u00e9"}})");
  ASSERT_TRUE(receipt) << receipt.error().ToString();
  ASSERT_TRUE(c->WaitDurable(test.ctx(), receipt->position.lsn).ok());
  EXPECT_THAT(test.Contents(*c), ElementsAre(Pair("a", R"({"x":1,"deep":{"l":2,"m":[1]},"new":{"y":"é"}})")));
  EXPECT_EQ(c->MergePayload(test.ctx(), "b", "{}").error().reason(), "id_not_found");
  EXPECT_EQ(c->MergePayload(test.ctx(), "a", "[1]").error().reason(), "invalid_payload");
}

TEST(DatabaseTest, DeleteMatchingTakesExactlyTheMatches) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, NumberedRows(0, 20));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  test.Upsert(*c, NumberedRows(15, 30, "b"));
  const auto filter = MakeFilter(R"({"must":[{"key":"n","range":{"gte":10}},{"key":"tag","match":{"value":"a"}}]})");
  const auto receipt = c->DeleteMatching(test.ctx(), *filter);
  ASSERT_TRUE(receipt) << receipt.error().ToString();
  EXPECT_EQ(receipt->affected, 5u);
  ASSERT_TRUE(c->WaitDurable(test.ctx(), receipt->position.lsn).ok());
  EXPECT_EQ(test.Contents(*c).size(), 25u);
  EXPECT_EQ(c->DeleteMatching(test.ctx(), *filter)->affected, 0u);
}

TEST(DatabaseTest, BackgroundStepsFlushMergeTrimAndCollect) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  std::map<std::string, std::string> expected;
  for (int round = 0; round < 40; ++round) {
    test.Upsert(*c, NumberedRows(round * 7, round * 7 + 60, "r" + std::to_string(round)));
    test.Delete(*c, {"id" + std::to_string(round * 7 + 3)});
    expected = test.Contents(*c);
    test.clock().Advance(seconds(15));
    test.executor().RunUntilIdle();
    ASSERT_EQ(test.Contents(*c), expected) << "round " << round;
  }
  EXPECT_LT(c->stats().segment_count, 12u);
  for (int i = 0; i < 60; ++i) {
    test.clock().Advance(seconds(30));
    test.executor().RunUntilIdle();
  }
  EXPECT_LE(test.db().wal_stats().files, 3u) << "the log was not trimmed";
  // Everything in the bucket that no manifest names is gone.
  const auto page = test.store().List(test.ctx(), "t/default/c/1/segments/", "", 1000);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->objects.size(), c->stats().segment_count);
  c.reset();
  test.Crash();
  EXPECT_EQ(test.Contents(*test.Get("docs")), expected);
}

TEST(DatabaseTest, ADroppedCollectionStaysDroppedAndItsNameIsFree) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, NumberedRows(0, 10));
  ASSERT_TRUE(test.db().Drop(test.ctx(), "docs").ok());
  EXPECT_EQ(test.Write(*c, NumberedRows(0, 1)).error().code(), StatusCode::kNotFound);
  EXPECT_EQ(test.db().Get(test.ctx(), "docs").error().reason(), "collection_not_found");
  auto again = test.Create("docs", 2);
  EXPECT_NE(again->id(), c->id());
  EXPECT_THAT(test.Contents(*again), IsEmpty());
  c.reset();
  again.reset();
  test.Crash();
  EXPECT_THAT(test.Contents(*test.Get("docs")), IsEmpty());
  EXPECT_EQ(test.Get("docs")->spec().dim, 2u);
  test.executor().RunUntilIdle();
  test.clock().Advance(seconds(300));
  test.executor().RunUntilIdle();
  EXPECT_THAT(test.store().List(test.ctx(), "t/default/c/1/", "", 1000)->objects, testing::SizeIs(1))
      << "only what keeps the id taken";
}

TEST(DatabaseTest, UnflushedBytesPushBack) {
  EngineOptions options = TestDatabase::SmallOptions();
  options.limits.unflushed_bytes_max = 20000;
  options.seal_bytes = 1 << 20;
  TestDatabase test(options);
  auto c = test.Create("docs", 4);
  int written = 0;
  Status refused;
  while (written < 1000 && refused.ok()) {
    const auto receipt = test.Write(*c, NumberedRows(written, written + 10));
    if (receipt) {
      written += 10;
    } else {
      refused = receipt.error();
    }
  }
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.reason(), "unflushed_full");
  EXPECT_EQ(test.Contents(*c).size(), static_cast<size_t>(written));
  test.executor().RunUntilIdle();
  EXPECT_TRUE(test.Write(*c, NumberedRows(written, written + 10)));
}

TEST(DatabaseTest, ASecondDatabaseOnTheDirectoryIsRefused) {
  EngineOptions options = TestDatabase::SmallOptions();
  options.lock_note = "pid 4711";
  TestDatabase test(options);
  const Status second = test.TryOpen();
  EXPECT_EQ(second.reason(), "locked");
  EXPECT_THAT(second.ToString(), HasSubstr("pid 4711"));
}

TEST(DatabaseTest, AMissingSegmentIsUnavailableAndNotForgotten) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Create("other", 4);
  test.Upsert(*c, NumberedRows(0, 10));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  c.reset();
  const auto page = test.store().List(test.ctx(), "t/default/c/1/segments/", "", 10);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->objects.size(), 1u);
  ASSERT_TRUE(test.db().Close(test.ctx()).ok());
  ASSERT_TRUE(test.store().Delete(test.ctx(), page->objects[0].key).ok());
  const Status opened = test.TryOpen();
  EXPECT_EQ(opened.code(), StatusCode::kUnavailable) << opened.ToString();
  EXPECT_THAT(opened.ToString(), HasSubstr(page->objects[0].key.substr(0, 30)));
}

TEST(DatabaseTest, SearchIsExactOverSegmentsAndGrowingRows) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, NumberedRows(0, 50));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  test.Upsert(*c, NumberedRows(40, 90, "b"));
  test.Delete(*c, {"id44"});
  SearchRequest request;
  request.vector = {44, 88, 1, -44};
  request.top_k = 3;
  auto rows = Search(test.ctx(), **c->Read(test.ctx()), request);
  ASSERT_TRUE(rows) << rows.error().ToString();
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[0].id, "id43");  // as far as id45; ties by id
  EXPECT_EQ((*rows)[1].id, "id45");
  EXPECT_DOUBLE_EQ((*rows)[0].score, std::sqrt(6.0));
  request.filter = MakeFilter(R"({"key":"tag","value":"a"})");
  request.offset = 1;
  rows = Search(test.ctx(), **c->Read(test.ctx()), request);
  ASSERT_TRUE(rows);
  EXPECT_EQ((*rows)[0].id, "id38");
  request.score_threshold = 3;
  rows = Search(test.ctx(), **c->Read(test.ctx()), request);
  EXPECT_THAT(*rows, IsEmpty());
}

TEST(DatabaseTest, ScrollVisitsEveryRowOnceInOrderOfId) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, NumberedRows(0, 50));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  test.Upsert(*c, NumberedRows(30, 80, "b"));
  const auto snapshot = *c->Read(test.ctx());
  std::vector<std::string> ids;
  ScrollRequest request;
  request.limit = 7;
  bool more = true;
  while (more) {
    const auto page = Scroll(test.ctx(), *snapshot, request);
    ASSERT_TRUE(page);
    for (const ResultRow& row : page->rows) ids.push_back(row.id);
    more = page->more;
    request.after_id = ids.back();
  }
  std::vector<std::string> expected;
  for (const auto& [id, payload] : test.Contents(*c)) expected.push_back(id);
  EXPECT_EQ(ids, expected);
  EXPECT_EQ(ids.size(), 80u);
}

}  // namespace
}  // namespace akidb
