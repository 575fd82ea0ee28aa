// Altering `ack` to "local" and back on a store that several nodes share: binding a collection, and releasing it.
#include <gmock/gmock.h>

#include "engine/home_testing.h"

namespace akidb {
namespace {

using std::chrono::seconds;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class BindTest : public HomeTest {
 protected:
  static Status Alter(TestDatabase& node, AckLevel ack) {
    const auto edit = [&](const CollectionSpec& newest) {
      CollectionSpec spec = newest;
      spec.ack = ack;
      return Result<CollectionSpec>(spec);
    };
    return node.db().Alter(node.ctx(), "docs", edit, Database::AckGiven::kYes);
  }
  static AckLevel Says(TestDatabase& node) { return node.Get("docs")->spec().ack; }
  static std::string HomeOf(TestDatabase& node) { return node.Get("docs")->home(); }
};

TEST_F(BindTest, ACollectionIsBoundToItsWriterWithAllThatItHas) {
  auto a = Node("a");
  auto b = Node("b");
  const auto docs = a->Create("docs", 2);
  a->Upsert(*docs, {{"1", {1, 0}}, {"2", {1, 0}}});
  EXPECT_EQ(a->Delete(*docs, {"2"}), 1u);
  ASSERT_TRUE(Alter(*a, AckLevel::kLocal).ok());
  EXPECT_EQ(HomeOf(*a), "a");
  EXPECT_EQ(Says(*a), AckLevel::kLocal);
  EXPECT_EQ(a->Get("docs")->ack(), AckLevel::kLocal);
  const size_t objects = Keys("/wal/").size();
  ASSERT_TRUE(TryWrite(*a, "3").ok());
  EXPECT_THAT(Keys("/wal/"), SizeIs(objects)) << "the disk has it";
  EXPECT_THAT(b->Contents(*b->Get("docs")), UnorderedElementsAre(Pair("1", "{}"))) << "all of before is published";
  Restart(*a);
  EXPECT_THAT(a->Contents(*a->Get("docs")), UnorderedElementsAre(Pair("1", "{}"), Pair("3", "{}")));
  ASSERT_TRUE(TryWrite(*a, "4").ok());
  Lose(a);
  b->clock().Advance(seconds(10));
  b->executor().Step("follow");
  EXPECT_EQ(TryWrite(*b, "5").reason(), "home_unreachable");
}

TEST_F(BindTest, AReleasedCollectionNeedsNothingOfItsHome) {
  auto a = Node("a");
  auto b = Node("b");
  const auto docs = Create(*a);
  a->Upsert(*docs, {{"1", {1, 0}}, {"2", {1, 0}}});
  ASSERT_TRUE(docs->Flush(a->ctx()).ok());
  EXPECT_EQ(a->Delete(*docs, {"2"}), 1u);
  ASSERT_TRUE(TryWrite(*a, "3").ok());
  ASSERT_TRUE(Alter(*a, AckLevel::kObject).ok());
  EXPECT_EQ(HomeOf(*a), "");
  EXPECT_EQ(Head(docs->id()).log, LogKind::kBucket);
  ASSERT_TRUE(TryWrite(*a, "4").ok());
  EXPECT_EQ(a->Get("docs")->ack(), AckLevel::kObject);
  Lose(a);
  EXPECT_TRUE(TryWrite(*b, "5").ok()) << "anybody takes over";
  EXPECT_THAT(b->Contents(*b->Get("docs")),
              UnorderedElementsAre(Pair("1", "{}"), Pair("3", "{}"), Pair("4", "{}"), Pair("5", "{}")));
}

TEST_F(BindTest, AHomeThatReleasedItsCollectionReplaysNothingOfIt) {
  auto a = Node("a");
  Create(*a);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  ASSERT_TRUE(Alter(*a, AckLevel::kObject).ok());
  ASSERT_EQ(a->Delete(*a->Get("docs"), {"1"}), 1u);
  ASSERT_TRUE(a->Get("docs")->Flush(a->ctx()).ok());
  Restart(*a);
  EXPECT_THAT(a->Contents(*a->Get("docs")), IsEmpty());
  ASSERT_TRUE(Alter(*a, AckLevel::kLocal).ok());
  EXPECT_THAT(a->Contents(*a->Get("docs")), IsEmpty());
  ASSERT_TRUE(TryWrite(*a, "2").ok());
  Restart(*a);
  a->executor().RunUntilIdle();
  EXPECT_THAT(a->Contents(*a->Get("docs")), UnorderedElementsAre(Pair("2", "{}")));
  EXPECT_EQ(a->db().discarded_records(), 0u);
}

TEST_F(BindTest, ThereAndBackManyTimesLosesNothing) {
  auto a = Node("a");
  a->Create("docs", 2);
  size_t rows = 0;
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(Alter(*a, i % 2 == 0 ? AckLevel::kLocal : AckLevel::kCommitted).ok());
    EXPECT_EQ(HomeOf(*a), i % 2 == 0 ? "a" : "");
    ASSERT_TRUE(TryWrite(*a, std::to_string(++rows)).ok());
    if (i % 3 == 0) Restart(*a);
    ASSERT_TRUE(TryWrite(*a, std::to_string(++rows)).ok());
    EXPECT_THAT(a->Contents(*a->Get("docs")), SizeIs(rows));
  }
  auto b = Node("b");
  EXPECT_THAT(b->Contents(*b->Get("docs")), SizeIs(rows));
}

TEST_F(BindTest, TheStreamThatABoundCollectionHadIsCollected) {
  auto a = Node("a");
  const auto docs = a->Create("docs", 2);
  for (int i = 0; i < 3; ++i) a->Upsert(*docs, {{std::to_string(i), {1, 0}}});
  ASSERT_TRUE(Alter(*a, AckLevel::kLocal).ok());
  EXPECT_FALSE(Keys("/wal/").empty()) << "nobody has read back what was published";
  ASSERT_TRUE(TryWrite(*a, "x").ok());
  ASSERT_TRUE(a->Get("docs")->Flush(a->ctx()).ok());
  a->clock().Advance(seconds(61));
  a->executor().RunUntilIdle();
  EXPECT_THAT(Keys("/wal/"), IsEmpty());
}

TEST_F(BindTest, WritesAreRefusedWhileTheLogIsChanged) {
  for (const AckLevel to : {AckLevel::kLocal, AckLevel::kObject}) {
    auto a = Node("a");
    to == AckLevel::kLocal ? a->Create("docs", 2) : Create(*a);
    ASSERT_TRUE(TryWrite(*a, "1").ok());
    const auto docs = a->Get("docs");
    std::vector<std::string> reasons;
    const std::function<void()> write = [&] {
      const auto meanwhile = a->Write(*docs, {{"2", {1, 0}}});
      if (!meanwhile) reasons.emplace_back(meanwhile.error().reason());
      if (!meanwhile) EXPECT_EQ(meanwhile.error().effect(), Effect::kNone);
      a->DuringNext(StoreOp::kPut, write);
    };
    a->DuringNext(StoreOp::kPut, write);
    ASSERT_TRUE(Alter(*a, to).ok());
    a->ForgetInterruption();
    EXPECT_THAT(reasons, testing::Contains("home_changing"));
    EXPECT_THAT(a->Contents(*a->Get("docs")), SizeIs(2)) << "what came before the end of the flush is there";
    EXPECT_TRUE(TryWrite(*a, "3").ok());
    ASSERT_TRUE(a->db().Drop(a->ctx(), "docs").ok());
  }
}

TEST_F(BindTest, WhatWaitsForAReadingIsAcknowledgedByTheRelease) {
  auto a = Node("a");
  const auto docs = Create(*a);
  const float vector[2] = {1, 0};
  const WriteRows rows{.ids = {"1"}, .vectors = vector, .dim = 2, .payloads = {"{}"}};
  const auto receipt = docs->Write(a->ctx(), rows, WriteMode::kUpsert, BatchPolicy::kAllOrNothing);
  ASSERT_TRUE(receipt);
  std::optional<Status> verdict;
  docs->NotifyDurable(a->ctx(), receipt->position.lsn, [&](const Status& status) { verdict = status; });
  EXPECT_FALSE(verdict) << "nothing was read yet";
  ASSERT_TRUE(Alter(*a, AckLevel::kObject).ok());
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->ok()) << verdict->ToString();
  verdict.reset();
  docs->NotifyDurable(a->ctx(), receipt->position.lsn, [&](const Status& status) { verdict = status; });
  EXPECT_TRUE(verdict && verdict->ok()) << "it is published";
}

TEST_F(BindTest, OnlyTheWriterBindsAndOnlyTheHomeReleases) {
  auto a = Node("a");
  auto b = Node("b");
  a->Create("docs", 2);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  EXPECT_EQ(Alter(*b, AckLevel::kLocal).reason(), "not_the_writer");
  EXPECT_EQ(Says(*b), AckLevel::kObject);
  EXPECT_TRUE(Alter(*b, AckLevel::kCommitted).ok()) << "neither is asked for";
  ASSERT_TRUE(Alter(*a, AckLevel::kLocal).ok());
  EXPECT_TRUE(a->Get("docs")->PlaceWrite(a->ctx()));
  b->clock().Advance(seconds(3));
  b->executor().Step("follow");
  EXPECT_TRUE(Alter(*b, AckLevel::kLocal).ok()) << "so it is";
  EXPECT_EQ(Alter(*b, AckLevel::kObject).reason(), "not_the_writer");
  Lose(a);
  Status away;
  for (int i = 0; i < 20 && away.reason() != "home_unreachable"; ++i) {
    b->clock().Advance(seconds(5));
    b->executor().Step("lease");
    away = Alter(*b, AckLevel::kObject);
  }
  EXPECT_EQ(away.reason(), "home_unreachable") << away.ToString();
  Rebind(*b);
  EXPECT_EQ(Alter(*b, AckLevel::kObject).reason(), "home_waiting");
  b->clock().Advance(kHomeWait);
  EXPECT_TRUE(Alter(*b, AckLevel::kObject).ok());
  EXPECT_EQ(HomeOf(*b), "");
}

TEST_F(BindTest, ARebindThatComesInBetweenIsNotUndone) {
  auto a = Node("a");
  auto b = Node("b");
  const auto docs = Create(*a);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  ASSERT_TRUE(docs->Flush(a->ctx()).ok());
  b->Get("docs");
  a->DuringNext(StoreOp::kPut, [&] { Rebind(*b); });
  EXPECT_EQ(Alter(*a, AckLevel::kObject).reason(), "not_the_writer");
  EXPECT_EQ(Head(docs->id()).home->node, "b");
  b->clock().Advance(kHomeWait);
  EXPECT_TRUE(TryWrite(*b, "2").ok());
  EXPECT_THAT(b->Contents(*b->Get("docs")), SizeIs(2));
}

TEST_F(BindTest, AnAlterationWhoseOutcomeIsUnknownIsFinishedByTheNextOne) {
  for (const AckLevel to : {AckLevel::kLocal, AckLevel::kObject}) {
    for (uint64_t nth = 1;; ++nth) {
      SCOPED_TRACE(nth);
      ASSERT_LT(nth, 20u);
      auto a = Node("a");
      to == AckLevel::kLocal ? a->Create("docs", 2) : Create(*a);
      ASSERT_TRUE(TryWrite(*a, "1").ok());
      // Down from its nth PUT on.
      a->DuringNext(StoreOp::kPut, [&] { a->store().SetPlan(FaultPlan::Everywhere({.lose_answer = 1})); }, nth);
      a->ctx().set_timeout(seconds(30));
      const Status altered = Alter(*a, to);
      const bool came = !a->ForgetInterruption();
      a->store().SetPlan(FaultPlan::Nothing());
      a->ctx().set_deadline(MonotonicTime::max());
      if (nth % 2 == 0) Restart(*a);
      EXPECT_THAT(a->Contents(*a->Get("docs")), SizeIs(1)) << altered.ToString();
      EXPECT_TRUE(TryWrite(*a, "2").ok());
      EXPECT_TRUE(Alter(*a, to).ok());
      EXPECT_EQ(HomeOf(*a), to == AckLevel::kLocal ? "a" : "");
      EXPECT_EQ(Says(*a), to);
      EXPECT_THAT(a->Contents(*a->Get("docs")), SizeIs(2));
      ASSERT_TRUE(a->db().Drop(a->ctx(), "docs").ok());
      if (!came) break;
    }
  }
}

TEST_F(BindTest, AWriterThatWasDeposedReadsTheStoreBeforeItAltersAnything) {
  auto a = Node("a");
  auto b = Node("b");
  const auto docs = a->Create("docs", 2);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  ASSERT_TRUE(docs->Flush(a->ctx()).ok());
  // The settings say "local", and it is not bound.
  a->DuringNext(StoreOp::kPut, [&] { a->store().SetPlan(FaultPlan::Everywhere({.refuse = 1})); });
  EXPECT_FALSE(Alter(*a, AckLevel::kLocal).ok());
  ASSERT_FALSE(a->ForgetInterruption());
  a->store().SetPlan(FaultPlan::Nothing());
  ASSERT_TRUE(TryWrite(*a, "2").ok());
  EXPECT_EQ(Says(*a), AckLevel::kLocal);
  EXPECT_EQ(HomeOf(*a), "");
  CutOff(*a);
  ASSERT_TRUE(TryWrite(*b, "3").ok());
  ASSERT_TRUE(Alter(*b, AckLevel::kLocal).ok());
  EXPECT_EQ(Alter(*a, AckLevel::kObject).reason(), "not_the_writer");
  EXPECT_EQ(Says(*b), AckLevel::kLocal);
  EXPECT_EQ(Head(docs->id()).home->node, "b");
  EXPECT_EQ(Alter(*a, AckLevel::kLocal).reason(), "") << "so it is";
}

TEST_F(BindTest, OfTwoAlterationsThatMeetInTheMiddleOnlyOneIsDone) {
  auto a = Node("a");
  auto b = Node("b");
  const auto docs = Create(*a);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  ASSERT_TRUE(docs->Flush(a->ctx()).ok());
  // Released, and before the settings say so.
  a->DuringNext(
      StoreOp::kPut,
      [&] {
        CutOff(*a);
        EXPECT_EQ(Head(docs->id()).home, std::nullopt);
        EXPECT_TRUE(Alter(*b, AckLevel::kLocal).ok());
      },
      2);
  const Status met = Alter(*a, AckLevel::kObject);
  ASSERT_FALSE(a->ForgetInterruption());
  EXPECT_EQ(met.reason(), "altered_meanwhile") << met.ToString();
  EXPECT_EQ(met.effect(), Effect::kUnknown);
  EXPECT_EQ(Head(docs->id()).home->node, "b");
  EXPECT_TRUE(Alter(*b, AckLevel::kLocal).ok()) << "asked again it is finished";
  EXPECT_EQ(Says(*b), AckLevel::kLocal);
  EXPECT_TRUE(TryWrite(*b, "2").ok());
  EXPECT_THAT(b->Contents(*b->Get("docs")), SizeIs(2));
}

TEST_F(BindTest, NothingIsReleasedThatCannotBeReadBack) {
  auto a = Node("a");
  const auto docs = Create(*a);
  ASSERT_TRUE(TryWrite(*a, "1").ok());
  ASSERT_TRUE(docs->Flush(a->ctx()).ok());
  const std::string key = Keys("/segments/").at(0);
  const std::string bytes = bucket_->Get(a->ctx(), key, 1 << 20).value().bytes;
  ASSERT_TRUE(bucket_->Delete(a->ctx(), key).ok());
  const Status denied = Alter(*a, AckLevel::kObject);
  EXPECT_EQ(denied.code(), StatusCode::kUnavailable) << denied.ToString();
  EXPECT_EQ(denied.effect(), Effect::kNone);
  EXPECT_EQ(HomeOf(*a), "a");
  ASSERT_TRUE(TryWrite(*a, "2").ok()) << "it goes on as the home";
  ASSERT_TRUE(bucket_->Put(a->ctx(), key, bytes, PutCondition::IfAbsent()));
  EXPECT_TRUE(Alter(*a, AckLevel::kObject).ok());
  EXPECT_EQ(HomeOf(*a), "");
}

TEST_F(BindTest, OtherSettingsOfABoundCollectionAreAlteredAnywhere) {
  auto a = Node("a");
  auto b = Node("b");
  Create(*a);
  Lose(a);
  const auto edit = [](CollectionSpec spec) {
    spec.recall = 0.9;
    return Result<CollectionSpec>(spec);
  };
  EXPECT_TRUE(b->db().Alter(b->ctx(), "docs", edit, Database::AckGiven::kNo).ok());
}

}  // namespace
}  // namespace akidb
