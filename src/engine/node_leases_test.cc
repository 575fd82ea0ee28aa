#include "engine/node_leases.h"

#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "format/node_lease.h"
#include "format/object_keys.h"
#include "objstore/memory/memory_store.h"
#include "objstore/probe/versioned_store_testing.h"

namespace akidb {
namespace {

using Activity = NodeLeases::Activity;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const std::string kA = ProcessName("a", "aaaaaaaaaaaaaaaa");
const std::string kB = ProcessName("b", "bbbbbbbbbbbbbbbb");

class NodeLeasesTest : public testing::Test {
 protected:
  NodeLeasesTest() { b_.SetAddress("http://127.0.0.1:2"); }
  std::shared_ptr<FaultStore> Line() {
    return std::make_shared<FaultStore>(store_, FaultPlan::Nothing(), *random_, [](Duration) {});
  }
  Environment Env() {
    Environment env;
    env.clock = &clock_;
    env.random = random_.get();
    return env;
  }
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    for (const auto& object : store_->List(ctx_, std::string(kNodesPrefix), "", 1000).value().objects) {
      keys.push_back(object.key);
    }
    return keys;
  }
  // What A believes of B: its address, or "" for dead.
  std::string Believed() {
    const auto address = a_.AddressIfAlive(ctx_, kB);
    EXPECT_TRUE(address) << address.error().ToString();
    return address && *address ? **address : "";
  }
  // A request to B that ended at once.
  void Note(ForwardOutcome outcome) {
    OpContext request(clock_);
    a_.BeginForward(kB, &request);
    a_.EndForward(kB, &request, outcome);
  }
  void Beat() { ASSERT_TRUE(b_.Step(ctx_, Activity::kWriter)); }
  // Time passes for a node that watches; B beats or not.
  void Watch(Duration time, bool beating) {
    for (Duration passed{}; passed < time; passed += milliseconds(500)) {
      clock_.Advance(milliseconds(500));
      if (beating) Beat();
      ASSERT_TRUE(a_.Step(ctx_, Activity::kNone));
    }
  }

  ManualClock clock_;
  OpContext ctx_{clock_};
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  std::shared_ptr<ObjectStore> store_ = NewMemoryStore(clock_);
  std::shared_ptr<FaultStore> line_a_ = Line();
  std::shared_ptr<FaultStore> line_b_ = Line();
  NodeLeases a_{Env(), line_a_, kA};
  NodeLeases b_{Env(), line_b_, kB};
};

TEST_F(NodeLeasesTest, SaysWhereALiveWriterIs) {
  ASSERT_TRUE(b_.Ensure(ctx_).ok());
  EXPECT_EQ(Believed(), "http://127.0.0.1:2");
  const uint64_t asked = line_a_->calls(StoreOp::kList) + line_a_->calls(StoreOp::kGet);
  EXPECT_EQ(Believed(), "http://127.0.0.1:2");
  EXPECT_EQ(line_a_->calls(StoreOp::kList) + line_a_->calls(StoreOp::kGet), asked) << "a known one costs nothing";
}

TEST_F(NodeLeasesTest, NoLeaseMeansGoneBecauseItComesBeforeEveryClaim) { EXPECT_EQ(Believed(), ""); }

TEST_F(NodeLeasesTest, AHeartbeatWhoseAnswerIsLostIsSentAgain) {
  for (const Fault fault : {Fault::kLoseAnswer, Fault::kLoseRequest}) {
    line_b_->Script(StoreOp::kPut, 1, fault);
    Beat();
    EXPECT_EQ(Believed(), "http://127.0.0.1:2");
    clock_.Advance(minutes(2));
  }
  line_b_->Script(StoreOp::kPut, 1, Fault::kRefuse);
  EXPECT_FALSE(b_.Ensure(ctx_).ok()) << "an answer is an answer";
}

TEST_F(NodeLeasesTest, WithoutAnAddressNothingCanBeClaimed) {
  EXPECT_EQ(a_.Ensure(ctx_).code(), StatusCode::kUnavailable);
  EXPECT_TRUE(Keys().empty());
}

TEST_F(NodeLeasesTest, AnEarlierProcessOfTheSameNodeIsGone) {
  NodeLeases earlier(Env(), store_, ProcessName("a", "0000000000000000"));
  earlier.SetAddress("http://127.0.0.1:1");
  ASSERT_TRUE(earlier.Ensure(ctx_).ok());
  EXPECT_EQ(a_.AddressIfAlive(ctx_, earlier.process()).value(), std::nullopt);
  EXPECT_EQ(a_.AddressIfAlive(ctx_, kA).value(), std::nullopt) << "nobody forwards to itself";
  EXPECT_EQ(a_.AddressIfAlive(ctx_, "").value(), std::nullopt) << "a claim that no process made";
}

TEST_F(NodeLeasesTest, ReleasedLeaseMeansGoneAtOnce) {
  ASSERT_TRUE(b_.Ensure(ctx_).ok());
  EXPECT_NE(Believed(), "");
  ASSERT_TRUE(b_.Release(ctx_).ok());
  EXPECT_TRUE(Keys().empty());
  Note(ForwardOutcome::kRefused);
  clock_.Advance(milliseconds(250));
  EXPECT_EQ(Believed(), "");
  EXPECT_EQ(b_.Ensure(ctx_).code(), StatusCode::kUnavailable) << "a process that stops claims nothing";
}

TEST_F(NodeLeasesTest, HeartbeatsRotateTheirKeysAndLeaveTwo) {
  for (int i = 0; i < 10; ++i) {
    Beat();
    clock_.Advance(seconds(2));
  }
  EXPECT_EQ(Keys(), (std::vector{LeaseKey(kB, 9), LeaseKey(kB, 10)}));
}

class VersionedNodeLeasesTest : public NodeLeasesTest {
 protected:
  VersionedNodeLeasesTest() { node_.SetAddress("http://127.0.0.1:3"); }

  std::shared_ptr<VersionedStore> versions_ = std::make_shared<VersionedStore>();
  std::shared_ptr<FaultStore> line_ =
      std::make_shared<FaultStore>(versions_, FaultPlan::Nothing(), *random_, [](Duration) {});
  NodeLeases node_{Env(), line_, kB};
};

TEST_F(VersionedNodeLeasesTest, NoHeartbeatLeavesAVersionOrAMarker) {
  for (int i = 0; i < 10; ++i) {
    if (i == 3) line_->Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
    if (i == 5) line_->Script(StoreOp::kDelete, 1, Fault::kLoseAnswer);
    ASSERT_TRUE(node_.Step(ctx_, Activity::kWriter));
    clock_.Advance(seconds(2));
  }
  EXPECT_EQ(versions_->version_count(), 2u);
  ASSERT_TRUE(node_.Release(ctx_).ok());
  EXPECT_EQ(versions_->version_count(), 0u);
}

TEST_F(VersionedNodeLeasesTest, WhatADeadNodeLeftGoesWithItsVersions) {
  ASSERT_TRUE(node_.Step(ctx_, Activity::kWriter));
  NodeLeases next(Env(), line_, ProcessName("b", "cccccccccccccccc"));
  next.SetAddress("http://127.0.0.1:3");
  clock_.Advance(minutes(11));
  ASSERT_TRUE(next.Step(ctx_, Activity::kWriter));
  EXPECT_EQ(versions_->version_count(), 1u) << "its own";
}

TEST_F(VersionedNodeLeasesTest, WhoMayNotDeleteVersionsAsksOnceAndDeletesKeys) {
  struct Guarded final : VersionedStore {
    Status DeleteVersion(OpContext&, const std::string&, const std::string&) override {
      ++asked;
      return PermissionDenied("s3:DeleteObjectVersion");
    }
    int asked = 0;
  };
  const auto guarded = std::make_shared<Guarded>();
  NodeLeases node(Env(), guarded, kB);
  node.SetAddress("http://127.0.0.1:3");
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(node.Step(ctx_, Activity::kWriter));
    clock_.Advance(seconds(2));
  }
  EXPECT_EQ(guarded->asked, 1);
  EXPECT_EQ(guarded->List(ctx_, std::string(kNodesPrefix), "", 1000).value().objects.size(), 2u);
}

TEST_F(NodeLeasesTest, AnIdleWriterCostsLessThanARequestInThreeSeconds) {
  ASSERT_TRUE(b_.Ensure(ctx_).ok());
  const auto before = line_b_->calls(StoreOp::kPut) + line_b_->calls(StoreOp::kDelete);
  for (int i = 0; i < 1200; ++i) {
    clock_.Advance(milliseconds(500));
    ASSERT_TRUE(b_.Step(ctx_, Activity::kIdleWriter));
  }
  const auto sent = line_b_->calls(StoreOp::kPut) + line_b_->calls(StoreOp::kDelete) - before;
  EXPECT_LE(sent, 200u) << "in ten minutes";
  EXPECT_GE(sent, 100u);
}

TEST_F(NodeLeasesTest, ANodeThatWritesNothingSendsNoHeartbeat) {
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(b_.Step(ctx_, Activity::kNone));
    clock_.Advance(seconds(10));
  }
  EXPECT_EQ(line_b_->calls(StoreOp::kPut), 0u);
  EXPECT_EQ(line_b_->calls(StoreOp::kList), 0u);
}

TEST_F(NodeLeasesTest, WhoRefusesConnectionsIsDeadWhenItsLeaseStandsStillForThreeSeconds) {
  Beat();
  EXPECT_NE(Believed(), "");
  Watch(seconds(4), true);
  Note(ForwardOutcome::kRefused);
  EXPECT_NE(Believed(), "") << "it beat half a second ago";
  Watch(seconds(4), false);
  EXPECT_EQ(Believed(), "");
}

TEST_F(NodeLeasesTest, WhoRefusesConnectionsAndBeatsIsAlive) {
  Beat();
  EXPECT_NE(Believed(), "");
  for (int i = 0; i < 10; ++i) {
    Watch(seconds(1), true);
    Note(ForwardOutcome::kRefused);
    EXPECT_NE(Believed(), "");
  }
}

TEST_F(NodeLeasesTest, WhoNeitherAnswersNorBeatsForFiveSecondsIsDead) {
  Beat();
  EXPECT_NE(Believed(), "");
  Watch(seconds(4), false);
  EXPECT_NE(Believed(), "");
  Watch(seconds(2), false);
  EXPECT_EQ(Believed(), "");
}

TEST_F(NodeLeasesTest, WhoAnswersIsAliveThoughItsHeartbeatsAreLate) {
  Beat();
  EXPECT_NE(Believed(), "");
  for (int i = 0; i < 20; ++i) {
    Watch(seconds(1), false);
    Note(ForwardOutcome::kAnswered);
    EXPECT_NE(Believed(), "");
  }
}

TEST_F(NodeLeasesTest, WhoCannotBeReachedForLongIsDeposedThoughItBeats) {
  Beat();
  EXPECT_NE(Believed(), "");
  for (int i = 0; i < 14; ++i) {
    Note(ForwardOutcome::kSilent);
    EXPECT_NE(Believed(), "") << i;
    Watch(seconds(1), true);
  }
  Watch(seconds(2), true);
  Note(ForwardOutcome::kSilent);
  EXPECT_EQ(Believed(), "");
}

TEST_F(NodeLeasesTest, ARequestThatWaitedInVainCountsFromItsBeginning) {
  Beat();
  EXPECT_NE(Believed(), "");
  OpContext request(clock_);
  a_.BeginForward(kB, &request);
  Watch(seconds(11), true);
  a_.EndForward(kB, &request, ForwardOutcome::kSilent);
  EXPECT_NE(Believed(), "");
  Watch(seconds(4), true);
  Note(ForwardOutcome::kSilent);
  EXPECT_EQ(Believed(), "");
}

TEST_F(NodeLeasesTest, AnAnswerMeanwhileEndsAFailure) {
  Beat();
  EXPECT_NE(Believed(), "");
  OpContext request(clock_);
  a_.BeginForward(kB, &request);
  Watch(seconds(11), true);
  Note(ForwardOutcome::kAnswered);
  a_.EndForward(kB, &request, ForwardOutcome::kSilent);
  Watch(seconds(14), true);
  Note(ForwardOutcome::kSilent);
  EXPECT_NE(Believed(), "");
}

TEST_F(NodeLeasesTest, NobodyWaitsForAnAnswerOfTheDead) {
  Beat();
  EXPECT_NE(Believed(), "");
  OpContext request(clock_);
  a_.BeginForward(kB, &request);
  Watch(seconds(20), true);
  EXPECT_TRUE(request.Check().ok()) << "slow, and alive";
  Watch(seconds(4), false);
  EXPECT_TRUE(request.Check().ok());
  Watch(seconds(2), false);
  EXPECT_EQ(request.Check().code(), StatusCode::kCancelled);
  a_.EndForward(kB, &request, ForwardOutcome::kSilent);
}

TEST_F(NodeLeasesTest, TwoFailuresThatLieFarApartAreNotOneLongOne) {
  Beat();
  EXPECT_NE(Believed(), "");
  Note(ForwardOutcome::kSilent);
  Watch(minutes(1), true);
  Note(ForwardOutcome::kSilent);
  EXPECT_NE(Believed(), "");
}

TEST_F(NodeLeasesTest, AnIdleWriterIsGivenMoreTimeThanOneThatWrites) {
  ASSERT_TRUE(b_.Step(ctx_, Activity::kIdleWriter));
  EXPECT_NE(Believed(), "");
  for (int i = 0; i < 10; ++i) {
    Watch(seconds(2), false);
    EXPECT_NE(Believed(), "") << "its lease says that the next heartbeat comes in ten seconds";
  }
  Watch(seconds(10), false);
  EXPECT_EQ(Believed(), "");
}

TEST_F(NodeLeasesTest, HeartbeatNeverComesLaterThanTheLastOnePromised) {
  Beat();
  clock_.Advance(seconds(2));
  ASSERT_TRUE(b_.Step(ctx_, Activity::kIdleWriter));
  EXPECT_EQ(Keys().back(), LeaseKey(kB, 2));
}

TEST_F(NodeLeasesTest, ALookThatFailsLeavesWhatWasKnown) {
  Beat();
  EXPECT_NE(Believed(), "");
  Note(ForwardOutcome::kRefused);
  clock_.Advance(seconds(60));
  line_a_->Script(StoreOp::kList, 1, Fault::kLoseRequest);
  EXPECT_NE(Believed(), "") << "that time passed here says nothing about the lease";
}

TEST_F(NodeLeasesTest, UnknownOutcomeOfAHeartbeatIsNoGap) {
  for (const uint64_t nth : {1u, 2u, 3u}) line_b_->Script(StoreOp::kPut, nth, Fault::kLoseAnswer);
  EXPECT_FALSE(b_.Ensure(ctx_).ok());
  EXPECT_TRUE(b_.Ensure(ctx_).ok());
  EXPECT_EQ(Keys(), std::vector{LeaseKey(kB, 1)});
}

TEST_F(NodeLeasesTest, ALeaseOfNobodyIsSweptAfterAnHour) {
  Beat();
  a_.SetAddress("http://127.0.0.1:1");
  for (int i = 0; i < 90; ++i) {
    clock_.Advance(minutes(1));
    ASSERT_TRUE(a_.Step(ctx_, Activity::kIdleWriter));
    if (i == 60) EXPECT_EQ(Keys().back(), LeaseKey(kB, 1));
  }
  EXPECT_TRUE(Keys().back().starts_with(LeasePrefix(kA)));
}

TEST_F(NodeLeasesTest, WhoseLeaseWasSweptWritesAnotherBeforeItClaims) {
  Beat();
  ASSERT_TRUE(store_->Delete(ctx_, LeaseKey(kB, 1)).ok());
  clock_.Advance(minutes(90));
  ASSERT_TRUE(b_.Ensure(ctx_).ok());
  EXPECT_EQ(Keys(), std::vector{LeaseKey(kB, 2)});
}

}  // namespace
}  // namespace akidb
