#include "cli/bench_schedule.h"

#include <gtest/gtest.h>

namespace akidb {
namespace {

using std::chrono::milliseconds;

class SteppedClock final : public Clock {
 public:
  MonotonicTime Now() override { return now; }
  WallTime WallNow() override { return {}; }
  MonotonicTime now{milliseconds(1000)};
};

TEST(BenchScheduleTest, SendsAtOnceWithoutARate) {
  SteppedClock clock;
  BenchSchedule schedule(2, 0, clock);
  EXPECT_EQ(schedule.Take()->due, clock.now);
  clock.now += milliseconds(70);
  const auto second = schedule.Take();
  EXPECT_EQ(second->number, 1u);
  EXPECT_EQ(second->due, clock.now);
  EXPECT_FALSE(schedule.Take());
}

TEST(BenchScheduleTest, KeepsToItsInstantsHoweverLateTheOthersAre) {
  SteppedClock clock;
  BenchSchedule schedule(1000, 50, clock);
  const MonotonicTime start = clock.now;
  EXPECT_EQ(schedule.Take()->due, start);
  clock.now += milliseconds(500);  // the server stood still
  EXPECT_EQ(schedule.Take()->due, start + milliseconds(20));
  EXPECT_EQ(schedule.Take()->due, start + milliseconds(40));
}

TEST(BenchScheduleTest, EndsWhenStopped) {
  SteppedClock clock;
  BenchSchedule schedule(1000, 0, clock);
  EXPECT_TRUE(schedule.Take());
  schedule.Stop();
  EXPECT_FALSE(schedule.Take());
}

}  // namespace
}  // namespace akidb
