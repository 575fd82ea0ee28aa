// Collections with ack=local on a store that several nodes share: bound to a node and its disk, until a rebind.
#include <gmock/gmock.h>

#include "base/log.h"
#include "engine/home_testing.h"
#include "format/disk_id.h"
#include "wal/wal_inspect.h"

namespace akidb {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr Duration kConfirm = kHomeConfirm;
constexpr Duration kWait = kHomeWait;

TEST_F(HomeTest, AcknowledgedWritesOutliveTheProcessOnItsDiskAlone) {
  auto a = Node("a");
  const auto docs = Create(*a);
  EXPECT_EQ(docs->ack(), AckLevel::kLocal);
  EXPECT_EQ(docs->home(), "a");
  a->Upsert(*docs, {{"1", {1, 0}}, {"2", {0, 1}}});
  EXPECT_EQ(a->Delete(*docs, {"2"}), 1u);
  EXPECT_THAT(Keys("/wal/"), IsEmpty()) << "no stream in the bucket";
  Restart(*a);
  EXPECT_THAT(a->Contents(*a->Get("docs")), UnorderedElementsAre(Pair("1", "{}")));
  EXPECT_TRUE(TryWrite(*a, "3").ok());
  ASSERT_TRUE(a->Get("docs")->Flush(a->ctx()).ok());
  EXPECT_TRUE(TryWrite(*a, "4").ok());
  Restart(*a);
  EXPECT_THAT(a->Contents(*a->Get("docs")), UnorderedElementsAre(Pair("1", "{}"), Pair("3", "{}"), Pair("4", "{}")));
  EXPECT_THAT(Keys("/wal/"), IsEmpty());
}

TEST_F(HomeTest, ANodeWithoutBoundCollectionsHasNoLog) {
  auto a = Node("a");
  a->Upsert(*a->Create("docs", 2), {{"1", {1, 0}}});
  EXPECT_FALSE(std::filesystem::exists(a->data_dir() + "/wal"));
}

TEST_F(HomeTest, BoundAndOtherCollectionsLiveSideBySide) {
  auto a = Node("a");
  const auto bound = Create(*a);
  const auto free = a->Create("free", 2);
  for (int i = 0; i < 5; ++i) {
    a->Upsert(*bound, {{"b" + std::to_string(i), {1, 0}}});
    a->Upsert(*free, {{"f" + std::to_string(i), {1, 0}}});
  }
  a->executor().RunUntilIdle();
  Restart(*a);
  EXPECT_THAT(a->Contents(*a->Get("docs")), SizeIs(5));
  EXPECT_THAT(a->Contents(*a->Get("free")), SizeIs(5));
}

TEST_F(HomeTest, WritesGoToTheHomeWhileItIsAliveAndNobodyTakesOver) {
  auto a = Node("a");
  auto b = Node("b");
  const auto of_a = Create(*a);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  const auto of_b = b->Get("docs");
  const auto place = of_b->PlaceWrite(b->ctx());
  ASSERT_TRUE(place) << place.error().ToString();
  EXPECT_EQ(place->process, a->db().nodes()->process());
  EXPECT_THAT(b->Contents(*of_b), IsEmpty()) << "what is published, and no more";

  ASSERT_TRUE(a->db().Close(a->ctx()).ok());
  const Epoch epoch = Head(of_a->id()).epoch;
  b->clock().Advance(seconds(1));
  b->executor().Step("lease");  // sees that it is gone
  for (int i = 0; i < 3; ++i) {
    const auto nowhere = of_b->PlaceWrite(b->ctx());
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().reason(), "home_unreachable");
    EXPECT_EQ(nowhere.error().effect(), Effect::kNone);
    EXPECT_EQ(nowhere.error().retry(), Retry::kBackoff);
    EXPECT_THAT(std::string(nowhere.error().message()), HasSubstr("node a"));
    b->clock().Advance(std::chrono::hours(1));
  }
  EXPECT_EQ(Head(of_a->id()).epoch, epoch);
  EXPECT_THAT(b->Contents(*b->Get("docs")), UnorderedElementsAre(Pair("1", "{}"))) << "it published when it stopped";
}

TEST_F(HomeTest, ANodeOfTheSameNameWithAnotherDiskIsNotTheHome) {
  auto a = Node("a");
  Create(*a);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  Lose(a);
  auto again = Node("a");
  EXPECT_EQ(TryWrite(*again, "2").reason(), "home_unreachable");
  Create(*again, "other");  // has a disk of its own now
  EXPECT_EQ(TryWrite(*again, "2").reason(), "home_unreachable");
}

TEST_F(HomeTest, AHomeThatRestartsIsForwardedToBeforeAnybodyWrites) {
  auto a = Node("a");
  auto b = Node("b");
  Create(*a);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  a->Restart();  // everything is published, so nothing is replayed
  Address(*a);
  a->executor().Step("follow");
  a->executor().Step("lease");
  const auto of_b = b->Get("docs");
  const auto place = of_b->PlaceWrite(b->ctx());
  ASSERT_TRUE(place) << place.error().ToString();
  EXPECT_EQ(place->process, a->db().nodes()->process());
}

TEST_F(HomeTest, NothingIsAcknowledgedThatTheHomeCannotConfirm) {
  auto a = Node("a");
  const auto docs = Create(*a);
  a->Upsert(*docs, {{"1", {1, 0}}});
  a->store().SetPlan(FaultPlan::Everywhere({.refuse = 1}));
  a->clock().Advance(kConfirm - seconds(1));
  EXPECT_TRUE(TryWrite(*a, "2").ok()) << "the last reading was not that long ago";
  a->clock().Advance(seconds(2));
  const Status late = TryWrite(*a, "3");
  EXPECT_EQ(late.reason(), "home_unconfirmed");
  EXPECT_EQ(late.effect(), Effect::kUnknown);
  a->store().SetPlan(FaultPlan::Nothing());
  EXPECT_TRUE(TryWrite(*a, "4").ok());
  EXPECT_THAT(a->Contents(*docs), SizeIs(4)) << "what was not acknowledged is there all the same";
}

TEST_F(HomeTest, AnAcknowledgementWaitsForTheNextReading) {
  auto a = Node("a");
  const auto docs = Create(*a);
  std::optional<Status> verdict;
  const auto write = [&] {
    const float vector[2] = {1, 0};
    WriteRows rows{.ids = {"1"}, .vectors = vector, .dim = 2, .payloads = {"{}"}};
    const auto receipt = docs->Write(a->ctx(), rows, WriteMode::kUpsert, BatchPolicy::kAllOrNothing);
    verdict.reset();
    docs->NotifyDurable(a->ctx(), receipt.value().position.lsn, [&](const Status& status) { verdict = status; });
  };
  write();
  EXPECT_FALSE(verdict) << "nothing was read yet";
  a->executor().Step("follow");
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->ok());
  write();
  EXPECT_TRUE(verdict && verdict->ok()) << "the reading still counts";

  a->store().SetPlan(FaultPlan::Everywhere({.refuse = 1}));
  a->clock().Advance(kConfirm);
  write();
  a->executor().Step("follow");
  EXPECT_FALSE(verdict);
  a->clock().Advance(seconds(10));
  a->executor().Step("follow");
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->reason(), "home_unconfirmed");
}

TEST_F(HomeTest, AStoreThatDeniesWhatIsThereConfirmsNothing) {
  auto a = Node("a");
  const auto docs = Create(*a);
  a->Upsert(*docs, {{"1", {1, 0}}});
  OpContext ctx(clock_);
  const std::string head = ManifestKey(docs->id(), Head(docs->id()).version);
  const std::string bytes = bucket_->Get(ctx, head, 1 << 20).value().bytes;
  ASSERT_TRUE(bucket_->Delete(ctx, head).ok());
  a->clock().Advance(kConfirm);
  EXPECT_EQ(TryWrite(*a, "2").reason(), "home_unconfirmed");
  ASSERT_TRUE(bucket_->Put(ctx, head, bytes, PutCondition::None()));
  EXPECT_TRUE(TryWrite(*a, "3").ok());
}

TEST_F(HomeTest, ARebindGivesUpWhatWasNotPublishedAndSaysSo) {
  auto a = Node("a");
  auto b = Node("b");
  const auto of_a = Create(*a);
  a->Upsert(*of_a, {{"kept", {1, 0}}});
  ASSERT_TRUE(of_a->Flush(a->ctx()).ok());
  const Position kept = of_a->Read(a->ctx()).value()->position();
  const auto lost = a->Write(*of_a, {{"lost", {1, 0}}});
  ASSERT_TRUE(lost);
  Lose(a);

  std::string logged;
  SetLogSink([&](std::string_view line) { logged += line; });
  const RebindReport report = Rebind(*b);
  SetLogSink({});
  EXPECT_THAT(logged, HasSubstr("\"survived\":" + std::to_string(kept.lsn.value()) + ","));
  EXPECT_EQ(report.node, "b");
  EXPECT_EQ(report.previous_node, "a");
  EXPECT_EQ(report.survived, kept.lsn);
  EXPECT_FALSE(report.published_at.empty());
  EXPECT_EQ(report.wait, kWait);
  EXPECT_EQ(TryWrite(*b, "new").reason(), "home_waiting");
  EXPECT_EQ(Visible(*b, kept), "yes") << "reads go on";

  b->clock().Advance(kWait - Duration(1));
  EXPECT_EQ(TryWrite(*b, "new").reason(), "home_waiting");
  b->clock().Advance(Duration(1));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(TryWrite(*b, "new" + std::to_string(i)).ok());
  EXPECT_EQ(b->Get("docs")->home(), "b");
  EXPECT_EQ(Visible(*b, kept), "yes");
  EXPECT_EQ(Visible(*b, lost->position), "commit_lost") << "although its LSN was handed out again";
  auto c = Node("c");
  EXPECT_EQ(Visible(*c, kept), "yes");
  EXPECT_EQ(Visible(*c, lost->position), "commit_lost");
  ASSERT_TRUE(b->Get("docs")->Flush(b->ctx()).ok());
  EXPECT_EQ(Visible(*c, lost->position), "commit_lost");
  Restart(*b);
  EXPECT_THAT(b->Contents(*b->Get("docs")), SizeIs(6));
}

TEST_F(HomeTest, AHomeThatComesBackServesAsAnyNodeAndPutsItsLeftoversAside) {
  auto a = Node("a");
  auto b = Node("b");
  const auto of_a = Create(*a);
  const auto other = Create(*a, "other");
  a->Upsert(*of_a, {{"1", {1, 0}}});
  ASSERT_TRUE(of_a->Flush(a->ctx()).ok());
  a->Upsert(*other, {{"x", {1, 0}}});
  a->Upsert(*of_a, {{"lost1", {1, 0}}});
  a->Upsert(*other, {{"y", {1, 0}}});
  a->Upsert(*of_a, {{"lost2", {1, 0}}});
  Rebind(*b);
  b->clock().Advance(kWait);
  ASSERT_TRUE(TryWrite(*b, "2").ok());

  Restart(*a);
  a->executor().RunUntilIdle();
  const auto back = a->Get("docs");
  EXPECT_EQ(back->home(), "b");
  EXPECT_THAT(a->Contents(*back), UnorderedElementsAre(Pair("1", "{}")));
  EXPECT_THAT(a->Contents(*a->Get("other")), UnorderedElementsAre(Pair("x", "{}"), Pair("y", "{}")));
  EXPECT_EQ(a->db().discarded_records(), 2u);
  ASSERT_THAT(Discarded(*a), SizeIs(1));
  const std::string seen = InspectWalJson(PosixFileSystem(), Discarded(*a)[0]).value();
  EXPECT_THAT(seen, HasSubstr(R"("records":2)"));
  const auto place = back->PlaceWrite(a->ctx());
  ASSERT_TRUE(place) << place.error().ToString();
  EXPECT_EQ(place->process, b->db().nodes()->process());

  Restart(*a);
  a->executor().RunUntilIdle();
  EXPECT_EQ(a->db().discarded_records(), 0u) << "they are said once";
  EXPECT_THAT(Discarded(*a), SizeIs(1));
}

TEST_F(HomeTest, AHomeThatIsTakenAwayWhileItRunsStopsAndPutsAsideWhatItAcknowledged) {
  auto a = Node("a");
  auto b = Node("b");
  const auto of_a = Create(*a);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  ASSERT_TRUE(of_a->Flush(a->ctx()).ok());
  Rebind(*b);
  EXPECT_TRUE(TryWrite(*a, "while it is waited for").ok());
  a->clock().Advance(kConfirm);
  EXPECT_FALSE(TryWrite(*a, "too late").ok());
  b->clock().Advance(kWait);
  ASSERT_TRUE(TryWrite(*b, "2").ok());
  a->executor().Step("follow");
  a->executor().Step("trim");
  EXPECT_EQ(a->db().discarded_records(), 2u);
  EXPECT_THAT(a->Contents(*a->Get("docs")), UnorderedElementsAre(Pair("1", "{}")));
  ASSERT_TRUE(b->Get("docs")->Flush(b->ctx()).ok());
  a->clock().Advance(seconds(10));
  a->executor().Step("follow");
  EXPECT_THAT(a->Contents(*a->Get("docs")), UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}")));
}

TEST_F(HomeTest, ARebindIsAskedForAgainAfterALostAnswer) {
  auto a = Node("a");
  auto b = Node("b");
  Create(*a);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  Lose(a);
  const auto of_b = b->Get("docs");
  b->store().Script(StoreOp::kPut, 2, Fault::kLoseAnswer);  // the first is the lease
  const auto first = b->db().Rebind(b->ctx(), "docs");
  const ManifestVersion version = Head(of_b->id()).version;
  const RebindReport again = Rebind(*b);
  EXPECT_EQ(again.node, "b");
  EXPECT_EQ(again.wait, kWait);
  EXPECT_EQ(Head(of_b->id()).version, version) << "it was done once";
  b->clock().Advance(kWait);
  EXPECT_TRUE(TryWrite(*b, "2").ok());
  EXPECT_EQ(Rebind(*b).wait, Duration::zero());
}

TEST_F(HomeTest, ARestartDuringTheWaitBeginsItAgain) {
  auto a = Node("a");
  auto b = Node("b");
  Create(*a);
  Lose(a);
  Rebind(*b);
  b->clock().Advance(kWait - seconds(1));
  Restart(*b);
  b->clock().Advance(seconds(1));
  EXPECT_EQ(TryWrite(*b, "1").reason(), "home_waiting");
  b->clock().Advance(kWait);
  EXPECT_TRUE(TryWrite(*b, "1").ok());
  Restart(*b);
  EXPECT_TRUE(TryWrite(*b, "2").ok()) << "it is waited for once";
  EXPECT_THAT(b->Contents(*b->Get("docs")), SizeIs(2));
}

TEST_F(HomeTest, OfTwoRebindsInARowTheSecondWaitsForBothHomes) {
  auto a = Node("a");
  EngineOptions short_promise = Options("b");
  short_promise.home_confirm = seconds(1);
  auto b = Node(short_promise);
  auto c = Node("c");
  Create(*a);
  ASSERT_TRUE(TryWrite(*a, "lost").ok());
  Lose(a);
  Rebind(*b);
  EXPECT_EQ(Rebind(*c).wait, kWait) << "the first home may still acknowledge";
  b->clock().Advance(kWait);
  EXPECT_EQ(TryWrite(*b, "1").reason(), "not_the_writer");
  c->clock().Advance(kWait);
  EXPECT_TRUE(TryWrite(*c, "2").ok());
  // And back to a node that was the home before.
  EXPECT_EQ(Rebind(*b).wait, kWait);
  b->clock().Advance(kWait);
  EXPECT_TRUE(TryWrite(*b, "3").ok());
  Restart(*b);
  EXPECT_THAT(b->Contents(*b->Get("docs")), UnorderedElementsAre(Pair("3", "{}")));
}

TEST_F(HomeTest, ARebindMeetsTheHomesOwnCommitAndKeepsWhatItPublished) {
  auto a = Node("a");
  auto b = Node("b");
  const auto of_a = Create(*a);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  b->Get("docs");
  ASSERT_TRUE(b->db().nodes()->Ensure(b->ctx()).ok());
  b->DuringNext(StoreOp::kPut, [&] { EXPECT_TRUE(of_a->Flush(a->ctx()).ok()); });
  const RebindReport report = Rebind(*b);
  EXPECT_EQ(report.survived, of_a->Read(a->ctx()).value()->position().lsn);
  EXPECT_THAT(b->Contents(*b->Get("docs")), UnorderedElementsAre(Pair("1", "{}")));
}

TEST_F(HomeTest, ARebindDoesNotTakeFromAHomeThatHasJustComeBack) {
  auto a = Node("a");
  auto b = Node("b");
  Create(*a);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  b->Get("docs");
  ASSERT_TRUE(b->db().nodes()->Ensure(b->ctx()).ok());
  b->DuringNext(StoreOp::kPut, [&] { Restart(*a); });
  const auto report = b->db().Rebind(b->ctx(), "docs");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().reason(), "home_changed");
  EXPECT_TRUE(TryWrite(*a, "2").ok());
}

TEST_F(HomeTest, OnlyWhatIsBoundElsewhereCanBeRebound) {
  auto a = Node("a");
  a->Create("free", 2);
  Create(*a);
  EXPECT_EQ(a->db().Rebind(a->ctx(), "free").error().reason(), "not_bound");
  EXPECT_EQ(a->db().Rebind(a->ctx(), "docs").error().reason(), "home_is_here");
  EXPECT_EQ(a->db().Rebind(a->ctx(), "nothing").error().reason(), "collection_not_found");
}

TEST_F(HomeTest, ACloneIsBoundToTheNodeThatMakesIt) {
  auto a = Node("a");
  const auto docs = Create(*a);
  a->Upsert(*docs, {{"1", {1, 0}}});
  const auto clone = a->db().Clone(a->ctx(), "docs", "copy", std::nullopt);
  ASSERT_TRUE(clone) << clone.error().ToString();
  EXPECT_EQ((*clone)->home(), "a");
  ASSERT_TRUE(TryWrite(*a, "2", "copy").ok());
  Restart(*a);
  EXPECT_THAT(a->Contents(*a->Get("copy")), UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}")));
  EXPECT_THAT(a->Contents(*a->Get("docs")), UnorderedElementsAre(Pair("1", "{}")));
}

TEST_F(HomeTest, ADropWorksWhileTheHomeIsAway) {
  auto a = Node("a");
  auto b = Node("b");
  Create(*a);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  ASSERT_TRUE(b->db().Drop(b->ctx(), "docs").ok());
  EXPECT_THAT(Keys("/wal/"), IsEmpty());
  Restart(*a);
  EXPECT_EQ(TryWrite(*a, "2").reason(), "collection_not_found");
  a->executor().RunUntilIdle();
  EXPECT_EQ(a->db().discarded_records(), 0u);
}

TEST_F(HomeTest, WhatCannotBeReplayedAtTheStartIsNotMissedByReaders) {
  auto a = Node("a");
  const auto docs = Create(*a);
  const auto other = Create(*a, "other");
  a->Upsert(*docs, {{"1", {1, 0}}});
  ASSERT_TRUE(docs->Flush(a->ctx()).ok());
  a->Upsert(*docs, {{"2", {1, 0}}});
  a->Upsert(*other, {{"x", {1, 0}}});
  a->Upsert(*docs, {{"3", {1, 0}}});
  OpContext ctx(clock_);
  const std::string segment = Keys("/segments/").at(0);
  const std::string bytes = bucket_->Get(ctx, segment, 1 << 20).value().bytes;
  ASSERT_TRUE(bucket_->Delete(ctx, segment).ok());

  Restart(*a);
  EXPECT_THAT(a->Contents(*a->Get("other")), SizeIs(1)) << "the others serve on";
  EXPECT_FALSE(a->db().Get(a->ctx(), "docs"));
  a->clock().Advance(seconds(200));
  a->executor().RunUntilIdle();  // nothing of it is trimmed
  ASSERT_TRUE(bucket_->Put(ctx, segment, bytes, PutCondition::None()));
  EXPECT_THAT(a->Contents(*a->Get("docs")), SizeIs(3));
  EXPECT_TRUE(TryWrite(*a, "4").ok());
  Restart(*a);
  EXPECT_THAT(a->Contents(*a->Get("docs")), SizeIs(4));
}

TEST_F(HomeTest, TheLogIsTrimmedOnceWhatItHasWasReadBack) {
  auto a = Node("a");
  const auto docs = Create(*a);
  const auto free = a->Create("free", 2);
  for (int i = 0; i < 40; ++i) {
    a->Upsert(*docs, {{std::to_string(i), {1, 0}, "{\"text\":\"" + std::string(8000, 'x') + "\"}"}});
    a->Upsert(*free, {{std::to_string(i), {1, 0}}});
    a->executor().RunUntilIdle();
  }
  const uint64_t files = a->db().wal_stats().files;
  EXPECT_GT(files, 3u);
  ASSERT_TRUE(docs->Flush(a->ctx()).ok());
  a->clock().Advance(seconds(61));
  a->executor().RunUntilIdle();
  EXPECT_LT(a->db().wal_stats().files, files);
  Restart(*a);
  EXPECT_THAT(a->Contents(*a->Get("docs")), SizeIs(40));
}

TEST_F(HomeTest, WhatIsAtRiskIsBounded) {
  EngineOptions options = Options("a");
  options.limits.at_risk_bytes_max = 8000;
  options.limits.at_risk_age_ms_max = 5000;
  auto a = Node(options);
  const auto docs = Create(*a);
  const auto free = a->Create("free", 2);
  const std::string payload = "{\"text\":\"" + std::string(3000, 'x') + "\"}";
  a->Upsert(*docs, {{"1", {1, 0}, payload}});
  a->Upsert(*docs, {{"2", {1, 0}, payload}});
  const auto full = a->Write(*docs, {{"3", {1, 0}, payload}});
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(full.error().reason(), "at_risk_full");
  a->Upsert(*free, {{"3", {1, 0}, payload}});
  a->executor().RunUntilIdle();
  a->executor().Step("follow");
  EXPECT_EQ(a->db().at_risk_bytes(), 0u) << "the flush comes at half of it";
  a->Upsert(*docs, {{"3", {1, 0}}});
  a->executor().Step("follow");
  EXPECT_GT(a->db().at_risk_bytes(), 0u);

  a->store().SetPlan(FaultPlan::Everywhere({.refuse = 1}));
  a->clock().Advance(seconds(6));
  a->executor().Step("follow");
  EXPECT_EQ(TryWrite(*a, "4").reason(), "at_risk_full") << "too old";
  a->store().SetPlan(FaultPlan::Nothing());
  ASSERT_TRUE(docs->Flush(a->ctx()).ok());
  a->executor().Step("follow");
  EXPECT_EQ(a->db().at_risk_age(), Duration::zero());
  EXPECT_TRUE(TryWrite(*a, "4").ok());
}

TEST_F(HomeTest, ADataDirectoryServesOneStore) {
  auto a = Node("a");
  Create(*a);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  const std::string path = a->data_dir() + "/wal/" + std::string(kDiskIdName);
  const std::string bytes = ReadWholeFile(PosixFileSystem(), path, 4096).value();
  DiskId disk = DecodeDiskId(bytes).value();
  EXPECT_EQ(disk.store, "s3://bucket");
  ASSERT_TRUE(a->db().Close(a->ctx()).ok());
  const auto replace = [&](const std::string& text) {
    const auto file = PosixFileSystem().Open(path, OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->Truncate(0).ok());
    ASSERT_TRUE((*file)->WriteAt(0, text).ok());
  };
  disk.store = "s3://another";
  replace(EncodeDiskId(disk));
  EXPECT_EQ(a->TryOpen().reason(), "wrong_data_dir");
  replace(bytes.substr(0, bytes.size() - 1));
  EXPECT_EQ(a->TryOpen().code(), StatusCode::kDataLoss);
  replace(bytes);
  EXPECT_TRUE(a->TryOpen().ok());
}

}  // namespace
}  // namespace akidb
