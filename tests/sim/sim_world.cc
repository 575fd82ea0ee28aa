#include "sim_world.h"

#include <cstdio>
#include <exception>

#include "base/hash.h"

namespace akidb::sim {

void Trace::Line(std::string_view text) {
  hash_ = Xxh3(text, hash_);
  if (printing_) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fputc('\n', stdout);
  }
}

void World::ScheduleCrash(uint64_t operations, CrashPhase phase) {
  crash_at_ = io_count_ + operations;
  crash_phase_ = phase;
}

Result<CrashPhase> World::BeginIo(Life& life, std::string_view what, std::string_view where) {
  const bool may_throw = what != kRemove;
  if (!life.alive && !may_throw) return std::unexpected(Unavailable("the simulated process is dead"));
  if (!life.alive) {
    if (!life.torn_down && std::uncaught_exceptions() == 0) throw SimCrash{};
    if (io_in_destructor_.empty()) io_in_destructor_ = std::string(what) + " " + std::string(where);
    return std::unexpected(Unavailable("the simulated process is dead"));
  }
  ++io_count_;
  coverage_.Count("io." + std::string(what));
  if (on_io_) on_io_();
  std::string line = std::to_string(io_count_);
  line.append(" ").append(what).append(" ").append(where);
  trace_.Line(line);
  if (io_count_ != crash_at_) return CrashPhase::kNone;
  crash_at_ = 0;
  if (crash_phase_ == CrashPhase::kBefore && !may_throw) {
    CrashSoon(life);
    return std::unexpected(Unavailable("the simulated process is dead"));
  }
  if (crash_phase_ == CrashPhase::kBefore) CrashNow(life);
  return crash_phase_;
}

void World::CrashSoon(Life& life) {
  life.alive = false;
  crashed_ = true;
  trace_.Line("crash");
}

void World::CrashNow(Life& life) {
  CrashSoon(life);
  throw SimCrash{};
}

}  // namespace akidb::sim
