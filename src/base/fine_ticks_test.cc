#include "base/fine_ticks.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "base/manual_clock_testing.h"

namespace akidb {
namespace {

using std::chrono::steady_clock;

bool Becomes(const std::function<bool()>& true_in_time) {
  const auto end = steady_clock::now() + std::chrono::seconds(20);
  while (!true_in_time()) {
    if (steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// Whether there is none for as long as many would take.
bool Rest(const FineTicks& ticks) {
  const uint64_t before = ticks.count();
  const auto end = steady_clock::now() + std::chrono::milliseconds(50);
  while (steady_clock::now() < end) {
    if (ticks.count() != before) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(FineTicksTest, TickWhileRequestsComeBesideWorkAndEndWithIt) {
  FineTicks ticks;
  if (std::thread::hardware_concurrency() > 8) {
    FineTicks::Work work(ticks);
    ticks.NoteRequest();
    EXPECT_EQ(ticks.count(), 0u) << "with many processors there is one for who wakes up";
    return;
  }
  ticks.NoteRequest();
  EXPECT_EQ(ticks.count(), 0u) << "requests alone need none";
  std::optional<FineTicks::Work> work(ticks);
  EXPECT_EQ(ticks.count(), 0u) << "nor does work alone";
  for (uint64_t until = 10; until <= 100; until += 10) {
    EXPECT_TRUE(Becomes([&] {
      ticks.NoteRequest();
      return ticks.count() >= until;
    }));
  }
  work.reset();
  EXPECT_TRUE(Becomes([&] { return Rest(ticks); })) << "they ended";
  const uint64_t before = ticks.count();
  work.emplace(ticks);
  EXPECT_TRUE(Becomes([&] {
    ticks.NoteRequest();
    return ticks.count() > before;
  })) << "and begin again";
}

TEST(FineTicksTest, LeaveWorkAloneThatEndsSoonAndDoesNotGoOn) {
  ManualClock clock;
  FineTicks ticks(clock);
  const auto work_and_pause = [&](std::chrono::milliseconds pause) {
    for (int i = 0; i < 1000; ++i) {
      {
        const FineTicks::Work work(ticks);
        ticks.NoteRequest();
        clock.Advance(std::chrono::milliseconds(1));
        ticks.NoteRequest();
      }
      clock.Advance(pause);
    }
  };
  work_and_pause(std::chrono::milliseconds(20));
  EXPECT_TRUE(Rest(ticks));
  EXPECT_EQ(ticks.count(), 0u);
  const auto tick = [&] {
    const uint64_t before = ticks.count();
    return std::thread::hardware_concurrency() > 8 || Becomes([&] { return ticks.count() > before; });
  };
  work_and_pause(std::chrono::milliseconds(4));
  EXPECT_TRUE(tick()) << "work that ends soon but goes on soon";
  clock.Advance(std::chrono::seconds(10));
  EXPECT_TRUE(Becomes([&] { return Rest(ticks); }));
  const FineTicks::Work work(ticks);
  clock.Advance(std::chrono::milliseconds(2));
  ticks.NoteRequest();
  EXPECT_TRUE(tick());
}

TEST(FineTicksTest, AreEndedInTheirSleepAndInTheMiddle) {
  ManualClock clock;  // by which they would never end
  FineTicks asleep;
  FineTicks ticks(clock);
  FineTicks::Work work(ticks);
  clock.Advance(std::chrono::seconds(1));
  ticks.NoteRequest();
  EXPECT_TRUE(std::thread::hardware_concurrency() > 8 || Becomes([&] { return ticks.count() > 0; }));
}

}  // namespace
}  // namespace akidb
