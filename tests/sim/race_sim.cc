#include "race_sim.h"

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "fiber.h"
#include "format/object_keys.h"
#include "manifest/manifest_committer.h"
#include "model.h"
#include "wire.h"

namespace akidb::sim {

namespace {

constexpr CollectionId kCollection(1);
constexpr int kVersions = 500;

// Counts who sends which version, and sees a second winner.
class Referee final : public BucketWatcher {
 public:
  explicit Referee(bool store_lies) : store_lies_(store_lies) {}
  void Putting(const std::string& key, const std::string* old, const std::string& /*body*/) override {
    if (old != nullptr && !store_lies_) throw Violation{"I6: two committers won " + key};
    ++versions;
  }
  void Deleting(const std::string& /*key*/, const std::string& /*old*/) override {}

  uint64_t versions = 0;

 private:
  bool store_lies_;
};

// One committer, which adds one to a counter of its own in the manifest, again and again.
struct Racer {
  std::unique_ptr<Wire> wire;
  std::unique_ptr<ManifestCommitter> committer;
  std::unique_ptr<Fiber> fiber;
  uint64_t count = 0;  // known to be committed
  bool open = false;   // whether one more is, is not known
};

class RaceSim {
 public:
  RaceSim(const RunOptions& run, Lie lie)
      : world_(run.seed), bucket_(world_, 12), referee_(lie != Lie::kNone), dice_(run.seed, 101) {
    world_.trace().set_printing(run.trace);
    bucket_.set_watcher(&referee_);
    env_.clock = &world_.clock();
    env_.random = &dice_;
    // A run in three meets no faults: the bare race.
    if (!dice_.Chance(333'333)) {
      hasty_ = dice_.Coin();
      for (uint32_t* ppm : {&faults_.unavailable_ppm, &faults_.lost_request_ppm, &faults_.lost_answer_ppm,
                            &faults_.late_request_ppm, &faults_.twice_ppm, &faults_.broken_body_ppm}) {
        if (dice_.Coin()) *ppm = static_cast<uint32_t>(dice_.Between(1, 150'000));
      }
    }
    if (lie == Lie::kIgnoreConditions) faults_.ignore_condition_ppm = 1'000'000;
    const uint64_t racers = dice_.Between(2, 5);
    for (uint64_t i = 0; i < racers; ++i) AddRacer(i);
  }

  RunResult Run() {
    RunResult result;
    try {
      CreateChain();
      bucket_.faults() = faults_;
      while (referee_.versions < kVersions && !violation_) StepAny();
      bucket_.faults() = {};
      ending_ = true;
      for (const auto& racer : racers_) {
        while (!racer->fiber->done()) racer->fiber->Resume();
      }
      if (violation_) throw Violation{*violation_};
      Compare();
    } catch (const Violation& violation) {
      result.violation = violation.what;
      ending_ = true;
      for (const auto& racer : racers_) {
        while (!racer->fiber->done()) racer->fiber->Resume();
      }
    }
    for (const auto& [key, senders] : senders_) {
      if (senders.size() > 1) world_.coverage().Count("race.versions");
      world_.coverage().Count("race.attempts", senders.size());
    }
    result.trace_hash = world_.trace().hash();
    result.coverage = world_.coverage();
    return result;
  }

 private:
  void AddRacer(uint64_t number) {
    auto racer = std::make_unique<Racer>();
    Racer* const raw = racer.get();
    racer->wire = std::make_unique<Wire>(bucket_, std::make_shared<Life>());
    racer->wire->set_outbound([this, number](const WireRequest& request) {
      if (request.op == StoreOp::kPut) senders_[request.key].insert(number);
      if (Fiber::Inside()) Fiber::Yield();
      return Fate::kSend;
    });
    racer->wire->set_inbound([](const WireRequest&) {
      if (Fiber::Inside()) Fiber::Yield();
    });
    racer->committer = std::make_unique<ManifestCommitter>(*racer->wire, env_, kCollection);
    racer->fiber = std::make_unique<Fiber>([this, raw, number] {
      try {
        OpContext ctx(world_.clock());
        while (!raw->committer->Load(ctx).ok()) {
        }
        while (!ending_) Increment(raw, number);
        // What is open is settled by going on.
        while (raw->open && !violation_) Increment(raw, number);
      } catch (const Violation& violation) {
        violation_ = violation.what;
      }
    });
    racers_.push_back(std::move(racer));
  }

  void CreateChain() {
    OpContext ctx(world_.clock());
    Manifest first;
    first.epoch = Epoch(1);
    first.open_epochs.push_back({Epoch(1), "n", Lsn(0), WalSequence(0)});
    first.spec.name = "raced";
    first.spec.dim = 2;
    ManifestCommitter creator(*racers_.front()->wire, env_, kCollection);
    const Status created = creator.CreateFirst(ctx, first);
    if (!created.ok()) throw Violation{"the chain does not begin: " + created.ToString()};
  }

  static uint64_t CountIn(const Manifest& manifest, uint64_t number) {
    for (const PinEntry& pin : manifest.pins) {
      const std::string prefix = "r" + std::to_string(number) + ".";
      if (pin.name.starts_with(prefix)) return std::stoull(pin.name.substr(prefix.size()));
    }
    return 0;
  }

  void Increment(Racer* racer, uint64_t number) {
    const uint64_t wanted = racer->count + 1;
    const bool was_open = racer->open;
    OpContext ctx(world_.clock());
    if (hasty_) ctx.set_timeout(std::chrono::milliseconds(dice_.Between(10, 400)));
    const auto head = racer->committer->Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
      const uint64_t count = CountIn(*manifest, number);
      if (count == wanted && racer->open) return ManifestCommitter::Edited::kAlreadyThere;
      if (count != racer->count) {
        throw Violation{"a change of committer " + std::to_string(number) + " was lost or doubled: it stands at " +
                        std::to_string(count) + ", and at " + std::to_string(racer->count) + " by its answers"};
      }
      const std::string name = "r" + std::to_string(number) + ".";
      std::erase_if(manifest->pins, [&](const PinEntry& pin) { return pin.name.starts_with(name); });
      manifest->pins.push_back({"hold", name + std::to_string(wanted), manifest->version, "2026-01-01T00:00:00.000Z"});
      racer->open = true;
      return ManifestCommitter::Edited::kChanged;
    });
    if (head) {
      racer->count = wanted;
      racer->open = false;
      world_.coverage().Count("race.commits");
    } else if (head.error().effect() == Effect::kUnknown) {
      world_.coverage().Count("race.unknown");
    } else {
      racer->open = was_open;
      world_.coverage().Count("race.refused");
    }
  }

  void StepAny() {
    world_.clock().Advance(std::chrono::milliseconds(dice_.Below(20)));
    racers_[dice_.Below(racers_.size())]->fiber->Resume();
  }

  // Every version is somebody's commit, and nobody's twice.
  void Compare() {
    OpContext ctx(world_.clock());
    ManifestCommitter reader(*racers_.front()->wire, env_, kCollection);
    const Status loaded = reader.Load(ctx);
    if (!loaded.ok()) throw Violation{"the chain cannot be read: " + loaded.ToString()};
    uint64_t commits = 0;
    for (uint64_t number = 0; number < racers_.size(); ++number) {
      const uint64_t count = CountIn(reader.head()->manifest, number);
      if (count != racers_[number]->count) {
        throw Violation{"committer " + std::to_string(number) + " was told of " +
                        std::to_string(racers_[number]->count) + " commits, the chain has " + std::to_string(count)};
      }
      commits += count;
    }
    if (commits + 1 != reader.head()->manifest.version.value()) {
      throw Violation{"the chain has " + std::to_string(reader.head()->manifest.version.value()) + " versions for " +
                      std::to_string(commits) + " commits"};
    }
  }

  World world_;
  SimBucket bucket_;
  Referee referee_;
  Dice dice_;
  Environment env_;
  BucketFaults faults_;
  std::vector<std::unique_ptr<Racer>> racers_;
  std::map<std::string, std::set<uint64_t>> senders_;
  std::optional<std::string> violation_;
  bool hasty_ = false;  // commits give up before they know
  bool ending_ = false;
};

}  // namespace

RunResult RunRaces(const RunOptions& options, Lie lie) { return RaceSim(options, lie).Run(); }

}  // namespace akidb::sim
