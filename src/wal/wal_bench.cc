// Figures of the log against the bare disk, in one run: wal_bench DIR [seconds per part]
// DIR must not exist; it is created for the run and stays behind.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "wal/wal.h"

namespace akidb {
namespace {

constexpr size_t kRowBytes = 1700;  // 384 float32, an id and a small payload
constexpr size_t kBatchBytes = 500 * kRowBytes;
constexpr size_t kBlock = 4096;

template <class T>
T Must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().ToString().c_str());
    std::exit(1);
  }
  return std::move(*result);
}
void Must(Status status) { Must(status.ok() ? Result<int>(0) : std::unexpected(std::move(status))); }

double Now() { return std::chrono::duration<double>(RealClock().Now().time_since_epoch()).count(); }

double CpuNow() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double Percentile(std::vector<double>& values, double p) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(p * static_cast<double>(values.size() - 1))] * 1e6;
}

class Bench {
 public:
  Bench(std::string dir, double seconds) : dir_(std::move(dir)), seconds_(seconds), random_(NewSystemRandom()) {
    Must(MakeDirs(PosixFileSystem(), dir_ + "/wal"));
    raw_ = Must(PosixFileSystem().Open(dir_ + "/raw", OpenMode::kCreateNew));
    const std::string zeros(1 << 20, '\0');
    for (uint64_t at = 0; at < kRawBytes; at += zeros.size()) Must(raw_->WriteAt(at, zeros));
    Must(raw_->Sync());
    OpenWal([](const WalRecord&) { return OkStatus(); });
  }

  void Run() {
    SingleRow();
    const double one = Threads(1);
    const double many = Threads(64);
    std::printf("64 writers / 1 writer          %8.1f x\n", many / one);
    Bulk();
    Replay();
  }

 private:
  static constexpr uint64_t kRawBytes = 256 << 20;

  void OpenWal(const Wal::ReplayVisitor& visit) {
    const Environment env{.clock = &RealClock(),
                          .random = random_.get(),
                          .fs = &PosixFileSystem(),
                          .executor = nullptr,
                          .die = [](const Status& status) { Must(Status(status)); }};
    OpContext ctx(RealClock());
    wal_.reset();
    wal_ = Must(Wal::Open(ctx, env, {.dir = dir_ + "/wal"}, visit));
  }
  void Write(OpContext& ctx, std::string_view body) {
    Must(wal_->WaitDurable(ctx, Must(wal_->Append(ctx, CollectionId(1), Epoch(1), WalRecordType::kUpsert, body))));
  }
  void RawWrite(std::string_view bytes) {
    if (raw_at_ + bytes.size() > kRawBytes) raw_at_ = 0;
    Must(raw_->WriteAt(raw_at_, bytes));
    Must(raw_->Sync());
    raw_at_ += (bytes.size() + kBlock - 1) / kBlock * kBlock;
  }
  void Recycle() {
    OpContext ctx(RealClock());
    Must(wal_->TrimTo(ctx, wal_->durable_lsn()));
    while (Must(wal_->PrepareStep(ctx))) {
    }
  }

  void SingleRow() {
    Recycle();
    OpContext ctx(RealClock());
    const std::string row(kRowBytes, 'r');
    const std::string block(kBlock, 'b');
    std::vector<double> log;
    std::vector<double> raw;
    for (const double end = Now() + seconds_; Now() < end;) {
      const double t0 = Now();
      Write(ctx, row);
      const double t1 = Now();
      RawWrite(block);
      log.push_back(t1 - t0);
      raw.push_back(Now() - t1);
    }
    std::printf("single row, 1 writer           p50 %6.0f us  p99 %6.0f us  (%zu)\n", Percentile(log, 0.5),
                Percentile(log, 0.99), log.size());
    std::printf("raw 4-KiB write + fdatasync    p50 %6.0f us  p99 %6.0f us  (alternating)\n", Percentile(raw, 0.5),
                Percentile(raw, 0.99));
  }

  double Threads(int count) {
    Recycle();
    const std::string row(kRowBytes, 'r');
    const uint64_t before = wal_->stats().records_appended;
    const uint64_t groups_before = wal_->stats().groups_synced;
    const double begin = Now();
    const double end = begin + seconds_;
    std::vector<std::thread> threads;
    for (int t = 0; t < count; ++t) {
      threads.emplace_back([&] {
        OpContext ctx(RealClock());
        while (Now() < end) Write(ctx, row);
      });
    }
    for (std::thread& thread : threads) thread.join();
    const double rows = static_cast<double>(wal_->stats().records_appended - before);
    const double groups = static_cast<double>(wal_->stats().groups_synced - groups_before);
    const double rate = rows / (Now() - begin);
    std::printf("single rows, %2d writers        %8.0f rows/s, %.1f rows a sync\n", count, rate, rows / groups);
    return rate;
  }

  // Batches of 500 rows: first into new files, then into recycled ones.
  void Bulk() {
    const std::string batch(kBatchBytes, 'r');
    OpContext ctx(RealClock());
    double log_seconds = 0;
    double raw_seconds = 0;
    uint64_t bytes = 0;
    Recycle();
    for (const double end = Now() + 2 * seconds_; Now() < end; bytes += batch.size()) {
      const double t0 = Now();
      Write(ctx, batch);
      const double t1 = Now();
      RawWrite(batch);
      raw_seconds += Now() - t1;
      log_seconds += t1 - t0;
      if (wal_->stats().files > 3) Recycle();
    }
    const double mb = static_cast<double>(bytes) / 1e6;
    std::printf("bulk, 850-KB batches           %8.0f MB/s, raw write + fdatasync %.0f MB/s: %.2f of it\n",
                mb / log_seconds, mb / raw_seconds, raw_seconds / log_seconds);
  }

  void Replay() {
    OpContext ctx(RealClock());
    const std::string batch(kBatchBytes, 'r');
    Recycle();
    while (wal_->stats().files < 9) Write(ctx, batch);
    std::vector<double> seconds, cpu_seconds;
    uint64_t bytes = 0;
    for (int round = 0; round < 5; ++round) {
      bytes = 0;
      const double begin = Now();
      const double cpu_begin = CpuNow();
      OpenWal([&](const WalRecord& record) {
        bytes += record.body.size();
        return OkStatus();
      });
      cpu_seconds.push_back(CpuNow() - cpu_begin);
      seconds.push_back(Now() - begin);
    }
    std::ranges::sort(seconds);
    std::ranges::sort(cpu_seconds);
    const double mb = static_cast<double>(bytes) / 1e6;
    std::printf("replay, page cache warm        %8.0f MB/s, %.0f MB/s of CPU time (%.0f MB, opening included)\n",
                mb / seconds[seconds.size() / 2], mb / cpu_seconds[seconds.size() / 2], mb);
  }

  const std::string dir_;
  const double seconds_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<File> raw_;
  uint64_t raw_at_ = 0;
  std::unique_ptr<Wal> wal_;
};

}  // namespace
}  // namespace akidb

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: wal_bench DIR [seconds per part]\n");
    return 2;
  }
  akidb::Bench(argv[1], argc > 2 ? std::atof(argv[2]) : 3).Run();
  return 0;
}
