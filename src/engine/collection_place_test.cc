// Where a write belongs, with several nodes on one store that know of each other by their leases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "engine/engine_testing.h"
#include "format/manifest_format.h"
#include "format/node_lease.h"
#include "format/object_keys.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

using std::chrono::seconds;
using testing::Pair;
using testing::UnorderedElementsAre;

class PlaceTest : public testing::Test {
 protected:
  std::unique_ptr<TestDatabase> Node(const std::string& name) {
    EngineOptions options = TestDatabase::SmallOptions();
    options.shared_store = options.leases = true;
    options.node = name;
    auto node = std::make_unique<TestDatabase>(options, bucket_, ++seed_);
    node->db().nodes()->SetAddress("http://127.0.0.1:" + std::to_string(seed_));
    return node;
  }
  Manifest Head(const Collection& collection) {
    OpContext ctx(clock_);
    const auto page = bucket_->List(ctx, CollectionPrefix(collection.id()) + "manifest/", "", 1000).value();
    return DecodeManifest(bucket_->Get(ctx, page.objects.back().key, 1 << 20).value().bytes).value();
  }
  static WriterPlace PlaceAt(TestDatabase& node, const std::shared_ptr<Collection>& collection) {
    const auto place = collection->PlaceWrite(node.ctx());
    EXPECT_TRUE(place) << place.error().ToString();
    return place ? *place : WriterPlace();
  }
  static void Forwarded(TestDatabase& node, const std::string& process, ForwardOutcome outcome) {
    OpContext request(node.clock());
    node.db().nodes()->BeginForward(process, &request);
    node.db().nodes()->EndForward(process, &request, outcome);
  }
  // Seconds in which `node` asks in vain for the writer of `collection`.
  static void Miss(TestDatabase& node, const std::string& process, int count) {
    for (int i = 0; i < count; ++i) {
      Forwarded(node, process, ForwardOutcome::kRefused);
      node.clock().Advance(seconds(1));
      node.executor().Step("lease");
    }
  }

  ManualClock clock_;
  uint64_t seed_ = 100;
  std::shared_ptr<ObjectStore> bucket_ = NewMemoryStore(clock_);
};

TEST_F(PlaceTest, WritesBelongToTheNodeThatCreatedTheCollection) {
  auto a = Node("a");
  auto b = Node("b");
  const auto of_a = a->Create("docs", 2);
  const auto of_b = b->Get("docs");
  EXPECT_TRUE(PlaceAt(*a, of_a).here());
  const WriterPlace place = PlaceAt(*b, of_b);
  EXPECT_EQ(place.process, a->db().nodes()->process());
  EXPECT_EQ(place.address, "http://127.0.0.1:101");
  EXPECT_EQ(place.epoch, of_a->writer_epoch());
  EXPECT_EQ(of_b->writer_epoch(), Epoch(0));
}

TEST_F(PlaceTest, NothingOnAnotherNodeDeposesALiveWriter) {
  auto a = Node("a");
  auto b = Node("b");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  ASSERT_TRUE(of_a->CreateSnapshot(a->ctx(), "s"));
  const auto of_b = b->Get("docs");
  const Epoch epoch = Head(*of_a).epoch;
  const auto refused = [&](const Status& status) {
    EXPECT_EQ(status.reason(), "not_the_writer");
    EXPECT_EQ(status.effect(), Effect::kNone);
    EXPECT_EQ(status.retry(), Retry::kBackoff);
  };
  refused(internal::ToStatus(b->Write(*of_b, {{"2", {1, 0}}})));
  refused(internal::ToStatus(of_b->DeleteIds(b->ctx(), {"1"})));
  simdjson::dom::parser parser;
  const auto filter = Filter::Parse(parser.parse(std::string_view(R"({"has_id":["1"]})")), Limits());
  ASSERT_TRUE(filter) << filter.error().ToString();
  refused(internal::ToStatus(of_b->DeleteMatching(b->ctx(), **filter)));
  refused(internal::ToStatus(of_b->MergePayload(b->ctx(), "1", "{}")));
  refused(internal::ToStatus(of_b->CreateSnapshot(b->ctx(), "other")));
  refused(internal::ToStatus(of_b->Revert(b->ctx(), AtSnapshot{"s"})));
  refused(internal::ToStatus(b->db().Clone(b->ctx(), "docs", "copy", std::nullopt)));
  EXPECT_TRUE(of_b->Flush(b->ctx()).ok());
  EXPECT_TRUE(of_b->Merge(b->ctx(), Collection::MergeScope::kFull).ok());
  EXPECT_EQ(Head(*of_a).epoch, epoch);
  a->Upsert(*of_a, {{"3", {1, 0}}});
}

TEST_F(PlaceTest, ANodeThatStoppedProperlyIsReplacedAtOnce) {
  auto a = Node("a");
  auto b = Node("b");
  a->Upsert(*a->Create("docs", 2), {{"1", {1, 0}}});
  const auto of_b = b->Get("docs");
  ASSERT_TRUE(a->db().Close(a->ctx()).ok());
  EXPECT_TRUE(PlaceAt(*b, of_b).here());
  EXPECT_EQ(of_b->writer_epoch(), Epoch(2));
  EXPECT_THAT(b->Contents(*of_b), UnorderedElementsAre(Pair("1", "{}")));
}

TEST_F(PlaceTest, AWriterThatDiedIsReplacedWhenItsLeaseStandsStill) {
  auto a = Node("a");
  auto b = Node("b");
  a->Upsert(*a->Create("docs", 2), {{"1", {1, 0}}});
  const auto of_b = b->Get("docs");
  const WriterPlace place = PlaceAt(*b, of_b);
  ASSERT_FALSE(place.here());
  a.reset();
  Miss(*b, place.process, 2);
  EXPECT_FALSE(PlaceAt(*b, of_b).here());
  Miss(*b, place.process, 2);
  EXPECT_TRUE(PlaceAt(*b, of_b).here());
  b->Upsert(*of_b, {{"2", {1, 0}}});
  EXPECT_THAT(b->Contents(*of_b), UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}")));
  EXPECT_EQ(b->db().takeovers(), 1u);
}

TEST_F(PlaceTest, ARestartedNodeNeedNotWaitForItself) {
  auto a = Node("a");
  a->Upsert(*a->Create("docs", 2), {{"1", {1, 0}}});
  a.reset();
  auto again = Node("a");
  again->Upsert(*again->Get("docs"), {{"2", {1, 0}}});
  EXPECT_EQ(again->Contents(*again->Get("docs")).size(), 2u);
}

TEST_F(PlaceTest, OfTwoThatFindTheWriterDeadOneTakesOverAndTheOtherFindsIt) {
  auto a = Node("a");
  auto b = Node("b");
  auto c = Node("c");
  const auto of_a = a->Create("docs", 2);
  const auto of_b = b->Get("docs");
  const auto of_c = c->Get("docs");
  const WriterPlace dead = PlaceAt(*b, of_b);
  ASSERT_EQ(PlaceAt(*c, of_c).process, dead.process);
  a.reset();
  Miss(*b, dead.process, 4);
  Miss(*c, dead.process, 4);
  EXPECT_TRUE(PlaceAt(*b, of_b).here());
  const WriterPlace place = PlaceAt(*c, of_c);
  EXPECT_EQ(place.process, b->db().nodes()->process()) << "its own manifest still names the dead one";
  EXPECT_EQ(place.epoch, Epoch(2));
  EXPECT_EQ(Head(*of_b).epoch, Epoch(2));
}

TEST_F(PlaceTest, OfTwoThatTakeOverAtTheSameMomentOneFindsTheOther) {
  auto a = Node("a");
  auto b = Node("b");
  auto c = Node("c");
  a->Create("docs", 2);
  const auto of_b = b->Get("docs");
  const auto of_c = c->Get("docs");
  const WriterPlace dead = PlaceAt(*b, of_b);
  ASSERT_EQ(PlaceAt(*c, of_c).process, dead.process);
  a.reset();
  Miss(*b, dead.process, 4);
  Miss(*c, dead.process, 4);
  // Its lease is there, so that the next request to write is the claim.
  ASSERT_TRUE(c->db().nodes()->Ensure(c->ctx()).ok());
  c->DuringNext(StoreOp::kPut, [&] { ASSERT_TRUE(PlaceAt(*b, of_b).here()); });
  EXPECT_EQ(PlaceAt(*c, of_c).process, b->db().nodes()->process());
  EXPECT_EQ(Head(*of_b).epoch, Epoch(2));
  b->Upsert(*of_b, {{"1", {1, 0}}});
}

TEST_F(PlaceTest, AWriterThatWasDeposedWritesAgainOnceItsSuccessorIsGone) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  auto b = Node("b");
  Miss(*b, PlaceAt(*b, b->Get("docs")).process, 5);
  ASSERT_TRUE(PlaceAt(*b, b->Get("docs")).here());
  EXPECT_EQ(internal::ToStatus(a->Write(*of_a, {{"2", {1, 0}}})).reason(), "not_the_writer");
  ASSERT_TRUE(b->db().Close(b->ctx()).ok());
  a->Upsert(*a->Get("docs"), {{"2", {1, 0}}});
  EXPECT_EQ(a->Contents(*a->Get("docs")).size(), 2u);
}

TEST_F(PlaceTest, WritesOfBothNodesInTurnCostNoTakeover) {
  auto a = Node("a");
  auto b = Node("b");
  const auto of_a = a->Create("docs", 2);
  const auto of_b = b->Get("docs");
  for (int i = 0; i < 20; ++i) {
    const WriterPlace place = PlaceAt(*b, of_b);
    ASSERT_FALSE(place.here());
    a->Upsert(*of_a, {{std::to_string(i), {1, 0}}});
    Forwarded(*b, place.process, ForwardOutcome::kAnswered);
    for (TestDatabase* node : {a.get(), b.get()}) {
      node->clock().Advance(seconds(1));
      node->executor().Step("lease");
    }
  }
  EXPECT_EQ(Head(*of_a).epoch, Epoch(1));
}

TEST_F(PlaceTest, WhatAnotherNodeAnsweredIsPromisedUntilItIsVisible) {
  auto a = Node("a");
  auto b = Node("b");
  const auto of_a = a->Create("docs", 2);
  const auto of_b = b->Get("docs");
  EXPECT_EQ(of_b->promised(), std::nullopt);
  const auto written = a->Write(*of_a, {{"1", {1, 0}}});
  of_b->NoteWrittenElsewhere(written->position);
  ASSERT_TRUE(of_b->promised());
  EXPECT_EQ(of_b->promised()->lsn, written->position.lsn);
  ASSERT_TRUE(of_b->Read(b->ctx()));
  b->clock().Advance(seconds(6));
  b->executor().Step("follow");
  EXPECT_EQ(of_b->promised(), std::nullopt);
  EXPECT_EQ(b->Contents(*of_b).size(), 1u);
}

TEST_F(PlaceTest, ClonesBelongToWhoWritesFirst) {
  auto a = Node("a");
  auto b = Node("b");
  a->Create("docs", 2);
  ASSERT_TRUE(a->db().Clone(a->ctx(), "docs", "copy", std::nullopt));
  EXPECT_TRUE(PlaceAt(*b, b->Get("copy")).here());
}

}  // namespace
}  // namespace akidb
