#include "base/context.h"
#include "base/manual_clock_testing.h"

#include <gtest/gtest.h>

namespace akidb {
namespace {

TEST(OpContextTest, DeadlinePassesAtItsInstant) {
  ManualClock clock;
  OpContext ctx(clock);
  EXPECT_TRUE(ctx.Check().ok());
  ctx.set_timeout(Duration(10));
  clock.Advance(Duration(9));
  EXPECT_TRUE(ctx.Check().ok());
  clock.Advance(Duration(1));
  EXPECT_EQ(ctx.Check().code(), StatusCode::kDeadlineExceeded);
}

TEST(OpContextTest, CancelWinsOverTheDeadline) {
  OpContext ctx(RealClock());
  ctx.set_timeout(Duration(0));
  ctx.Cancel();
  EXPECT_EQ(ctx.Check().code(), StatusCode::kCancelled);
}

TEST(OpGroupTest, CancelEndsWhoIsUnderWayAndWhoBeginsLaterButNobodyWhoLeft) {
  OpContext left(RealClock());
  OpContext under_way(RealClock());
  OpContext later(RealClock());
  OpGroup group;
  {
    const OpGroup::Member member(group, left);
  }
  const OpGroup::Member first(group, under_way);
  EXPECT_TRUE(under_way.Check().ok());
  group.Cancel();
  const OpGroup::Member second(group, later);
  EXPECT_TRUE(left.Check().ok());
  EXPECT_EQ(under_way.Check().code(), StatusCode::kCancelled);
  EXPECT_EQ(later.Check().code(), StatusCode::kCancelled);
}

TEST(OpContextTest, ReadsAskTheStoreItselfForAWhile) {
  OpContext ctx(RealClock());
  EXPECT_EQ(ctx.read_source(), ReadSource::kAny);
  {
    const ReadFromStore proof(ctx);
    EXPECT_EQ(ctx.read_source(), ReadSource::kStore);
  }
  EXPECT_EQ(ctx.read_source(), ReadSource::kAny);
}

TEST(ClockTest, FormatsRfc3339InUtcWithMilliseconds) {
  using std::chrono::milliseconds;
  EXPECT_EQ(FormatRfc3339(WallTime(milliseconds(1763863457123))), "2025-11-23T02:04:17.123Z");
  EXPECT_EQ(FormatRfc3339(WallTime(milliseconds(-1))), "1969-12-31T23:59:59.999Z");
}

TEST(ClockTest, RealTimeDoesNotRunBackwards) {
  const MonotonicTime first = RealClock().Now();
  EXPECT_GE(RealClock().Now(), first);
}

}  // namespace
}  // namespace akidb
