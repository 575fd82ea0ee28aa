// Crashes the log at every single disk operation, then again at every operation of the recovery, and checks I1 and I5.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <utility>

#include "wal/wal_testing.h"

namespace akidb {
namespace {

enum class Survival : uint8_t { kNothing, kEverything, kRandom };
constexpr std::array kSurvivals = {Survival::kNothing, Survival::kEverything, Survival::kRandom};

std::function<bool()> Keep(Survival survival, Random& random) {
  return [survival, &random] {
    return survival == Survival::kEverything || (survival == Survival::kRandom && random.Below(2) == 1);
  };
}

// Throws at the n-th operation from now.
void CrashAt(WalFixture& f, int n) {
  f.disk->before_op = [left = n](DiskOp, const std::string&) mutable -> Status {
    if (left-- == 0) throw Crashed{};
    return OkStatus();
  };
}

// What the log was asked to keep, and what may be gone.
struct Model {
  std::map<Lsn, std::string> appended;  // by the latest append of the LSN
  Lsn durable;
  Lsn trimmed;

  void Append(WalFixture& f, size_t size) {
    const std::string body = std::to_string(next_body++) + std::string(size, 'b');
    const Lsn lsn = f.MustAppend(body);
    appended[lsn] = body;
  }
  void Observe(WalFixture& f) {
    if (f.wal) durable = std::max(durable, f.wal->durable_lsn());
  }
  // What is wrong with the log as it was just recovered; empty if nothing.
  std::string Check(const WalFixture& f) {
    const auto at = [](std::string_view what, Lsn lsn) {
      return std::string(what) + " LSN " + std::to_string(lsn.value());
    };
    Lsn previous;
    for (const auto& [lsn, body] : f.replayed) {
      const auto known = appended.find(lsn);
      if (known == appended.end() || known->second != body) return at("never written so:", lsn);
      if (previous > Lsn(0) && lsn != previous.Next()) return at("hole or disorder before", lsn);
      previous = lsn;
    }
    for (const auto& [lsn, body] : appended) {
      if (lsn <= trimmed || lsn > durable) continue;
      if (f.replayed.empty() || lsn < f.replayed.front().first || lsn > f.replayed.back().first) return at("lost", lsn);
    }
    const Lsn next = f.wal->stats().next;
    if (next <= durable) return at("given out again:", next);
    // What did not survive was never promised; its LSNs are given out again.
    appended.erase(appended.lower_bound(next), appended.end());
    durable = f.wal->durable_lsn();
    return "";
  }

  int next_body = 0;
};

// Groups of one and of many records, several files, recycling, preparing ahead, and a restart.
void Work(WalFixture& f, Model& model) {
  const auto commit = [&] {
    f.CommitAll();
    model.Observe(f);
  };
  for (int i = 0; i < 3; ++i) model.Append(f, 10);
  commit();
  model.Append(f, 9000);
  commit();
  for (int i = 0; i < 3; ++i) model.Append(f, 25000);  // over the end of a file, two groups
  commit();
  ASSERT_TRUE(f.wal->PrepareStep(f.ctx));
  model.trimmed = Lsn(4);
  ASSERT_TRUE(f.wal->TrimTo(f.ctx, model.trimmed).ok());
  for (int i = 0; i < 4; ++i) model.Append(f, 30000);
  commit();
  model.trimmed = Lsn(9);
  ASSERT_TRUE(f.wal->TrimTo(f.ctx, model.trimmed).ok());
  model.Append(f, 10);
  commit();
}

// Runs `body` and says whether it was stopped by the planned crash.
bool Crashes(const std::function<void()>& body) {
  try {
    body();
    return false;
  } catch (const Crashed&) {
    return true;
  }
}

// Opens, works, and crashes at operation `at`; false if the work was done before that.
bool FirstLife(WalFixture& f, Model& model, int at, Survival survival) {
  CrashAt(f, at);
  const bool crashed = Crashes([&] {
    ASSERT_TRUE(f.Open().ok());
    Work(f, model);
  });
  model.Observe(f);
  f.Crash(Keep(survival, *f.random));
  return crashed;
}

TEST(WalCrashTest, KeepsEveryAcknowledgedRecordOverACrashAtAnyOperation) {
  int crashes = 0;
  for (const Survival survival : kSurvivals) {
    bool crashed = true;
    for (int at = 0; crashed; ++at) {
      WalFixture f;
      f.random = NewSeededRandom(at);
      Model model;
      crashed = FirstLife(f, model, at, survival);
      const std::string where = "crash at operation " + std::to_string(at);
      ASSERT_TRUE(f.Open().ok()) << where;
      ASSERT_EQ(model.Check(f), "") << where;
      ++crashes;
    }
  }
  EXPECT_GT(crashes, 100);
}

TEST(WalCrashTest, KeepsEveryAcknowledgedRecordOverACrashInTheRecoveryAndOneInTheNext) {
  int crashes = 0;
  for (const Survival survival : kSurvivals) {
    bool first_crashed = true;
    for (int at = 0; first_crashed; ++at) {
      bool second_crashed = true;
      for (int second = 0; second_crashed; ++second) {
        WalFixture f;
        f.random = NewSeededRandom(static_cast<uint64_t>(at) * 1000 + static_cast<uint64_t>(second));
        Model model;
        first_crashed = FirstLife(f, model, at, survival);
        // Two recoveries die at the same step, the third has to make it.
        for (int life = 0; life < 2; ++life) {
          CrashAt(f, second);
          second_crashed = Crashes([&] { ASSERT_TRUE(f.Open().ok()); });
          model.Observe(f);
          f.Crash(Keep(static_cast<Survival>((at + second + life) % 3), *f.random));
        }
        const std::string where = "crash at operation " + std::to_string(at) + ", then " + std::to_string(second);
        const Status opened = f.Open();
        ASSERT_TRUE(opened.ok()) << where << opened.ToString();
        ASSERT_EQ(model.Check(f), "") << where;
        ++crashes;
      }
    }
  }
  EXPECT_GT(crashes, 1000);
}

TEST(WalCrashTest, KeepsItsPromisesOverManyLivesOnOneDisk) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    WalFixture f;
    f.random = NewSeededRandom(seed);
    Model model;
    for (int life = 0; life < 12; ++life) {
      CrashAt(f, static_cast<int>(f.random->Below(40)));
      Crashes([&] {
        ASSERT_TRUE(f.Open().ok());
        while (true) {
          model.Append(f, f.random->Below(20000));
          if (f.random->Below(2) == 0) f.wal->CommitStep(f.ctx);
          model.Observe(f);
          if (f.random->Below(4) == 0) ASSERT_TRUE(f.wal->PrepareStep(f.ctx));
          if (f.random->Below(6) == 0) {
            model.trimmed = std::max(model.trimmed, Lsn(f.random->Below(model.durable.value() + 1)));
            ASSERT_TRUE(f.wal->TrimTo(f.ctx, model.trimmed).ok());
          }
        }
      });
      model.Observe(f);
      f.Crash(Keep(static_cast<Survival>(f.random->Below(3)), *f.random));
      const std::string where = "seed " + std::to_string(seed) + " life " + std::to_string(life);
      ASSERT_TRUE(f.Open().ok()) << where;
      ASSERT_EQ(model.Check(f), "") << where;
      f.wal.reset();
    }
  }
}

// The checks above can fail.
TEST(WalCrashTest, TheModelSeesADiskThatDropsSyncs) {
  for (const DiskOp dropped : {DiskOp::kSync, DiskOp::kSyncDir}) {
    WalFixture f;
    f.disk->dropped_op = dropped;
    Model model;
    ASSERT_TRUE(f.Open().ok());
    Work(f, model);
    f.Crash([] { return false; });
    f.disk->dropped_op.reset();
    EXPECT_TRUE(!f.Open().ok() || !model.Check(f).empty());
  }
}

}  // namespace
}  // namespace akidb
