// Two flushes under way at once, on the node that writes to a shared store: what one uploads while the other is
// committed, and what becomes of both when something comes in between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "engine/engine_testing.h"
#include "format/manifest_format.h"
#include "format/object_keys.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class FlushTest : public testing::Test {
 protected:
  FlushTest() {
    node_ = Node("a");
    docs_ = node_->Create("docs", 2);
  }
  std::unique_ptr<TestDatabase> Node(const std::string& name) {
    EngineOptions options = TestDatabase::SmallOptions();
    options.shared_store = true;
    options.node = name;
    return std::make_unique<TestDatabase>(options, bucket_, ++seed_);
  }
  // A write that waits for its commit, which makes a flush due.
  void Await(const std::string& id, const std::string& payload = "{}") {
    const auto written = node_->Write(*docs_, {{id, {1, 0}, payload}});
    ASSERT_TRUE(written) << written.error().ToString();
    NotifyOf(written->position.lsn);
  }
  void NotifyOf(Lsn lsn) {
    docs_->NotifyCommitted(node_->ctx(), lsn, [this](const Status& status) { answers_.push_back(status); });
  }
  // One step each: an upload, whatever waits for its commit, and a commit.
  void Upload() { node_->executor().Step("upload"); }
  void Commit() { node_->executor().Step("flush"); }
  uint64_t Uploads() { return node_->store().calls(StoreOp::kCommit); }
  uint64_t Puts() { return node_->store().calls(StoreOp::kPut); }

  Manifest Head() {
    OpContext ctx(clock_);
    const auto page = bucket_->List(ctx, CollectionPrefix(docs_->id()) + "manifest/", "", 1000);
    return DecodeManifest(bucket_->Get(ctx, page->objects.back().key, 1 << 20).value().bytes).value();
  }
  size_t Objects(const std::string& folder) {
    OpContext ctx(clock_);
    return bucket_->List(ctx, CollectionPrefix(CollectionId(1)) + folder, "", 1000)->objects.size();
  }
  // What a node sees that has nothing but the bucket.
  RowMap InTheBucket() {
    auto other = Node("reader");
    return other->Contents(*other->Get("docs"));
  }

  ManualClock clock_;
  uint64_t seed_ = 100;
  std::shared_ptr<ObjectStore> bucket_ = NewMemoryStore(clock_);
  std::unique_ptr<TestDatabase> node_;
  std::shared_ptr<Collection> docs_;
  std::vector<Status> answers_;
};

TEST_F(FlushTest, TheNextIsUploadedWhileTheOneBeforeIsCommitted) {
  Await("1");
  Upload();
  const ManifestVersion before = Head().version;
  uint64_t uploaded = 0;
  node_->DuringNext(StoreOp::kPut, [&] {
    Await("2");
    const uint64_t uploads = Uploads();
    Upload();
    uploaded = Uploads() - uploads;
    EXPECT_EQ(Head().version, before);
    EXPECT_TRUE(answers_.empty());
  });
  Commit();
  EXPECT_EQ(uploaded, 1u);
  EXPECT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(Head().version, before.Next());
  const uint64_t uploads = Uploads(), puts = Puts();
  Commit();
  EXPECT_THAT(answers_, SizeIs(2));
  EXPECT_EQ(Uploads(), uploads) << "it was up already";
  EXPECT_EQ(Puts(), puts + 1) << "a manifest";
  for (const Status& answer : answers_) EXPECT_TRUE(answer.ok());
  EXPECT_THAT(InTheBucket(), UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}")));
  EXPECT_EQ(node_->db().unflushed_bytes(), 0u);
}

TEST_F(FlushTest, NoThirdIsBegunBeforeTheFirstIsCommitted) {
  for (const char* id : {"1", "2", "3"}) {
    Await(id);
    if (*id != '3') Upload();
  }
  const uint64_t uploads = Uploads();
  node_->DuringNext(StoreOp::kPut, [&] { Upload(); });
  Commit();
  EXPECT_EQ(Uploads(), uploads);
  Upload();
  EXPECT_EQ(Uploads(), uploads + 1);
  while (answers_.size() < 3) Commit();
  EXPECT_THAT(InTheBucket(), SizeIs(3));
}

TEST_F(FlushTest, WhatTheNextDeletesOfTheOneBeforeIsPublishedWithTheNext) {
  node_->Upsert(*docs_, {{"kept", {1, 0}}, {"deleted", {1, 0}}});
  Await("replaced");
  Upload();
  node_->DuringNext(StoreOp::kPut, [&] {
    node_->Delete(*docs_, {"deleted"});
    Await("replaced", R"({"by":"the next"})");
    Upload();
  });
  Commit();
  ASSERT_THAT(Head().segments, SizeIs(1));
  EXPECT_EQ(Head().segments[0].row_count, 3u);
  EXPECT_EQ(Head().segments[0].deleted_count, 0u) << "as of its watermark";
  const RowMap expected = {{"kept", "{}"}, {"replaced", R"({"by":"the next"})"}};
  EXPECT_EQ(node_->Contents(*docs_), expected);
  EXPECT_EQ(InTheBucket(), expected) << "the log says what was deleted";
  Commit();
  ASSERT_THAT(Head().segments, SizeIs(2));
  EXPECT_EQ(Head().segments[0].deleted_count + Head().segments[1].deleted_count, 2u);
  EXPECT_EQ(node_->Contents(*docs_), expected);
  EXPECT_EQ(InTheBucket(), expected);
  EXPECT_EQ(docs_->stats().live_rows, 2u);
}

TEST_F(FlushTest, DeletesAloneAreAFlushToo) {
  for (const char* id : {"1", "2"}) Await(id);
  Upload();
  node_->Delete(*docs_, {"1"});
  node_->clock().Advance(seconds(11));
  Upload();
  Commit();
  Commit();
  EXPECT_THAT(Head().segments, SizeIs(1));
  EXPECT_EQ(Head().segments[0].deleted_count, 1u);
  EXPECT_THAT(InTheBucket(), ElementsAre(Pair("2", "{}")));
}

TEST_F(FlushTest, ASegmentWithoutALiveRowIsNamedNoMore) {
  for (const char* id : {"1", "2", "3"}) {
    Await(id);
    ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  }
  const ManifestVersion old_version = Head().version;
  const auto before = docs_->Read(node_->ctx());
  ASSERT_TRUE(before);
  const RowMap old = node_->Contents(**before);
  ASSERT_THAT(old, SizeIs(3));
  node_->Delete(*docs_, {"2"});
  Await("1", R"({"again":true})");
  Upload();
  EXPECT_THAT(node_->Contents(*docs_), SizeIs(2)) << "replaced, and not published yet";
  const uint64_t puts = Puts();
  Commit();
  EXPECT_EQ(Puts(), puts + 1) << "a manifest, and no deletion vector";
  ASSERT_THAT(Head().segments, SizeIs(2));
  EXPECT_EQ(Head().segments[0].id_max, "3");
  EXPECT_EQ(Head().segments[1].id_max, "1");
  for (const SegmentEntry& segment : Head().segments) EXPECT_FALSE(segment.deletes);
  const RowMap expected = {{"1", R"({"again":true})"}, {"3", "{}"}};
  EXPECT_EQ(node_->Contents(*docs_), expected);
  EXPECT_EQ(InTheBucket(), expected);
  EXPECT_EQ(node_->Contents(**before), old) << "who began to read before still does";
  EXPECT_EQ(node_->ContentsAt(*docs_, AtVersion{old_version}), old);
  EXPECT_EQ(docs_->stats().live_rows, 2u);
  node_->Delete(*docs_, {"1", "3"});
  ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  EXPECT_THAT(Head().segments, SizeIs(0));
  EXPECT_THAT(InTheBucket(), SizeIs(0));
}

TEST_F(FlushTest, AMergeDoesWithoutAnInputThatAFlushEmptied) {
  for (const char* id : {"1", "2", "3", "4"}) {
    Await(id);
    ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  }
  node_->DuringNext(StoreOp::kCommit, [&] {
    node_->Delete(*docs_, {"2"});
    Await("3", R"({"again":true})");
    Upload();
    Commit();
    EXPECT_THAT(Head().segments, SizeIs(3));
  });
  node_->executor().Step("merge");
  ASSERT_FALSE(node_->ForgetInterruption());
  ASSERT_THAT(Head().segments, SizeIs(2));
  const Manifest head = Head();
  const SegmentEntry& merged = *std::ranges::max_element(head.segments, {}, &SegmentEntry::row_count);
  EXPECT_EQ(merged.row_count, 4u) << "what was there when the merge began";
  EXPECT_EQ(merged.deleted_count, 2u);
  const RowMap expected = {{"1", "{}"}, {"3", R"({"again":true})"}, {"4", "{}"}};
  EXPECT_EQ(node_->Contents(*docs_), expected);
  EXPECT_EQ(InTheBucket(), expected);
}

TEST_F(FlushTest, AFailedUploadIsRepeatedBeforeAnythingLaterIsBegun) {
  Await("1");
  node_->store().Script(StoreOp::kCommit, 1, Fault::kRefuse);
  Upload();
  Await("2");
  const ManifestVersion before = Head().version;
  Commit();  // uploads the first again
  Commit();
  EXPECT_EQ(Head().version, before.Next());
  ASSERT_THAT(Head().segments, SizeIs(1));
  EXPECT_EQ(Head().segments[0].id_max, "1");
  EXPECT_THAT(answers_, SizeIs(1));
  ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  EXPECT_THAT(InTheBucket(), SizeIs(2));
}

TEST_F(FlushTest, AnUploadWhoseOutcomeIsUnknownIsTheCollectors) {
  Await("1");
  node_->store().Script(StoreOp::kCommit, 1, Fault::kLoseAnswer);
  Upload();
  ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  EXPECT_EQ(Objects("segments/"), 2u);
  for (int i = 0; i < 30; ++i) {
    Await(std::to_string(i));  // versions move on
    node_->clock().Advance(seconds(30));
    node_->executor().RunUntilIdle();
  }
  ASSERT_TRUE(docs_->Merge(node_->ctx(), Collection::MergeScope::kFull).ok());
  for (int i = 0; i < 40; ++i) {
    node_->clock().Advance(seconds(30));
    node_->executor().RunUntilIdle();
  }
  EXPECT_EQ(Objects("segments/"), 1u);
  EXPECT_THAT(InTheBucket(), SizeIs(30));
}

TEST_F(FlushTest, ACommitWithoutAnAnswerIsFinishedBeforeTheNextIsCommitted) {
  for (const bool arrived : {false, true}) {
    answers_.clear();
    Await(arrived ? "1" : "3");
    Upload();
    Await(arrived ? "2" : "4");
    Upload();
    const ManifestVersion before = Head().version;
    FaultPlan dark;
    dark.rates[Index(StoreOp::kGet)].refuse = 1;
    (arrived ? dark.rates[Index(StoreOp::kPut)].lose_answer : dark.rates[Index(StoreOp::kPut)].lose_request) = 1;
    node_->store().SetPlan(dark);
    Commit();
    EXPECT_TRUE(answers_.empty());
    node_->store().SetPlan(FaultPlan::Nothing());
    Commit();
    EXPECT_THAT(answers_, SizeIs(1));
    EXPECT_EQ(Head().version, before.Next());
    Commit();
    EXPECT_THAT(answers_, SizeIs(2));
    EXPECT_EQ(Head().version, before.Next().Next());
    EXPECT_THAT(InTheBucket(), SizeIs(arrived ? 4 : 2));
  }
}

TEST_F(FlushTest, TheLogIsTrimmedToWhatTheCommittedTryOfAFlushSaid) {
  node_->Upsert(*docs_, {{"1", {1, 0}}});
  const auto deleted = docs_->DeleteIds(node_->ctx(), {"1"});
  ASSERT_TRUE(deleted);
  NotifyOf(deleted->position.lsn);
  Upload();
  FaultPlan dark;
  dark.rates[Index(StoreOp::kGet)].refuse = 1;
  dark.rates[Index(StoreOp::kPut)].lose_answer = 1;
  node_->store().SetPlan(dark);
  Commit();
  ASSERT_TRUE(answers_.empty()) << "committed, but that is not known";
  node_->store().SetPlan(FaultPlan::Nothing());
  // The log gets an object that the committed manifest counts on, although the flush carries its record.
  ASSERT_TRUE(docs_->WaitDurable(node_->ctx(), deleted->position.lsn).ok());
  Commit();
  ASSERT_THAT(answers_, SizeIs(1));
  node_->Upsert(*docs_, {{"3", {1, 0}}});
  node_->clock().Advance(minutes(2));
  node_->executor().Step("trim");

  auto other = Node("b");
  other->Upsert(*other->Get("docs"), {{"4", {1, 0}}});
  EXPECT_THAT(other->Contents(*other->Get("docs")), UnorderedElementsAre(Pair("3", "{}"), Pair("4", "{}")));
}

TEST_F(FlushTest, AJobWhoseDeletesMeetAMergeIsUploadedAgain) {
  RowMap expected;
  for (const std::string id : {"1", "2", "3", "4"}) {
    node_->Upsert(*docs_, {{id + "b", {1, 0}}});
    Await(id);
    ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
    expected.insert({{id, "{}"}, {id + "b", "{}"}});
  }
  ASSERT_THAT(Head().segments, SizeIs(4));
  node_->Delete(*docs_, {"2"});
  expected.erase("2");
  Await("5");
  Upload();
  Await("6");
  Upload();
  node_->store().Script(StoreOp::kPut, 2, Fault::kRefuse);  // the manifest, after the deletes
  Commit();
  node_->executor().Step("merge");
  ASSERT_THAT(Head().segments, SizeIs(1)) << "the segment that the deletes belong to is gone";
  const uint64_t uploads = Uploads();
  Commit();
  EXPECT_THAT(Head().segments, SizeIs(1)) << "nothing of it may be published as it is";
  Commit();
  EXPECT_EQ(Uploads(), uploads + 1);
  Commit();
  Commit();
  EXPECT_THAT(Head().segments, SizeIs(3));
  expected.insert({{"5", "{}"}, {"6", "{}"}});
  EXPECT_EQ(node_->Contents(*docs_), expected);
  EXPECT_EQ(InTheBucket(), expected);
}

TEST_F(FlushTest, ADropMeanwhileEndsBoth) {
  Await("1");
  Upload();
  Await("2");
  Upload();
  // In another thread, as in life: this one holds locks that come after those of a drop.
  node_->DuringNext(StoreOp::kPut,
                    [&] { std::thread([&] { ASSERT_TRUE(node_->db().Drop(node_->ctx(), "docs").ok()); }).join(); });
  Commit();
  EXPECT_EQ(node_->db().unflushed_bytes(), 0u);
  EXPECT_EQ(docs_->Flush(node_->ctx()).reason(), "not_the_writer");
  EXPECT_FALSE(docs_->Revert(node_->ctx(), AtVersion{ManifestVersion(1)}));
  ASSERT_THAT(answers_, SizeIs(2));
  for (const Status& answer : answers_) EXPECT_EQ(answer.reason(), "collection_dropped");
  docs_.reset();
  for (int i = 0; i < 10; ++i) {
    node_->clock().Advance(minutes(2));
    node_->executor().RunUntilIdle();
  }
  EXPECT_EQ(Objects("segments/"), 0u);
}

// Seconds of work, maybe, for rows that nobody can ask for any more.
TEST_F(FlushTest, ADropEndsTheUploadThatItMakesNeedlessAndTheOthersGoOn) {
  const auto other = node_->Create("other", 2);
  Await("1");
  const auto written = node_->Write(*other, {{"2", {1, 0}, "{}"}});
  ASSERT_TRUE(written);
  bool published = false;
  other->NotifyCommitted(node_->ctx(), written->position.lsn, [&](const Status& status) { published = status.ok(); });
  const uint64_t uploads = Uploads();
  node_->DuringNext(StoreOp::kOpenWriter, [&] { ASSERT_TRUE(node_->db().Drop(node_->ctx(), "docs").ok()); });
  Upload();
  EXPECT_EQ(Uploads(), uploads) << "it was not finished";
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].reason(), "collection_dropped");
  Upload();
  EXPECT_EQ(Uploads(), uploads + 1) << "of the other collection";
  Commit();
  EXPECT_TRUE(published);
}

TEST_F(FlushTest, ARevertMeanwhilePublishesBothAndUndoesThem) {
  Await("1");
  ASSERT_TRUE(docs_->CreateSnapshot(node_->ctx(), "good"));
  Await("2");
  Upload();
  node_->Delete(*docs_, {"1"});
  Await("3");
  Upload();
  Await("4");
  ASSERT_TRUE(docs_->Revert(node_->ctx(), AtSnapshot{"good"}));
  const RowMap expected = {{"1", "{}"}};
  EXPECT_EQ(node_->Contents(*docs_), expected);
  EXPECT_EQ(InTheBucket(), expected);
  EXPECT_THAT(answers_, SizeIs(4));
  EXPECT_EQ(docs_->stats().live_rows, 1u);
  Await("5");
  Upload();
  Commit();
  EXPECT_THAT(InTheBucket(), SizeIs(2));
}

TEST_F(FlushTest, NothingIsSealedWhileARevertIsCommitted) {
  Await("1");
  ASSERT_TRUE(docs_->CreateSnapshot(node_->ctx(), "good"));
  Await("2");
  ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  uint64_t uploaded = 0;
  node_->DuringNext(StoreOp::kPut, [&] {
    node_->Delete(*docs_, {"2"});
    Await("3");
    const uint64_t before = Uploads();
    Upload();
    uploaded = Uploads() - before;
  });
  ASSERT_TRUE(docs_->Revert(node_->ctx(), AtSnapshot{"good"}));
  EXPECT_EQ(uploaded, 0u);
  ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  const RowMap expected = {{"1", "{}"}, {"3", "{}"}};
  EXPECT_EQ(node_->Contents(*docs_), expected);
  EXPECT_EQ(InTheBucket(), expected);
}

TEST_F(FlushTest, AWriterThatLosesItsEpochMeanwhilePublishesNeither) {
  Await("1");
  Upload();
  Await("2");
  Upload();
  auto other = Node("b");
  const auto of_other = other->Get("docs");
  other->Upsert(*of_other, {{"3", {1, 0}}});
  Commit();
  Commit();
  EXPECT_THAT(other->Contents(*of_other), SizeIs(3)) << "from the log";
  ASSERT_TRUE(of_other->Flush(other->ctx()).ok());
  EXPECT_THAT(Head().segments, SizeIs(1)) << "of the new writer only";
  node_->executor().Step("flush");
  ASSERT_THAT(answers_, SizeIs(2));
  for (const Status& answer : answers_) EXPECT_EQ(answer.effect(), Effect::kUnknown);
  EXPECT_THAT(InTheBucket(), SizeIs(3));
}

TEST_F(FlushTest, TheCollectorDoomsNoJobThatIsUnderWay) {
  EngineOptions options = TestDatabase::SmallOptions();
  options.shared_store = true;
  options.node = "c";
  options.retain_versions = 1;
  options.retain_age = {};
  node_ = std::make_unique<TestDatabase>(options, bucket_ = NewMemoryStore(clock_), ++seed_);
  docs_ = node_->Create("docs", 2);
  for (const char* id : {"a", "b", "c"}) Await(id);
  ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  for (const char* id : {"a", "b"}) {
    node_->Delete(*docs_, {id});
    ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  }
  EXPECT_EQ(Objects("deletes/"), 2u) << "the second names what the first did, which is garbage";
  Await("1");
  Upload();
  Await("2");
  Upload();  // started from the version before the commit of the first
  Commit();
  const uint64_t uploads = Uploads();
  for (int i = 0; i < 5; ++i) {
    node_->clock().Advance(minutes(5));
    node_->executor().Step("collect");
  }
  EXPECT_EQ(Objects("deletes/"), 1u);
  Commit();
  EXPECT_THAT(answers_, SizeIs(5));
  EXPECT_EQ(Uploads(), uploads);
  EXPECT_THAT(InTheBucket(), SizeIs(3));
}

}  // namespace
}  // namespace akidb
