// Named interleavings of writers, logs and takeovers.
#include <gmock/gmock.h>

#include "format/object_keys.h"
#include "format/wal_object.h"
#include "scenario_testing.h"

namespace akidb::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

using LogScenario = ScenarioTest;

// Runs `then`, in which the node dies.
template <class Then>
void DiesIn(Node& node, const Then& then) {
  bool died = false;
  try {
    then();
  } catch (const SimCrash&) {
    died = true;
  }
  EXPECT_TRUE(died) << node.name() << " lives";
  node.Kill();
}

TEST_F(LogScenario, AFenceThatComesAfterALogObjectOnTheWireLetsItCount) {
  auto a = StartNode("a");
  Create(*a, "docs");
  Write(*a, "1", 10);
  Always(*a, StoreOp::kPut, "/wal/", Fate::kLate);
  Always(*a, StoreOp::kGet, "/wal/", Fate::kLose);
  EXPECT_EQ(TryWrite(*a, "2", 20).effect(), Effect::kUnknown);

  auto b = StartNode("b");
  // The taker has listed the stream; before its fence the object lands where the fence would go.
  WhenAnswered(*b, StoreOp::kList, "/wal/", [&] { EXPECT_EQ(bucket_.DeliverAll(), 1); });
  Write(*b, "3", 30);
  EXPECT_EQ(Rows(*b), "1=10 2=20 3=30");
  Clear(*a);
  EXPECT_EQ(TryWrite(*a, "4", 40).reason(), "not_the_writer");
  WriteInSomeTries(*a, "4", 40);
  EXPECT_EQ(Rows(*a), "1=10 2=20 3=30 4=40");
}

TEST_F(LogScenario, AFenceThatComesBeforeALogObjectOnTheWireEndsTheStream) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  Always(*a, StoreOp::kPut, "/wal/", Fate::kLate);
  Always(*a, StoreOp::kGet, "/wal/", Fate::kLose);
  EXPECT_EQ(TryWrite(*a, "2", 20).effect(), Effect::kUnknown);
  EXPECT_EQ(TryWrite(*a, "3", 30).effect(), Effect::kUnknown) << "it waits behind the one on the wire";

  auto b = StartNode("b");
  WhenAnswered(*b, StoreOp::kPut, "/wal/", [&] { EXPECT_EQ(bucket_.DeliverAll(), 0); });
  Write(*b, "4", 40);
  Clear(*a);
  RunFor(*a, seconds(10));
  EXPECT_EQ(Rows(*a), "1=10 4=40");
  EXPECT_EQ(Rows(*b), "1=10 4=40");
  EXPECT_EQ(Keys(WalPrefix(docs->id(), Epoch(1))).size(), 3u) << "opening, group, fence";
}

TEST_F(LogScenario, TwoTakeoversInARowTheFirstDyingBeforeItsFence) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  auto b = StartNode("b");
  WhenSending(*b, StoreOp::kList, "/wal/", [&] {
    b->Doom();
    return Fate::kSend;
  });
  DiesIn(*b, [&] { TryWrite(*b, "2", 20).IgnoreError("it dies"); });
  EXPECT_EQ(Head(docs->id())->epoch, Epoch(2));
  Write(*a, "3", 30);  // nobody has fenced it yet

  auto c = StartNode("c");
  Write(*c, "4", 40);
  EXPECT_EQ(Rows(*c), "1=10 3=30 4=40");
  EXPECT_EQ(Keys(WalPrefix(docs->id(), Epoch(2))).size(), 1u) << "the fence that would stop the dead one, were it not";
  EXPECT_EQ(TryWrite(*a, "5", 50).reason(), "not_the_writer");
}

TEST_F(LogScenario, ATakerThatStalledBeforeItsFirstObjectNeverServes) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  auto b = StartNode("b");
  auto c = StartNode("c");
  WhenSending(*b, StoreOp::kPut, "/wal/00000000000000000002/", [&] {
    Write(*c, "2", 20);
    Flush(*c);
    RunFor(*c, hours(1));
    return Fate::kSend;
  });
  EXPECT_FALSE(TryWrite(*b, "3", 30).ok());
  EXPECT_EQ(Rows(*c), "1=10 2=20");
  WriteInSomeTries(*b, "3", 30);
  EXPECT_EQ(Rows(*b), "1=10 2=20 3=30");
}

TEST_F(LogScenario, AStreamWhoseHeadWasCollectedIsNoPlaceForAFence) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  for (int i = 1; i <= 3; ++i) Write(*a, std::to_string(i), 10 * i);
  auto b = StartNode("b");
  auto c = StartNode("c");
  // It has its epoch and sleeps before it looks at the old stream, whose records another taker publishes and trims.
  WhenSending(*b, StoreOp::kList, "/wal/", [&] {
    Write(*c, "4", 40);
    Flush(*c);
    RunFor(*c, hours(1));
    return Fate::kSend;
  });
  const Status refused = TryWrite(*b, "5", 50);
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable) << refused.ToString();
  WriteInSomeTries(*b, "5", 50);
  EXPECT_EQ(Rows(*b), "1=10 2=20 3=30 4=40 5=50");
  EXPECT_EQ(Keys(WalPrefix(docs->id(), Epoch(1))).size(), 1u) << "its fence";
}

TEST_F(LogScenario, ReaderThatSleptBetweenManifestAndLogGoesNotBack) {
  auto a = StartNode("a");
  Create(*a, "docs");
  Write(*a, "1", 10);
  Flush(*a);
  Write(*a, "2", 20);
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b), "1=10 2=20");
  NodeContext ctx = a->Context(hours(5));
  ASSERT_TRUE(Get(*a)->CreateSnapshot(ctx, "s"));
  Write(*a, "3", 30);
  RunFor(*b, seconds(6));
  EXPECT_EQ(Rows(*b), "1=10 2=20 3=30");
  // A new manifest without the log's end in it; while the reader is about to read that, it is published and trimmed.
  ASSERT_TRUE(Get(*a)->DeleteSnapshot(ctx, "s").ok());
  WhenSending(*b, StoreOp::kGet, "/wal/", [&] {
    Flush(*a);
    RunFor(*a, hours(1));
    return Fate::kSend;
  });
  RunFor(*b, seconds(6));
  EXPECT_EQ(Rows(*b), "1=10 2=20 3=30");
}

TEST_F(LogScenario, NodeThatSleptWhileItOpenedShowsWhatWasAcknowledged) {
  auto a = StartNode("a");
  Create(*a, "docs");
  Write(*a, "1", 10);
  Flush(*a);
  Write(*a, "2", 20);
  auto b = StartNode("b");
  WhenSending(*b, StoreOp::kGet, "/wal/", [&] {
    Flush(*a);
    RunFor(*a, hours(1));
    return Fate::kSend;
  });
  EXPECT_EQ(Rows(*b), "1=10 2=20");
}

TEST_F(LogScenario, PowerLossOfTheStoreTakesAnAcknowledgedManifestAndNothingElse) {
  truth_.set_store_lies(true);
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  Flush(*a);
  RunFor(*a, minutes(5));
  Write(*a, "2", 20);
  Flush(*a);
  Write(*a, "3", 30);
  RunFor(*a, seconds(20));
  // Within engine.trim_delay of the commit: what the log still has is all that is needed.
  bucket_.Forget(Keys("/manifest/").back());
  bucket_.Forget(Keys("/segments/").back());
  a->Kill();
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b), "1=10 2=20 3=30");
  Write(*b, "4", 40);
  Flush(*b);
  RunFor(*b, hours(1));
  EXPECT_EQ(Rows(*b), "1=10 2=20 3=30 4=40");
}

TEST_F(LogScenario, PowerLossOfTheStoreThatTakesALogObjectIsSaidAndNotPaperedOver) {
  truth_.set_store_lies(true);
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  for (int i = 1; i <= 3; ++i) Write(*a, std::to_string(i), 10 * i);
  const auto keys = Keys(WalPrefix(docs->id(), Epoch(1)));
  bucket_.Forget(keys[keys.size() - 2]);
  a->Kill();
  auto b = StartNode("b");
  const Status refused = TryWrite(*b, "4", 40);
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable) << refused.ToString();
  EXPECT_EQ(Keys(WalPrefix(docs->id(), Epoch(1))).size(), keys.size() - 1) << "no fence where something is missing";
}

TEST_F(LogScenario, RevertThenCrashThenReplay) {
  auto a = StartNode("a");
  Create(*a, "docs");
  Write(*a, "1", 10);
  NodeContext ctx = a->Context(hours(5));
  ASSERT_TRUE(Get(*a)->CreateSnapshot(ctx, "s"));
  Write(*a, "1", 11);
  Write(*a, "2", 20);
  ASSERT_TRUE(Get(*a)->Revert(ctx, AtSnapshot{"s"}));
  Write(*a, "3", 30);
  a->Kill(true);
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b), "1=10 3=30");
  Write(*b, "4", 40);
  EXPECT_EQ(Rows(*b), "1=10 3=30 4=40");
  Restart(*a);
  EXPECT_EQ(Rows(*a), "1=10 3=30 4=40");
}

TEST_F(LogScenario, ReaderNeverShowsAWriteThatCameAfterARevertWithoutTheRevert) {
  auto a = StartNode("a");
  Create(*a, "docs");
  Write(*a, "1", 10);
  NodeContext ctx = a->Context(hours(5));
  ASSERT_TRUE(Get(*a)->CreateSnapshot(ctx, "s"));
  Write(*a, "1", 11);
  Flush(*a);
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b), "1=11");
  // The reader has just seen that there is no newer manifest, and asks for the end of the log.
  WhenSending(*b, StoreOp::kGet, "/wal/", [&] {
    EXPECT_TRUE(Get(*a)->Revert(ctx, AtSnapshot{"s"}));
    Write(*a, "2", 20);
    return Fate::kSend;
  });
  RunFor(*b, seconds(1));
  EXPECT_THAT(Rows(*b), ::testing::AnyOf("1=11", "1=10", "1=10 2=20"));
  RunFor(*b, seconds(10));
  EXPECT_EQ(Rows(*b), "1=10 2=20");
}

TEST_F(LogScenario, DropThatStoppedBeforeItsFencesIsFinishedByWhoeverAsks) {
  auto a = StartNode("a");
  Create(*a, "docs");
  Write(*a, "1", 10);
  auto b = StartNode("b");
  WhenSending(*b, StoreOp::kList, "/wal/", [&] {
    b->Doom();
    return Fate::kSend;
  });
  DiesIn(*b, [&] {
    NodeContext ctx = b->Context(hours(5));
    b->db().Drop(ctx, "docs").IgnoreError("it dies");
  });
  auto c = StartNode("c");
  NodeContext ctx = c->Context(hours(5));
  EXPECT_EQ(c->db().Get(ctx, "docs").error().code(), StatusCode::kNotFound);
  EXPECT_FALSE(TryWrite(*a, "2", 20).ok()) << "somebody was told that the collection is gone";
}

TEST_F(LogScenario, WriterThatSleptThroughDropAndPurgeAcknowledgesNothing) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  auto b = StartNode("b");
  auto taker = StartNode("t");
  EXPECT_EQ(Rows(*taker), "1=10");
  // One has a log object on the wire, the other is about to send its takeover.
  Always(*a, StoreOp::kPut, "/wal/", Fate::kLate);
  Always(*a, StoreOp::kGet, "/wal/", Fate::kLose);
  EXPECT_EQ(TryWrite(*a, "2", 20).effect(), Effect::kUnknown);
  WhenSending(*taker, StoreOp::kPut, "/manifest/", [&] {
    NodeContext ctx = b->Context(hours(5));
    EXPECT_TRUE(b->db().Drop(ctx, "docs").ok());
    RunFor(*b, hours(1));
    EXPECT_EQ(Keys(WalPrefix(docs->id())).size(), 1u) << "purged, but for the fence";
    return Fate::kSend;
  });
  EXPECT_EQ(TryWrite(*taker, "3", 30).reason(), "collection_dropped");
  EXPECT_EQ(bucket_.DeliverAll(), 0);
  Clear(*a);
  EXPECT_EQ(TryWrite(*a, "4", 40).reason(), "not_the_writer");
  for (const std::string& key : truth_.Garbage()) ADD_FAILURE() << key;
}

TEST_F(LogScenario, TwoProcessesWithOneNodeIdAreTwoWriters) {
  auto one = StartNode("same");
  auto two = StartNode("same");
  Create(*one, "docs");
  Write(*one, "1", 10);
  Write(*two, "2", 20);
  WriteInSomeTries(*one, "3", 30);
  WriteInSomeTries(*two, "4", 40);
  one->Kill(true);
  Restart(*one);
  WriteInSomeTries(*one, "5", 50);
  EXPECT_EQ(TryWrite(*two, "6", 60).reason(), "not_the_writer");
  EXPECT_EQ(Rows(*one), "1=10 2=20 3=30 4=40 5=50");
  RunFor(*two, seconds(10));
  EXPECT_EQ(Rows(*two), "1=10 2=20 3=30 4=40 5=50");
}

TEST_F(LogScenario, WithoutAQuorumNothingIsTakenForAbsence) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  Flush(*a);
  Write(*a, "2", 20);
  auto reader = StartNode("r");
  EXPECT_EQ(Rows(*reader), "1=10 2=20");
  Create(*a, "new");  // which the reader has not heard of
  const size_t objects = bucket_.object_count();
  bucket_.faults().quorum = Quorum::kNone;
  auto b = std::make_unique<Node>(world_, bucket_, "b", options_, 7);
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(TryWrite(*a, "3", 30).ok());
    EXPECT_EQ(Rows(*reader), "1=10 2=20");
    for (const char* name : {"new", "absent"}) {
      NodeContext ctx = reader->Context(hours(5));
      EXPECT_EQ(reader->db().Get(ctx, name).error().code(), StatusCode::kUnavailable) << name;
    }
    RunFor(*reader, seconds(6));
    RunFor(*a, seconds(6));
    if (!b->Start().ok()) {
      b->Kill();
      continue;
    }
    NodeContext ctx = b->Context(hours(5));
    const auto found = b->db().Get(ctx, "docs");
    if (found) {
      EXPECT_FALSE((*found)->DeleteIds(ctx, {}));
    } else {
      EXPECT_EQ(found.error().code(), StatusCode::kUnavailable) << "503, not 404";
    }
    b->Kill();
  }
  EXPECT_EQ(bucket_.object_count(), objects) << "nothing was made, nothing deleted";
  bucket_.faults() = {};
  RunFor(*a, seconds(10));
  ASSERT_TRUE(b->Start().ok());
  EXPECT_TRUE(Rows(*b).starts_with("1=10 2=20")) << Rows(*b);
  WriteInSomeTries(*b, "4", 40);
}

}  // namespace
}  // namespace akidb::sim
