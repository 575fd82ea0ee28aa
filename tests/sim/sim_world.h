// The ground of a simulated run: virtual clocks, seeded dice, the trace, and the point at which the machine loses
// power. Everything that happens in a run follows from its seed, so that one command replays it.
//
// Threads: one; the whole simulation is single-threaded.
// Errors:  SimCrash is thrown by a device when the scheduled crash is reached, SimDied by Environment::die. Neither
//          derives from std::exception, so that no handler for library errors swallows them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"

namespace akidb::sim {

// The machine lost power, or the process was killed, in the middle of whatever it did.
struct SimCrash {};
// The process ended itself (I4).
struct SimDied {
  std::string why;
};

class SimClock final : public Clock {
 public:
  MonotonicTime Now() override { return MonotonicTime(now_); }
  WallTime WallNow() override { return WallTime(now_ + wall_offset_); }
  void Advance(Duration by) { now_ += by; }
  void JumpWall(Duration by) { wall_offset_ += by; }

 private:
  Duration now_ = std::chrono::hours(1);
  Duration wall_offset_ = std::chrono::hours(24 * 365 * 56);
};

// A copyable random stream (SplitMix64); each part of a run has its own, so that a change in one leaves the others
// alone.
class Dice final : public Random {
 public:
  Dice(uint64_t seed, uint64_t stream) : state_((seed + 1) * 0xD1342543DE82EF95 ^ (stream + 1) * 0x2545F4914F6CDD1D) {
    Next();
  }
  uint64_t Next() override {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  // True in `ppm` of a million throws. Draws nothing when the answer is certain.
  bool Chance(uint32_t ppm) { return ppm != 0 && (ppm >= 1'000'000 || Below(1'000'000) < ppm); }
  bool Coin() { return (Next() & 1) != 0; }
  // Uniform in [low, high].
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }

 private:
  uint64_t state_;
};

// What happened, as a hash always and as lines on request.
class Trace {
 public:
  void Line(std::string_view text);
  uint64_t hash() const { return hash_; }
  void set_printing(bool printing) { printing_ = printing; }
  bool printing() const { return printing_; }

 private:
  uint64_t hash_ = 0;
  bool printing_ = false;
};

// Named counters of what a run reached.
class Coverage {
 public:
  void Count(std::string_view what, uint64_t by = 1) {
    auto it = counts_.find(what);
    if (it == counts_.end()) it = counts_.emplace(what, 0).first;
    it->second += by;
  }
  uint64_t Of(std::string_view what) const {
    const auto it = counts_.find(what);
    return it == counts_.end() ? 0 : it->second;
  }
  void Add(const Coverage& other) {
    for (const auto& [what, n] : other.counts_) Count(what, n);
  }
  const std::map<std::string, uint64_t, std::less<>>& counts() const { return counts_; }

 private:
  std::map<std::string, uint64_t, std::less<>> counts_;
};

// One life of the simulated process. Devices refuse a dead one, whatever handles it still holds.
struct Life {
  bool alive = true;
  // Set while what is left of a dead process is torn down: nothing may touch a device any more, and nothing throws.
  bool torn_down = false;
};

// The one operation that destructors may do; it never throws.
inline constexpr std::string_view kRemove = "remove";

// When, relative to the operation that reaches it, a crash strikes.
enum class CrashPhase : uint8_t { kNone, kBefore, kMiddle, kAfter };

class World {
 public:
  explicit World(uint64_t seed) : seed_(seed) {}

  uint64_t seed() const { return seed_; }
  SimClock& clock() { return clock_; }
  const SimClock& clock() const { return clock_; }
  Trace& trace() { return trace_; }
  Coverage& coverage() { return coverage_; }
  uint64_t io_count() const { return io_count_; }

  // Schedules a crash `operations` device operations from now.
  void ScheduleCrash(uint64_t operations, CrashPhase phase);
  // No crash is scheduled any more, and one that struck is over.
  void CancelCrash() {
    crash_at_ = 0;
    crashed_ = false;
  }
  // Call before judging an error: it may be the echo of a crash that could not throw.
  void ThrowIfCrashed() const {
    if (crashed_) throw SimCrash{};
  }
  bool crash_scheduled() const { return crash_at_ != 0; }
  // Runs before every device operation of a living process.
  void set_on_io(std::function<void()> on_io) { on_io_ = std::move(on_io); }

  // Called by devices at the start of each operation. A dead life gets SimCrash again, or, from destructors, an error;
  // a crash scheduled before this operation is thrown here. The returned phase is the device's to act on: it throws
  // through CrashNow in the middle or after the effect.
  Result<CrashPhase> BeginIo(Life& life, std::string_view what, std::string_view where);
  [[noreturn]] void CrashNow(Life& life);
  // The crash strikes, but this call returns: for an operation that a destructor may do (removing a temporary file).
  // The next one throws.
  void CrashSoon(Life& life);
  // The first operation that a destructor tried; empty if, as it should be, none did.
  const std::string& io_in_destructor() const { return io_in_destructor_; }

 private:
  uint64_t seed_;
  SimClock clock_;
  Trace trace_;
  Coverage coverage_;
  uint64_t io_count_ = 0;
  uint64_t crash_at_ = 0;
  CrashPhase crash_phase_ = CrashPhase::kNone;
  bool crashed_ = false;
  std::function<void()> on_io_;
  std::string io_in_destructor_;
};

}  // namespace akidb::sim
