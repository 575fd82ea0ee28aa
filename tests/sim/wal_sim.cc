#include "wal_sim.h"

#include <deque>
#include <functional>

#include "model.h"
#include "sim_disk.h"
#include "wal/wal.h"

namespace akidb::sim {

namespace {

constexpr char kLogDir[] = "/wal";

struct Record {
  uint64_t lsn;
  uint64_t collection;
  WalRecordType type;
  std::string body;

  bool operator==(const Record&) const = default;
};

class WalSim {
 public:
  WalSim(const RunOptions& run, Lie lie) : world_(run.seed), disk_(world_, 11), dice_(run.seed, 51) {
    world_.trace().set_printing(run.trace);
    Lying(&fair_, lie);
    foul_ = fair_;
    options_.dir = kLogDir;
    options_.file_bytes = dice_.Between(16, 24) << 12;
    options_.spare_files_max = static_cast<uint32_t>(dice_.Between(1, 4));
    options_.wal_bytes_max = options_.file_bytes * dice_.Between(3, 10);
    if (dice_.Chance(300'000)) foul_.sync_error_ppm = static_cast<uint32_t>(dice_.Between(1, 20'000));
    if (dice_.Chance(300'000)) foul_.short_write_ppm = static_cast<uint32_t>(dice_.Between(1, 20'000));
    if (dice_.Chance(300'000)) foul_.dir_sync_error_ppm = static_cast<uint32_t>(dice_.Between(1, 20'000));
    if (dice_.Chance(300'000)) foul_.read_error_ppm = static_cast<uint32_t>(dice_.Between(1, 50'000));
    if (dice_.Chance(300'000)) foul_.capacity_bytes = options_.file_bytes * dice_.Between(2, 8);
  }

  RunResult Run() {
    RunResult result;
    try {
      for (uint64_t steps = dice_.Between(100, 400); steps > 0; --steps) Guarded([this] { Step(); });
      disk_.faults() = fair_;
      world_.CancelCrash();
      crashes_in_recovery_ = 3;
      for (int i = 0; i < 2; ++i) {
        Guarded([this] {
          OpContext ctx(world_.clock());
          while (wal_->CommitStep(ctx)) {
          }
        });
        EndLife();
        crashes_in_recovery_ = 3;
        Guarded([] {});
      }
    } catch (const Violation& violation) {
      result.violation = violation.what;
    }
    TearDown();
    if (!result.violation && !world_.io_in_destructor().empty()) {
      result.violation = "a destructor does I/O: " + world_.io_in_destructor();
    }
    result.trace_hash = world_.trace().hash();
    result.coverage = world_.coverage();
    return result;
  }

 private:
  void Guarded(const std::function<void()>& body) {
    try {
      if (wal_ == nullptr) Recover();
      body();
      world_.ThrowIfCrashed();
    } catch (const SimCrash&) {
      world_.coverage().Count("crash.scheduled");
      EndLife();
    } catch (const SimDied& died) {
      world_.coverage().Count("crash.died");
      if (disk_.faults_injected() == faults_before_) throw Violation{"I4: died without a fault: " + died.why};
      EndLife();
    }
  }

  void TearDown() {
    life_->alive = false;
    life_->torn_down = true;
    wal_.reset();
    fs_.reset();
  }

  void EndLife() {
    TearDown();
    world_.CancelCrash();
    if (dice_.Chance(700'000)) {
      world_.trace().Line("power lost");
      world_.coverage().Count("crash.power");
      disk_.LosePower();
    } else {
      world_.trace().Line("process killed");
      world_.coverage().Count("crash.kill");
      disk_.EndProcess();
    }
  }

  void Recover() {
    faults_before_ = disk_.faults_injected();
    if (crashes_in_recovery_ < 3 && dice_.Chance(300'000)) world_.ScheduleCrash(dice_.Between(1, 60), RandomPhase());
    if (++crashes_in_recovery_ > 3) disk_.faults() = fair_;
    life_ = std::make_shared<Life>();
    fs_ = disk_.Mount(life_);
    env_.clock = &world_.clock();
    env_.random = &dice_;
    env_.fs = fs_.get();
    env_.die = [life = life_](const Status& status) {
      life->alive = false;
      throw SimDied{status.ToString()};
    };
    world_.trace().Line("open");
    std::vector<Record> found;
    OpContext ctx(world_.clock());
    Status status = MakeDirs(*fs_, kLogDir);
    if (status.ok()) {
      auto wal = Wal::Open(ctx, env_, options_, [&](const WalRecord& record) {
        found.push_back({record.lsn.value(), record.collection.value(), record.type, std::string(record.body)});
        return OkStatus();
      });
      if (wal) {
        wal_ = *std::move(wal);
      } else {
        status = wal.error();
      }
    }
    if (!status.ok()) {
      world_.ThrowIfCrashed();
      world_.trace().Line("open: " + status.ToString());
      const bool environment =
          status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kResourceExhausted;
      if (!environment || disk_.faults_injected() == faults_before_)
        throw Violation{"I5: recovery refused: " + status.ToString()};
      if (status.code() == StatusCode::kResourceExhausted) disk_.faults().capacity_bytes = UINT64_MAX;
      TearDown();
      disk_.EndProcess();
      return Recover();
    }
    Compare(found);
    world_.coverage().Count("recovery");
    if (crashes_in_recovery_ >= 2) world_.coverage().Count("recovery.after_double_crash");
    crashes_in_recovery_ = 0;
    if (wal_->durable_lsn().value() < durable_)
      throw Violation{"I1: durable_lsn went back to " + std::to_string(wal_->durable_lsn().value())};
    disk_.faults() = foul_;
  }

  // What was recovered must be a run of the appended records without a hole, from at or before the trim point to at or
  // behind the durable end. Then it is the truth.
  void Compare(const std::vector<Record>& found) {
    size_t i = 0;
    while (i < appended_.size() && (found.empty() || appended_[i].lsn < found.front().lsn)) {
      if (appended_[i].lsn > trimmed_ && appended_[i].lsn <= durable_) {
        throw Violation{"I1: the durable record " + std::to_string(appended_[i].lsn) + " is gone"};
      }
      ++i;
    }
    const size_t begin = i;
    for (const Record& record : found) {
      if (i == appended_.size() || !(appended_[i] == record)) {
        throw Violation{"I2: recovered record " + std::to_string(record.lsn) + " was not appended there"};
      }
      ++i;
    }
    for (; i < appended_.size(); ++i) {
      if (appended_[i].lsn > trimmed_ && appended_[i].lsn <= durable_) {
        throw Violation{"I1: the durable record " + std::to_string(appended_[i].lsn) + " is gone"};
      }
      world_.coverage().Count("wal.unsynced_record_lost");
    }
    const size_t end = begin + found.size();
    if (end > 0 && end <= appended_.size() && !found.empty() && found.back().lsn > durable_)
      world_.coverage().Count("wal.unsynced_record_survived");
    appended_.assign(found.begin(), found.end());
    if (!found.empty()) durable_ = std::max(durable_, found.back().lsn);
  }

  CrashPhase RandomPhase() { return static_cast<CrashPhase>(dice_.Between(1, 3)); }

  void Step() {
    OpContext ctx(world_.clock());
    const uint64_t action = dice_.Below(100);
    if (action < 50) {
      Append(ctx);
    } else if (action < 75) {
      const uint64_t files = wal_->stats().files;
      wal_->CommitStep(ctx);
      if (wal_->stats().files > files) world_.coverage().Count("wal.rotation");
      // AdvanceLsn skips numbers that no record has; only those of records are promised to survive.
      for (const Record& record : appended_) {
        if (record.lsn <= wal_->durable_lsn().value()) durable_ = std::max(durable_, record.lsn);
      }
      world_.trace().Line("durable " + std::to_string(durable_));
    } else if (action < 80) {
      const uint64_t to = durable_ == 0 ? 0 : dice_.Below(durable_ + 1);
      const uint64_t files = wal_->stats().files;
      // From the call on records may go, whether or not the call comes back.
      trimmed_ = std::max(trimmed_, to);
      Accept(wal_->TrimTo(ctx, Lsn(to)));
      if (wal_->stats().files < files) world_.coverage().Count("wal.trim");
    } else if (action < 86) {
      Accept(internal::ToStatus(wal_->PrepareStep(ctx)));
    } else if (action < 88) {
      wal_->AdvanceLsn(Lsn(wal_->stats().next.value() + dice_.Below(5)));
    } else if (action < 96) {
      if (!world_.crash_scheduled()) world_.ScheduleCrash(dice_.Between(1, 30), RandomPhase());
    } else if (action < 98) {
      world_.coverage().Count("crash.idle");
      EndLife();
    }
  }

  void Append(OpContext& ctx) {
    Record record{0, dice_.Between(1, 3), dice_.Coin() ? WalRecordType::kUpsert : WalRecordType::kDelete,
                  std::string(dice_.Below(dice_.Chance(50'000) ? 30'000 : 3000), static_cast<char>(dice_.Below(256)))};
    const auto lsn = wal_->Append(ctx, CollectionId(record.collection), Epoch(1), record.type, record.body);
    if (!lsn) return Accept(lsn.error());
    record.lsn = lsn->value();
    const uint64_t last = appended_.empty() ? std::max(durable_, trimmed_) : appended_.back().lsn;
    if (record.lsn <= last)
      throw Violation{"LSN " + std::to_string(record.lsn) + " was handed out after " + std::to_string(last)};
    appended_.push_back(std::move(record));
    world_.coverage().Count("wal.appended");
  }

  void Accept(const Status& status) {
    if (status.ok()) return;
    world_.ThrowIfCrashed();
    world_.trace().Line(status.ToString());
    world_.coverage().Count("refused." + std::string(StatusCodeName(status.code())));
    if (status.reason() == "wal_full") return;
    const bool environment = status.code() == StatusCode::kUnavailable || status.reason() == "disk_full";
    if (!environment || disk_.faults_injected() == faults_before_)
      throw Violation{"unexpected error: " + status.ToString()};
  }

  World world_;
  SimDisk disk_;
  Dice dice_;
  DiskFaults fair_;
  DiskFaults foul_;
  WalOptions options_;
  std::shared_ptr<Life> life_ = std::make_shared<Life>();
  std::unique_ptr<FileSystem> fs_;
  Environment env_;
  std::unique_ptr<Wal> wal_;
  std::deque<Record> appended_;
  uint64_t durable_ = 0;
  uint64_t trimmed_ = 0;
  uint64_t faults_before_ = 0;
  int crashes_in_recovery_ = 0;
};

}  // namespace

RunResult RunWal(const RunOptions& options, Lie lie) { return WalSim(options, lie).Run(); }

}  // namespace akidb::sim
