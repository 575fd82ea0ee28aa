// Named interleavings of a collection's home, its disk, and those who take it away.
#include <gmock/gmock.h>

#include "format/object_keys.h"
#include "scenario_testing.h"

namespace akidb::sim {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AnyOf;
using testing::IsEmpty;

constexpr Duration kConfirm = seconds(10);
constexpr Duration kWait = seconds(12);  // a rebind's 11 s, and what is left of a step

class HomeScenario : public ScenarioTest {
 protected:
  HomeScenario() {
    options_.home_confirm = kConfirm;
    options_.wal_file_bytes = 256 << 10;
  }

  Result<RebindReport> TryRebind(Node& node) {
    NodeContext ctx = node.Context(hours(5));
    return node.db().Rebind(ctx, "docs");
  }
  RebindReport Rebind(Node& node) {
    const auto report = TryRebind(node);
    EXPECT_TRUE(report) << node.name() << ": " << report.error().ToString();
    return report ? *report : RebindReport();
  }
  static Status Alter(Node& node, const std::string& name, AckLevel ack) {
    const auto edit = [&](const CollectionSpec& newest) {
      CollectionSpec spec = newest;
      spec.ack = ack;
      return Result<CollectionSpec>(spec);
    };
    NodeContext ctx = node.Context(hours(5));
    return node.db().Alter(ctx, name, edit, Database::AckGiven::kYes);
  }
  // A home with row 1 published and row 2 on its disk only.
  std::unique_ptr<Node> StartHome() {
    auto a = StartNode("a");
    Create(*a, "docs", AckLevel::kLocal);
    Write(*a, "1", 10);
    Flush(*a);
    Write(*a, "2", 20);
    return a;
  }
  // The next manifest that `node` sends stays on the wire, and whether it arrived cannot be read.
  void HoldCommit(Node& node) {
    WhenSending(node, StoreOp::kPut, "/manifest/", [this, &node] {
      Always(node, StoreOp::kPut, "/manifest/", Fate::kLate);
      Always(node, StoreOp::kGet, "/manifest/", Fate::kLose);
      return Fate::kLate;
    });
  }
  // Runs `then` and says whether the node died in it.
  template <class Then>
  static bool Dies(Node& node, const Then& then) {
    try {
      then();
    } catch (const SimCrash&) {
      node.Kill(true);
      return true;
    }
    return false;
  }
};

TEST_F(HomeScenario, APowerCutOfTheHomeLosesNothing) {
  auto a = StartHome();
  a->Kill(true);
  Restart(*a);
  EXPECT_EQ(Rows(*a), "1=10 2=20");
  Write(*a, "3", 30);
  a->Kill(true);
  Restart(*a);
  EXPECT_EQ(Rows(*a), "1=10 2=20 3=30");
  EXPECT_THAT(Keys("/wal/"), IsEmpty());
}

TEST_F(HomeScenario, AHomeStalledBetweenItsReadingAndItsAnswerDoesNotAcknowledge) {
  auto a = StartHome();
  auto b = StartNode("b");
  RunFor(*a, 3 * kConfirm);  // the reading that is known is too old for the next write
  WhenAnswered(*a, StoreOp::kHead, "/manifest/", [&] {
    Rebind(*b);
    RunFor(*b, kWait);
    Write(*b, "3", 30);
  });
  const Status late = TryWrite(*a, "4", 40);
  EXPECT_EQ(late.effect(), Effect::kUnknown) << late.ToString();
  EXPECT_THAT(std::string(late.reason()), AnyOf("home_unconfirmed", "not_the_writer"));
  Flush(*b);
  RunFor(*a, seconds(10));
  EXPECT_EQ(Rows(*a), "1=10 3=30");
  EXPECT_EQ(Rows(*b), "1=10 3=30");
  EXPECT_EQ(a->db().discarded_records(), 2u);
}

TEST_F(HomeScenario, AHomeThatComesBackWithLeftoversUploadsNoneOfThem) {
  auto a = StartHome();
  a->Kill();
  auto b = StartNode("b");
  Rebind(*b);
  RunFor(*b, kWait);
  Write(*b, "2", 21);  // the id that a leftover has
  Restart(*a);
  RunFor(*a, seconds(30));
  EXPECT_EQ(a->db().discarded_records(), 1u);
  Flush(*b);
  NodeContext ctx = a->Context();
  Get(*a)->Read(ctx).value();
  RunFor(*a, seconds(10));
  EXPECT_EQ(Rows(*a), "1=10 2=21");
  EXPECT_EQ(Rows(*b), "1=10 2=21");
  a->Kill(true);
  Restart(*a);
  RunFor(*a, seconds(30));
  EXPECT_EQ(Rows(*a), "1=10 2=21");
  EXPECT_EQ(a->db().discarded_records(), 0u) << "they are said once";
}

TEST_F(HomeScenario, ARebindOnTheWireThatArrivesAfterTheHomesOwnCommitHasNoEffect) {
  auto a = StartHome();
  auto b = StartNode("b");
  Get(*b);
  HoldCommit(*b);
  EXPECT_FALSE(TryRebind(*b));
  Flush(*a);
  EXPECT_EQ(bucket_.DeliverAll(), 0);
  Clear(*b);
  Write(*a, "3", 30);
  EXPECT_EQ(Rebind(*b).previous_node, "a") << "it is done now, and row 2 was published meanwhile";
  EXPECT_EQ(Rows(*b), "1=10 2=20");
}

TEST_F(HomeScenario, ARebindOnTheWireThatArrivesLaterIsWaitedForFromThen) {
  auto a = StartHome();
  auto b = StartNode("b");
  Get(*b);
  HoldCommit(*b);
  EXPECT_FALSE(TryRebind(*b));
  RunFor(*b, seconds(60));
  Write(*a, "3", 30);  // nobody took anything from it yet
  EXPECT_EQ(bucket_.DeliverAll(), 1);
  Clear(*b);
  EXPECT_GT(Rebind(*b).wait, kConfirm);
  EXPECT_EQ(TryWrite(*b, "4", 40).reason(), "home_waiting");
  RunFor(*b, kWait);
  Write(*b, "4", 40);
  EXPECT_FALSE(TryWrite(*a, "5", 50).ok());
  EXPECT_EQ(Rows(*b), "1=10 4=40");
}

TEST_F(HomeScenario, AHomeThatDiesInItsFlushLosesNothing) {
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_LT(nth, 50);
    const std::string name = "c" + std::to_string(nth);
    auto a = StartNode("n" + std::to_string(nth));
    Create(*a, name, AckLevel::kLocal);
    Write(*a, "1", 10, name);
    Write(*a, "2", 20, name);
    DieAtRequest(*a, nth);
    const bool died = Dies(*a, [&] { Flush(*a, name); });
    Clear(*a);
    if (died) Restart(*a);
    EXPECT_EQ(Rows(*a, name), "1=10 2=20");
    if (!died) break;
  }
}

TEST_F(HomeScenario, BindingThatIsInterruptedAtAnyRequestIsDoneOrNot) {
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_LT(nth, 50);
    const std::string name = "c" + std::to_string(nth);
    auto a = StartNode("n" + std::to_string(nth));
    DieAtRequest(*a, nth);
    const bool died = Dies(*a, [&] { Create(*a, name, AckLevel::kLocal); });
    Clear(*a);
    if (!died) break;
    Restart(*a);
    NodeContext ctx = a->Context();
    if (!a->db().Get(ctx, name)) Create(*a, name, AckLevel::kLocal);
    Write(*a, "1", 10, name);
    EXPECT_EQ(Rows(*a, name), "1=10");
  }
}

TEST_F(HomeScenario, ARebindThatIsInterruptedAtAnyRequestIsDoneOrNot) {
  auto a = StartHome();
  a->Kill();
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_LT(nth, 50);
    auto b = StartNode("n" + std::to_string(nth));
    Rows(*b);  // its segments are open, so that the requests of every round are the same
    DieAtRequest(*b, nth);
    const bool died = Dies(*b, [&] { Rebind(*b); });
    Clear(*b);
    if (died) Restart(*b);
    Rebind(*b);
    EXPECT_EQ(TryWrite(*b, "3", nth).reason(), "home_waiting");
    RunFor(*b, kWait);
    Write(*b, "3", nth);
    Flush(*b);
    EXPECT_EQ(Rows(*b), "1=10 3=" + std::to_string(nth));
    if (!died) break;
  }
  Restart(*a);
  RunFor(*a, seconds(30));
  EXPECT_EQ(a->db().discarded_records(), 1u);
}

TEST_F(HomeScenario, BindingLaterThatIsInterruptedAtAnyRequestIsDoneOrNot) {
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_LT(nth, 80);
    const std::string name = "c" + std::to_string(nth);
    auto a = StartNode("n" + std::to_string(nth));
    Create(*a, name);
    Write(*a, "1", 10, name);
    DieAtRequest(*a, nth);
    const bool died = Dies(*a, [&] { EXPECT_TRUE(Alter(*a, name, AckLevel::kLocal).ok()); });
    Clear(*a);
    if (died) Restart(*a);
    EXPECT_EQ(Rows(*a, name), "1=10");
    Write(*a, "2", 20, name);
    a->Kill(true);
    Restart(*a);
    EXPECT_EQ(Rows(*a, name), "1=10 2=20");
    EXPECT_TRUE(Alter(*a, name, AckLevel::kLocal).ok()) << "it is finished, or was";
    EXPECT_EQ(Get(*a, name)->home(), a->name());
    Write(*a, "3", 30, name);
    a->Kill(true);
    Restart(*a);
    EXPECT_EQ(Rows(*a, name), "1=10 2=20 3=30");
    if (!died) break;
  }
}

TEST_F(HomeScenario, AReleaseThatIsInterruptedAtAnyRequestIsDoneOrNot) {
  auto other = StartNode("other");
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_LT(nth, 80);
    const std::string name = "c" + std::to_string(nth);
    auto a = StartNode("n" + std::to_string(nth));
    Create(*a, name, AckLevel::kLocal);
    Write(*a, "1", 10, name);
    Flush(*a, name);
    Write(*a, "1", 11, name);
    Write(*a, "2", 20, name);
    DieAtRequest(*a, nth);
    const bool died = Dies(*a, [&] { EXPECT_TRUE(Alter(*a, name, AckLevel::kObject).ok()); });
    Clear(*a);
    if (died) Restart(*a);
    EXPECT_EQ(Rows(*a, name), "1=11 2=20");
    Write(*a, "3", 30, name);
    EXPECT_TRUE(Alter(*a, name, AckLevel::kObject).ok()) << "it is finished, or was";
    EXPECT_EQ(Get(*a, name)->home(), "");
    Write(*a, "4", 40, name);
    a->Kill(true);
    RunFor(*other, seconds(1));  // a name that is new to it is asked for ten times a second at most
    EXPECT_EQ(Rows(*other, name), "1=11 2=20 3=30 4=40") << "nothing of its disk is needed";
    if (!died) break;
  }
}

TEST_F(HomeScenario, AReleaseOnTheWireThatArrivesAfterTheHomesRestartHasNoEffect) {
  auto a = StartHome();
  Flush(*a);
  HoldCommit(*a);
  EXPECT_FALSE(Alter(*a, "docs", AckLevel::kObject).ok());
  a->Kill();
  Clear(*a);
  Restart(*a);
  Write(*a, "3", 30);
  EXPECT_EQ(bucket_.DeliverAll(), 0);
  EXPECT_EQ(Get(*a)->home(), "a");
  EXPECT_TRUE(Alter(*a, "docs", AckLevel::kObject).ok());
  EXPECT_EQ(Rows(*a), "1=10 2=20 3=30");
}

TEST_F(HomeScenario, ABindingOnTheWireThatArrivesAfterAnotherNodeTookOverHasNoEffect) {
  auto a = StartNode("a");
  Create(*a, "docs");
  Write(*a, "1", 10);
  auto b = StartNode("b");
  Flush(*a);
  HoldCommit(*a);
  EXPECT_FALSE(Alter(*a, "docs", AckLevel::kLocal).ok());
  WriteInSomeTries(*b, "2", 20);
  EXPECT_EQ(bucket_.DeliverAll(), 0);
  Clear(*a);
  WriteInSomeTries(*a, "3", 30);
  EXPECT_EQ(Get(*a)->home(), "");
  EXPECT_EQ(Rows(*a), "1=10 2=20 3=30");
}

TEST_F(HomeScenario, PuttingAsideThatIsInterruptedIsDoneAgain) {
  auto a = StartHome();
  a->Kill();
  auto b = StartNode("b");
  Rebind(*b);
  for (int i = 0; i < 3; ++i) {
    Restart(*a);
    WhenSending(*a, StoreOp::kList, "/manifest/", [&] {
      a->Doom();
      return Fate::kSend;
    });
    EXPECT_TRUE(Dies(*a, [&] { RunFor(*a, seconds(30)); }));
    Clear(*a);
  }
  Restart(*a);
  RunFor(*a, seconds(30));
  EXPECT_EQ(a->db().discarded_records(), 1u);
}

TEST_F(HomeScenario, ADropWhileTheHomeIsAwayEndsTheCollectionForItToo) {
  auto a = StartHome();
  auto b = StartNode("b");
  NodeContext ctx = b->Context();
  ASSERT_TRUE(b->db().Drop(ctx, "docs").ok());
  RunFor(*a, seconds(10));
  EXPECT_FALSE(TryWrite(*a, "3", 30).ok());
  a->Kill();
  Restart(*a);
  Create(*a, "docs", AckLevel::kLocal);
  EXPECT_EQ(Rows(*a), "") << "nothing of the one before";
  EXPECT_EQ(a->db().discarded_records(), 0u);
}

}  // namespace
}  // namespace akidb::sim
