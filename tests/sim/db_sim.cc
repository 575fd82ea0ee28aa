#include "db_sim.h"

#include <algorithm>
#include <functional>

#include "base/log.h"
#include "workload.h"

namespace akidb::sim {

EngineOptions RandomEngineOptions(Dice& dice) {
  EngineOptions options;
  options.data_dir = "/data";
  options.wal_file_bytes = dice.Between(16, 32) << 12;
  options.seal_bytes = dice.Between(2, 24) << 10;
  options.seal_age = std::chrono::seconds(dice.Between(1, 40));
  options.trim_delay = std::chrono::seconds(dice.Between(1, 60));
  options.gc_grace = std::chrono::seconds(dice.Between(5, 120));
  options.gc_interval = std::chrono::seconds(dice.Between(1, 30));
  options.merge_fanout = static_cast<uint32_t>(dice.Between(2, 4));
  options.segment_bytes_max = dice.Between(16, 256) << 10;
  options.merge_deleted_ratio = 0.1 * static_cast<double>(dice.Between(1, 5));
  options.payload_cache_bytes = dice.Between(1, 64) << 10;
  options.column_cache_bytes = options.payload_cache_bytes;
  options.limits.unflushed_bytes_max = dice.Between(48, 512) << 10;
  options.limits.wal_bytes_max = dice.Between(384, 2048) << 10;
  options.retain_versions = static_cast<uint32_t>(dice.Between(1, 5));
  options.retain_age = std::chrono::seconds(dice.Below(60));
  // Some segments are large enough for an index, some are not.
  options.index_rows_min = static_cast<uint32_t>(dice.Between(4, 64));
  options.growing_scans_per_row = 0;  // growing rows too, although few searches come
  return options;
}

namespace {

class DatabaseSim {
 public:
  DatabaseSim(const RunOptions& run, StoreKind store, Lie lie, Weather weather)
      : run_(run),
        store_(store),
        lie_(lie),
        weather_(weather),
        machine_(run.seed),
        workload_(&machine_, run.seed),
        dice_(run.seed, 41),
        probe_dice_(run.seed, 42),
        options_(RandomEngineOptions(dice_)) {
    machine_.world.trace().set_printing(run.trace);
    machine_.model.set_one_log(store != StoreKind::kShared);
    DrawWeather();
    DrawMix();
    machine_.world.set_on_io([this] { MaybeProbe(); });
  }

  RunResult Run() {
    RunResult result;
    try {
      for (uint64_t steps = dice_.Between(80, 320) * mix_length_; steps > 0; --steps) Guarded([this] { Step(); });
      lie_ == Lie::kFlipBits ? FinishWithBitFlips() : Finish();
    } catch (const Violation& violation) {
      result.violation = violation.what;
    }
    process_.reset();
    if (!result.violation && !machine_.world.io_in_destructor().empty()) {
      result.violation = "a destructor does I/O: " + machine_.world.io_in_destructor();
    }
    result.trace_hash = machine_.world.trace().hash();
    result.coverage = machine_.world.coverage();
    result.coverage.Count("io", machine_.world.io_count());
    return result;
  }

 private:
  static constexpr int kActions = 14;

  void DrawWeather() {
    DiskFaults& disk = foul_disk_;
    BucketFaults& bucket = foul_bucket_;
    if (weather_ == Weather::kAny && lie_ == Lie::kNone) {
      const auto maybe = [&](uint32_t* ppm, uint64_t most) {
        if (dice_.Chance(250'000)) *ppm = static_cast<uint32_t>(dice_.Between(1, most));
      };
      maybe(&disk.read_error_ppm, 50'000);
      maybe(&disk.write_error_ppm, 50'000);
      maybe(&disk.short_write_ppm, 50'000);
      maybe(&disk.sync_error_ppm, 100'000);
      maybe(&disk.dir_sync_error_ppm, 50'000);
      if (dice_.Chance(200'000)) disk.capacity_bytes = dice_.Between(256, 1536) << 10;
    }
    if (store_ != StoreKind::kLocalFs && weather_ == Weather::kAny) {
      for (uint32_t* ppm : {&bucket.unavailable_ppm, &bucket.lost_request_ppm, &bucket.lost_answer_ppm,
                            &bucket.late_request_ppm, &bucket.broken_body_ppm, &bucket.slow_ppm}) {
        if (dice_.Coin()) *ppm = static_cast<uint32_t>(dice_.Between(1, 100'000));
      }
      bucket.silence_ppm = SilencePpm(run_.seed);
    }
    // Lies are told in good weather too.
    Lying(&fair_disk_, lie_);
    if (lie_ == Lie::kIgnoreConditions) {
      fair_bucket_.ignore_condition_ppm = 1'000'000;
      bucket.late_request_ppm = 300'000;
      fair_bucket_.late_request_ppm = 1;  // what is under way when its sender dies may still arrive
    }
    if (lie_ == Lie::kForgetObjects) fair_bucket_.forget_ppm = 20'000;
    disk.drop_sync_ppm = fair_disk_.drop_sync_ppm;
    disk.forget_names_ppm = fair_disk_.forget_names_ppm;
    disk.stale_read_ppm = fair_disk_.stale_read_ppm;
    bucket.ignore_condition_ppm = fair_bucket_.ignore_condition_ppm;
    bucket.forget_ppm = fair_bucket_.forget_ppm;
    SetFoul(false);
  }

  // Every seed prefers other actions, so that some runs are all deletes and others all crashes.
  void DrawMix() {
    const uint64_t base[kActions] = {60, 12, 4, 10, 4, 2, 6, 2, 40, 60, 24, 12, 12, 8};
    for (int i = 0; i < kActions; ++i) mix_[i] = base[i] * (dice_.Chance(150'000) ? 0 : dice_.Between(1, 3));
    for (const int needed : {0, 4, 8, 9, 10}) mix_[needed] = std::max(mix_[needed], base[needed]);
    // Conditions only matter when two lives write one name: a request of a dead one arrives after its successor used
    // it.
    if (lie_ == Lie::kIgnoreConditions) {
      mix_[4] = mix_[5] = mix_[10] = 60;
      mix_[12] = 120;
      mix_length_ = 2;
      return;
    }
    // Long lives reach what needs time (a full log file, a trim, a merge of merges), short ones recover often.
    if (dice_.Chance(300'000)) {
      mix_[12] = 1;
      mix_length_ = 4;
    }
  }

  void SetFoul(bool foul) {
    machine_.disk.faults() = foul ? foul_disk_ : fair_disk_;
    machine_.bucket.faults() = foul ? foul_bucket_ : fair_bucket_;
    foul_ = foul;
    workload_.set_faults_on(foul);
  }

  // Runs `body`; when the machine or the process dies in it, lets it die.
  void Guarded(const std::function<void()>& body) {
    try {
      if (process_ == nullptr) Recover();
      body();
      machine_.world.ThrowIfCrashed();
    } catch (const SimCrash&) {
      machine_.world.coverage().Count("crash.scheduled");
      EndLife();
    } catch (const SimDied& died) {
      machine_.world.coverage().Count("crash.died");
      if (machine_.disk.faults_injected() == faults_before_)
        throw Violation{"I4: the process died without a fault: " + died.why};
      EndLife();
    }
  }

  void EndLife() {
    process_.reset();
    machine_.world.CancelCrash();
    workload_.ProcessEnded();
    machine_.model.ProcessEnded();
    if (dice_.Chance(700'000)) {
      machine_.disk.LosePower();
      machine_.world.trace().Line("power lost");
      machine_.world.coverage().Count("crash.power");
    } else {
      machine_.disk.EndProcess();
      machine_.world.trace().Line("process killed");
      machine_.world.coverage().Count("crash.kill");
    }
  }

  CrashPhase RandomPhase() {
    return lie_ == Lie::kIgnoreConditions ? CrashPhase::kMiddle : static_cast<CrashPhase>(dice_.Between(1, 3));
  }

  void Recover() {
    if (failed_opens_ >= 3) SetFoul(false);
    faults_before_ = machine_.disk.faults_injected();
    // Not for ever: a machine that dies in each recovery never gets anywhere.
    if (!finishing_ && crashes_in_recovery_ < 3 && dice_.Chance(300'000))
      machine_.world.ScheduleCrash(dice_.Between(1, 120), RandomPhase());
    machine_.world.trace().Line("open");
    process_ = std::make_unique<Process>(&machine_, store_, options_, dice_.Next());
    ++crashes_in_recovery_;
    const Status status = process_->Open();
    if (!status.ok()) {
      machine_.world.ThrowIfCrashed();
      machine_.world.trace().Line("open: " + status.ToString());
      process_.reset();
      machine_.disk.EndProcess();
      machine_.world.CancelCrash();
      const bool environment = status.code() == StatusCode::kUnavailable ||
                               status.code() == StatusCode::kDeadlineExceeded ||
                               status.code() == StatusCode::kResourceExhausted;
      if (!foul_ || !environment) throw Violation{"I5: recovery refused: " + status.ToString()};
      machine_.world.coverage().Count("recovery.refused");
      ++failed_opens_;
      return Recover();
    }
    const bool foul = foul_;
    SetFoul(false);
    const auto actual = ReadDatabase(*process_);
    if (!actual) machine_.world.ThrowIfCrashed();
    if (!actual) throw Violation{"I5: what was recovered cannot be read: " + actual.error().ToString()};
    machine_.model.Recovered(*actual, machine_.bucket.requests_on_the_wire() != 0, &machine_.world.coverage());
    SetFoul(foul);
    failed_opens_ = 0;
    machine_.world.coverage().Count("recovery");
    if (crashes_in_recovery_ == 2) machine_.world.coverage().Count("recovery.after_double_crash");
    if (crashes_in_recovery_ >= 3) machine_.world.coverage().Count("recovery.after_triple_crash");
    crashes_in_recovery_ = 0;
    segments_.clear();
    last_wal_ = process_->db().wal_stats();
  }

  void Step() {
    uint64_t total = 0;
    for (const uint64_t weight : mix_) total += weight;
    uint64_t draw = dice_.Below(total);
    int action = 0;
    while (draw >= mix_[action]) draw -= mix_[action++];
    switch (action) {
      case 0: workload_.Write(*process_); break;
      case 1: workload_.DeleteIds(*process_); break;
      case 2: workload_.DeleteMatching(*process_); break;
      case 3: workload_.MergePayload(*process_); break;
      case 4: workload_.Create(*process_); break;
      case 5: workload_.Drop(*process_); break;
      case 6: workload_.Flush(*process_); break;
      case 7: workload_.Merge(*process_); break;
      case 8: workload_.Commit(*process_); break;
      case 9: process_->executor().StepOne(dice_); break;
      case 10: PassTime(); break;
      case 11: workload_.Check(*process_); break;
      case 12: Misfortune(); break;
      default: SetFoul(!foul_); break;
    }
    Observe();
  }

  void PassTime() {
    SimClock& clock = machine_.world.clock();
    const auto due = process_->executor().NextDue();
    if (due && *due > clock.Now() && dice_.Coin()) {
      clock.Advance(*due - clock.Now());
    } else {
      clock.Advance(std::chrono::milliseconds(dice_.Between(1, dice_.Chance(200'000) ? 60'000 : 2'000)));
    }
    if (dice_.Chance(weather_ == Weather::kWallClockJumps ? 500'000 : 100'000)) {
      const auto by = std::chrono::minutes(static_cast<int64_t>(dice_.Below(2 * 60 * 24)) - 60 * 24);
      clock.JumpWall(by);
      machine_.world.coverage().Count("clock.jump");
    }
  }

  void Misfortune() {
    switch (dice_.Below(8)) {
      case 0: return Close();
      case 1: return Kill();
      default:
        if (!machine_.world.crash_scheduled()) machine_.world.ScheduleCrash(dice_.Between(1, 60), RandomPhase());
    }
  }

  void Kill() {
    machine_.world.coverage().Count("crash.idle");
    EndLife();
  }

  void Close() {
    OpContext ctx = process_->Context();
    const Status status = process_->db().Close(ctx);
    machine_.world.ThrowIfCrashed();
    machine_.world.trace().Line("close " + status.ToString());
    if (!status.ok()) {
      if (!foul_) throw Violation{"unexpected error of close: " + status.ToString()};
      return Kill();
    }
    machine_.world.coverage().Count("close");
    for (const auto& [name, table] : machine_.model.tables()) {
      if (!table.writes.empty()) machine_.model.Ack(name, table.writes.back().lsn);
    }
    process_.reset();
    machine_.world.CancelCrash();
    workload_.ProcessEnded();
    machine_.model.ProcessEnded();
  }

  // Counts what the engine did behind the scenes since the last look.
  void Observe() {
    if (process_ == nullptr) return;
    Coverage& coverage = machine_.world.coverage();
    const WalStats wal = process_->db().wal_stats();
    if (wal.files > last_wal_.files) coverage.Count("wal.rotation");
    if (wal.live_bytes < last_wal_.live_bytes) coverage.Count("wal.trim");
    coverage.Count("wal.groups", wal.groups_synced - last_wal_.groups_synced);
    last_wal_ = wal;
    for (const auto& collection : process_->db().Loaded()) {
      const CollectionStats stats = collection->stats();
      uint64_t& before = segments_[collection->id()];
      if (stats.segment_count > before) coverage.Count("engine.segment_published");
      if (stats.segment_count < before) coverage.Count("engine.segments_merged");
      before = stats.segment_count;
      if (stats.deleted_rows > 0) coverage.Count("engine.dead_rows_seen");
    }
  }

  // What a crash right now would leave, tried on a copy of the machine.
  void MaybeProbe() {
    if (!probe_dice_.Chance(run_.probe_ppm) || lie_ != Lie::kNone) return;
    const uint64_t seed = probe_dice_.Next();
    Machine copy(machine_, seed);
    copy.disk.faults() = {};
    copy.bucket.faults() = {};
    copy.model.ProcessEnded();
    Dice dice(seed, 43);
    uint64_t crashes = 0;
    const auto end_life = [&] {
      copy.world.CancelCrash();
      ++crashes;
      dice.Chance(800'000) ? copy.disk.LosePower() : copy.disk.EndProcess();
    };
    end_life();
    if (dice.Chance(400'000))
      copy.world.ScheduleCrash(dice.Between(1, 60), static_cast<CrashPhase>(dice.Between(1, 3)));
    try {
      while (true) {
        try {
          Process process(&copy, store_, options_, dice.Next());
          const Status status = process.Open();
          if (!status.ok()) copy.world.ThrowIfCrashed();
          if (!status.ok()) throw Violation{"I5: recovery refused: " + status.ToString()};
          const auto actual = ReadDatabase(process);
          if (!actual) copy.world.ThrowIfCrashed();
          if (!actual) throw Violation{"I5: what was recovered cannot be read: " + actual.error().ToString()};
          copy.model.Recovered(*actual, copy.bucket.requests_on_the_wire() != 0, &copy.world.coverage());
          break;
        } catch (const SimCrash&) {
          end_life();
          if (crashes < 3 && dice.Coin()) copy.world.ScheduleCrash(dice.Between(1, 60), CrashPhase::kMiddle);
        } catch (const SimDied& died) {
          throw Violation{"I4: the process died without a fault: " + died.why};
        }
      }
    } catch (const Violation& violation) {
      throw Violation{"crash before operation " + std::to_string(machine_.world.io_count()) + ": " + violation.what};
    }
    machine_.world.coverage().Add(copy.world.coverage());
    machine_.world.coverage().Count("crash.probed", crashes);
  }

  // Lets virtual minutes pass in which nobody asks for anything.
  void RunBackground(int jumps) {
    for (int i = 0; i < jumps; ++i) {
      Guarded([this] {
        machine_.world.clock().Advance(std::chrono::milliseconds(dice_.Between(50, 6'000)));
        int steps = 0;
        while (process_->executor().StepOne(dice_)) {
          Observe();
          if (++steps > 1000 && lie_ == Lie::kNone) throw Violation{"background work never rests"};
          if (steps > 1000) return;
        }
      });
    }
  }

  // Good weather, everything acknowledged, everything quiet; then closed, killed and compared once more.
  void Finish() {
    SetFoul(false);
    machine_.world.CancelCrash();
    finishing_ = true;
    machine_.world.clock().Advance(std::chrono::minutes(5));
    for (int i = 0; i < 3; ++i) Guarded([this] { workload_.Commit(*process_); });
    Guarded([this] { workload_.Check(*process_); });
    RunBackground(80);
    Guarded([this] { workload_.Check(*process_); });
    Guarded([this] { Close(); });
    Guarded([this] { workload_.Check(*process_); });
    Guarded([this] { Kill(); });
    Guarded([this] { workload_.Check(*process_); });
  }

  // Everything published and closed; then, on copies, one bit flips somewhere. What is read afterwards is an error or
  // exactly what was written.
  void FinishWithBitFlips() {
    finishing_ = true;
    SetFoul(false);
    machine_.world.CancelCrash();
    for (int i = 0; i < 3; ++i) Guarded([this] { workload_.Commit(*process_); });
    Guarded([this] { workload_.Check(*process_); });
    Guarded([this] { Close(); });
    Coverage& coverage = machine_.world.coverage();
    const std::vector<std::string> files = machine_.disk.Files();
    for (int trial = 0; trial < 40; ++trial) {
      const uint64_t seed = dice_.Next();
      Machine copy(machine_, seed);
      const std::string& path = files[dice_.Below(files.size())];
      const uint64_t size = copy.disk.SizeOf(path);
      if (size == 0) continue;
      const uint64_t bit = dice_.Below(size * 8);
      copy.disk.FlipBit(path, bit);
      const std::string where = "with bit " + std::to_string(bit) + " of " + path + " flipped, ";
      Process process(&copy, store_, options_, seed);
      const Status status = process.Open();
      auto actual = status.ok() ? ReadDatabase(process) : std::unexpected(status);
      if (!actual) {
        const StatusCode code = actual.error().code();
        machine_.world.trace().Line(where + actual.error().ToString());
        if (code != StatusCode::kDataLoss && code != StatusCode::kUnavailable &&
            code != StatusCode::kFailedPrecondition) {
          throw Violation{where + "the error is not one of damage: " + actual.error().ToString()};
        }
        coverage.Count("flip.detected");
        continue;
      }
      try {
        copy.model.Recovered(*actual, false, &copy.world.coverage());
      } catch (const Violation& violation) {
        throw Violation{where + violation.what};
      }
      coverage.Count("flip.harmless");
    }
  }

  const RunOptions run_;
  const StoreKind store_;
  const Lie lie_;
  const Weather weather_;
  Machine machine_;
  Workload workload_;
  Dice dice_;
  Dice probe_dice_;
  EngineOptions options_;
  DiskFaults fair_disk_;
  DiskFaults foul_disk_;
  BucketFaults fair_bucket_;
  BucketFaults foul_bucket_;
  bool foul_ = false;
  uint64_t mix_[kActions] = {};
  uint64_t mix_length_ = 1;
  uint64_t faults_before_ = 0;
  int failed_opens_ = 0;
  int crashes_in_recovery_ = 0;  // tries to recover since the last that succeeded
  bool finishing_ = false;
  WalStats last_wal_;
  std::map<CollectionId, uint64_t> segments_;
  std::unique_ptr<Process> process_;
};

}  // namespace

RunResult RunDatabase(const RunOptions& options, StoreKind store, Lie lie, Weather weather) {
  SetLogSink([&](std::string_view line) {
    if (options.trace) std::printf("log %.*s\n", static_cast<int>(line.size()), line.data());
  });
  RunResult result = DatabaseSim(options, store, lie, weather).Run();
  SetLogSink({});
  return result;
}

}  // namespace akidb::sim
