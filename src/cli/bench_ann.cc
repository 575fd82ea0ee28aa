// `akidb bench ann`: the index alone, on vectors from files: builds it, sweeps ef_search, prints recall and speed.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

#include "ann/exact_score.h"
#include "ann/flat_index.h"
#include "ann/graph_index.h"
#include "ann/index_kinds.h"
#include "base/json_writer.h"
#include "cli/ann_vectors.h"
#include "cli/bench_stats.h"
#include "cli/bench_time.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/table.h"
#include "ingest/npy_file.h"
#include "server/thread_parallel.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

constexpr uint32_t kBeams[] = {10,  12,  16,  20,  24,  32,  40,  48,  64,   80,   100,  128,
                               160, 200, 256, 320, 400, 512, 640, 800, 1000, 1400, 2000, 3000};
constexpr double kRecallEnough = 0.9995;  // a sweep ends there
constexpr Duration kPointTime = std::chrono::milliseconds(300);
constexpr double kOrderCpuSeconds = 0.1;
// Scores that differ by less are equal: rows with equal vectors are equally right.
constexpr double kTie = 1e-6;
constexpr uint64_t kIndexFileBytesMax = 16ull << 30;
constexpr double kSpareBytes = 24;  // a vector: entries, the memory of a walk, pages begun

struct Point {
  uint32_t ef_search = 0;
  double recall_wanted = 0;  // 0: ef_search was given
  double recall = 0;
  double qps = 0;
  LatencySummary latency;
};

class AnnBench {
 public:
  AnnBench(const AnnBenchOptions& options, const Console& console) : options_(options), console_(console) {}

  Status Run() {
    AKI_RETURN_IF_ERROR(Load());
    AKI_RETURN_IF_ERROR(Build());
    AKI_RETURN_IF_ERROR(MeasureWithSeen());
    if (options_.orders) return ObeyOrders();
    AKI_RETURN_IF_ERROR(FindTruth());
    std::vector<Point> points;
    for (const double recall : options_.recalls) {
      AKI_ASSIGN_OR_RETURN(Point point, Measure(0, recall));
      points.push_back(point);
    }
    std::vector<uint32_t> beams = options_.beams;
    if (beams.empty() && options_.recalls.empty()) beams.assign(std::begin(kBeams), std::end(kBeams));
    for (const uint32_t ef : beams) {
      if (ef < options_.k) continue;
      AKI_ASSIGN_OR_RETURN(Point point, Measure(ef, 0));
      points.push_back(point);
      if (options_.beams.empty() && point.recall >= kRecallEnough) break;
    }
    Print(points);
    return OkStatus();
  }

 private:
  Status Load() {
    FileSystem& fs = PosixFileSystem();
    AKI_ASSIGN_OR_RETURN(base_, ReadNpyVectors(fs, options_.base, *ParseVectorType(options_.vector_type)));
    distance_ = DistanceOfMetric(options_.metric);
    if (!options_.queries.empty()) {
      AKI_ASSIGN_OR_RETURN(queries_, ReadNpyFloats(fs, options_.queries));
      if (queries_.columns != base_.view.dim) {
        return InvalidArgument(options_.queries + ": vectors of " + std::to_string(queries_.columns) +
                               " elements, those of " + options_.base + " have " + std::to_string(base_.view.dim));
      }
    }
    if (!options_.mask.empty()) {
      AKI_ASSIGN_OR_RETURN(eligible_, LoadMask(options_.mask));
    }
    return OkStatus();
  }

  Result<RowSet> LoadMask(const std::string& path) const {
    AKI_ASSIGN_OR_RETURN(const std::vector<uint8_t> mask, ReadNpyMask(PosixFileSystem(), path));
    if (mask.size() != base_.view.row_count) {
      return std::unexpected(InvalidArgument(path + ": " + std::to_string(mask.size()) + " rows, " + options_.base +
                                             " has " + std::to_string(base_.view.row_count)));
    }
    RowSet rows(base_.view.row_count);
    for (uint32_t row = 0; row < mask.size(); ++row) {
      if (mask[row] != 0) rows.Add(row);
    }
    return rows;
  }

  Status Build() {
    const auto cpus = static_cast<uint32_t>(std::max(1u, std::thread::hardware_concurrency()));
    build_threads_ = options_.build_threads == 0 ? cpus : options_.build_threads;
    const auto parallel = NewThreadParallel(static_cast<int>(build_threads_));
    OpContext ctx(RealClock());
    // A scale is kept for int8 rows, a norm under Cosine.
    row_bytes_ = static_cast<double>(base_.view.stride_bytes) + (base_.view.type == VectorType::kInt8 ? 4 : 0) +
                 (distance_ == Distance::kCosine ? 4 : 0);
    const auto plan = options_.index_kind == "flat" ? Plan{} : ChoosePlan();
    if (!plan) {
      return InvalidArgument("--max-bytes-per-vector: " + Fixed(options_.max_bytes_per_vector, 0) +
                             " is less than any layout takes");
    }
    from_codes_ = plan->from_codes;
    const MonotonicTime started = RealClock().Now();
    const double cpu_started = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
    if (options_.index_kind == "flat") {
      index_ = NewFlatIndex(base_.view, distance_);
    } else {
      FileSystem& fs = PosixFileSystem();
      bool stored = false;
      if (!options_.index_file.empty()) {
        AKI_ASSIGN_OR_RETURN(stored, fs.Exists(options_.index_file));
      }
      if (stored) {
        AKI_ASSIGN_OR_RETURN(const std::string bytes, ReadWholeFile(fs, options_.index_file, kIndexFileBytesMax));
        AKI_ASSIGN_OR_RETURN(index_, OpenIndex(ctx, kGraphKind, bytes, base_.view, distance_, *parallel));
      } else {
        IndexBuildOptions build;
        build.ef_construction = options_.ef_construction;
        build.seed = options_.seed;
        build.layout = plan->layout;
        AKI_ASSIGN_OR_RETURN(index_, BuildIndex(ctx, kGraphKind, base_.view, distance_, build, *parallel));
        if (!options_.index_file.empty()) {
          AKI_ASSIGN_OR_RETURN(const auto file, fs.Open(options_.index_file, OpenMode::kCreateNew));
          AKI_RETURN_IF_ERROR(file->WriteAt(0, index_->Encode()));
        }
      }
    }
    build_time_ = RealClock().Now() - started;
    build_cpu_seconds_ = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_started;
    const double rows = base_.view.row_count;
    index_bytes_ = static_cast<double>(index_->memory_bytes()) / rows;
    if (from_codes_) row_bytes_ = 0;
    return CheckInterrupt();
  }

  // With --seen.
  Status MeasureWithSeen() {
    if (options_.seen.empty()) return OkStatus();
    AKI_ASSIGN_OR_RETURN(const FloatMatrix seen, ReadNpyFloats(PosixFileSystem(), options_.seen));
    if (seen.columns != base_.view.dim) {
      return InvalidArgument(options_.seen + ": " + std::to_string(seen.columns) +
                             " elements a query, the vectors have " + std::to_string(base_.view.dim));
    }
    OpContext ctx(RealClock());
    const auto parallel = NewThreadParallel(static_cast<int>(build_threads_));
    const MonotonicTime started = RealClock().Now();
    AKI_ASSIGN_OR_RETURN(measured_wider_, index_->MeasureWith(ctx, seen.values, *parallel));
    measure_time_ = RealClock().Now() - started;
    return CheckInterrupt();
  }

  struct Plan {
    GraphLayoutKind layout = GraphLayoutKind::kFast;
    bool from_codes = false;
  };
  // The first that fits; rows that are not read need not be in memory.
  std::optional<Plan> ChoosePlan() const {
    constexpr Plan kPlans[] = {{GraphLayoutKind::kFast, false},     {GraphLayoutKind::kFast12, true},
                               {GraphLayoutKind::kFast, true},      {GraphLayoutKind::kCompact5, false},
                               {GraphLayoutKind::kCompact12, true}, {GraphLayoutKind::kCompact8, true},
                               {GraphLayoutKind::kCompact5, true}};
    for (const Plan& plan : kPlans) {
      const bool fast = !IsCompact(plan.layout);
      if ((options_.layout == "fast" && !fast) || (options_.layout == "compact" && fast)) continue;
      if (options_.from_codes && !plan.from_codes) continue;
      const double bytes = static_cast<double>(GraphBytesPerRow(plan.layout, base_.view.dim)) +
                           (plan.from_codes ? 0 : row_bytes_) + kSpareBytes;
      if (options_.max_bytes_per_vector == 0 || bytes <= options_.max_bytes_per_vector) return plan;
    }
    return std::nullopt;
  }

  // As the index, which may come from a file, says.
  std::string_view LayoutName() const {
    const auto* graph = dynamic_cast<const GraphIndex*>(index_.get());
    if (graph == nullptr) return "rows";
    switch (graph->layout()) {
      case GraphLayoutKind::kFast: return "fast";
      case GraphLayoutKind::kCompact5: return "compact, 5 bits";
      case GraphLayoutKind::kCompact8: return "compact, 8 bits";
      case GraphLayoutKind::kCompact12: return "compact, 12 bits";
      case GraphLayoutKind::kFast12: return "fast, 12 bits";
    }
    return "";
  }

  bool Nearer(double a, double b) const { return LargerIsNearer(distance_) ? a > b : a < b; }

  // For each query the score of the last of its true best k; rows at least as near are right.
  Status FindTruth() {
    if (queries_.rows == 0) return InvalidArgument("--queries is needed");
    worst_.resize(queries_.rows);
    if (!options_.truth.empty()) {
      AKI_ASSIGN_OR_RETURN(const IdMatrix truth, ReadNpyIds(PosixFileSystem(), options_.truth));
      if (truth.rows != queries_.rows || truth.columns < options_.k) {
        return InvalidArgument(options_.truth + ": " + std::to_string(truth.rows) + " x " +
                               std::to_string(truth.columns) + ", need " + std::to_string(queries_.rows) + " rows of " +
                               std::to_string(options_.k) + " or more");
      }
      for (uint32_t i = 0; i < queries_.rows; ++i) {
        const ExactScorer scorer(base_.view, distance_, Query(i));
        for (uint32_t j = 0; j < options_.k; ++j) {
          const int64_t row = truth.values[static_cast<size_t>(i) * truth.columns + j];
          if (row < 0 || row >= base_.view.row_count) {
            return InvalidArgument(options_.truth + ": query " + std::to_string(i) + " names row " +
                                   std::to_string(row) + ", there are " + std::to_string(base_.view.row_count));
          }
          const double score = scorer.Score(static_cast<RowIndex>(row));
          if (j == 0 || Nearer(worst_[i], score)) worst_[i] = score;
        }
      }
      return OkStatus();
    }
    const auto flat = NewFlatIndex(base_.view, distance_);
    const auto parallel = NewThreadParallel(static_cast<int>(build_threads_));
    std::atomic<bool> failed = false;
    OpContext ctx(RealClock());
    parallel->Run(queries_.rows, [&](size_t i) {
      std::vector<Candidate> found;
      const auto query = static_cast<uint32_t>(i);
      if (!CheckInterrupt().ok() || !flat->Search(ctx, QueryOf(query, 0, 0), &found).ok() || found.empty()) {
        failed = true;
        return;
      }
      worst_[i] = found[std::min<size_t>(options_.k, found.size()) - 1].score;
    });
    AKI_RETURN_IF_ERROR(CheckInterrupt());
    if (failed) return InvalidArgument("--mask: no row passes");
    return OkStatus();
  }

  std::span<const float> Query(uint32_t i) const { return {queries_.Row(i), queries_.columns}; }
  IndexQuery QueryOf(uint32_t i, uint32_t ef, double recall) const {
    IndexQuery query;
    query.vector = Query(i);
    query.k = options_.k;
    query.eligible = eligible_ ? &*eligible_ : nullptr;
    query.ef_search = ef;
    if (recall > 0) query.recall = recall;
    query.from_codes = from_codes_;
    return query;
  }

  uint32_t Hits(uint32_t i, const std::vector<Candidate>& found) const {
    const double slack = kTie * std::max(1.0, std::abs(worst_[i]));
    const ExactScorer scorer(base_.view, distance_, Query(i));
    uint32_t hits = 0;
    for (const Candidate& c : found) {
      const double score = from_codes_ ? scorer.Score(c.row) : c.score;
      hits += LargerIsNearer(distance_) ? score >= worst_[i] - slack : score <= worst_[i] + slack;
    }
    return std::min(hits, options_.k);
  }

  // All queries at least once, and again until the time is up; the median round counts.
  Result<Point> Measure(uint32_t ef, double recall) {
    Point point;
    point.ef_search = ef;
    point.recall_wanted = recall;
    std::vector<double> rounds;
    std::vector<Duration> latencies(queries_.rows);
    std::vector<std::vector<Candidate>> answers(queries_.rows);
    const uint32_t passing = eligible_ ? eligible_->Count() : base_.view.row_count;
    const double wanted = static_cast<double>(std::min(options_.k, passing)) * queries_.rows;
    const MonotonicTime started = RealClock().Now();
    do {
      std::atomic<uint32_t> next = 0;
      std::atomic<bool> failed = false;
      const MonotonicTime began = RealClock().Now();
      const auto work = [&] {
        OpContext ctx(RealClock());
        for (uint32_t i = next++; i < queries_.rows; i = next++) {
          const MonotonicTime asked = RealClock().Now();
          if (!index_->Search(ctx, QueryOf(i, ef, recall), &answers[i]).ok()) failed = true;
          latencies[i] = RealClock().Now() - asked;
        }
      };
      std::vector<std::thread> others;
      for (uint32_t t = 1; t < options_.threads; ++t) others.emplace_back(work);
      work();
      for (std::thread& thread : others) thread.join();
      rounds.push_back(Seconds(RealClock().Now() - began));
      AKI_RETURN_IF_ERROR(CheckInterrupt());
      if (failed) return std::unexpected(Internal("a search failed"));
    } while (RealClock().Now() - started < kPointTime);
    uint64_t hits = 0;
    for (uint32_t i = 0; i < queries_.rows; ++i) hits += Hits(i, answers[i]);
    point.recall = static_cast<double>(hits) / wanted;
    std::ranges::sort(rounds);
    point.qps = queries_.rows / rounds[rounds.size() / 2];
    point.latency = Summarise(latencies);
    return point;
  }

  void Print(const std::vector<Point>& points) const {
    if (!console_.json()) {
      console_.Print(HumanCount(base_.view.row_count) + " vectors of " + std::to_string(base_.view.dim) + ", " +
                     std::string(index_->kind()) + " made in " + Fixed(Seconds(build_time_), 1) + " s on " +
                     std::to_string(build_threads_) + " threads, " + Fixed(index_bytes_ + row_bytes_, 0) +
                     " bytes a vector, kernels " + std::string(Kernels().name) + "\n");
      if (!options_.seen.empty()) {
        console_.Print("measured with " + options_.seen + " in " + Fixed(Seconds(measure_time_), 1) + " s: looks " +
                       (measured_wider_ ? "wider\n" : "as wide as before\n"));
      }
      Table table({{"ASKED", Align::kLeft},
                   {"RECALL", Align::kRight},
                   {"QUERIES/S", Align::kRight},
                   {"P50", Align::kRight},
                   {"P99", Align::kRight}});
      for (const Point& p : points) {
        table.Add(
            {p.recall_wanted > 0 ? "recall " + Fixed(p.recall_wanted, 3) : "ef_search " + std::to_string(p.ef_search),
             Fixed(p.recall, 4), HumanCount(static_cast<uint64_t>(p.qps)), HumanDuration(p.latency.p50),
             HumanDuration(p.latency.p99)});
      }
      console_.Print(table.ToString());
      return;
    }
    std::string out;
    JsonWriter w(&out);
    const auto us = [](Duration d) { return std::chrono::duration<double, std::micro>(d).count(); };
    w.BeginObject().Key("n").Value(base_.view.row_count).Key("dim").Value(base_.view.dim);
    w.Key("metric").Value(options_.metric).Key("k").Value(options_.k);
    w.Key("vector_type").Value(options_.vector_type).Key("index").Value(index_->kind());
    if (eligible_) w.Key("passing").Value(eligible_->Count());
    w.Key("build_s").Value(Seconds(build_time_)).Key("build_threads").Value(build_threads_);
    if (!options_.seen.empty()) w.Key("seen_s").Value(Seconds(measure_time_)).Key("seen_wider").Value(measured_wider_);
    w.Key("search_threads").Value(options_.threads);
    w.Key("layout").Value(LayoutName()).Key("from_codes").Value(from_codes_);
    w.Key("bytes_per_vector").Value(index_bytes_ + row_bytes_).Key("index_bytes_per_vector").Value(index_bytes_);
    w.Key("kernel").Value(Kernels().name).Key("points").BeginArray();
    for (const Point& p : points) {
      w.BeginObject();
      if (p.recall_wanted > 0) {
        w.Key("recall_wanted").Value(p.recall_wanted);
      } else {
        w.Key("ef_search").Value(p.ef_search);
      }
      w.Key("recall").Value(p.recall).Key("qps").Value(p.qps);
      w.Key("p50_us").Value(us(p.latency.p50)).Key("p99_us").Value(us(p.latency.p99)).EndObject();
    }
    w.EndArray().EndObject();
    console_.PrintJson(out);
  }

  // Lets another program alternate between this index and others: one JSON line about the build, then each line
  // "QUERIES.npy EF|RECALL RESULTS [MASK.npy]" on stdin is answered by one JSON line; RESULTS receives k uint32 row
  // numbers a query.
  Status ObeyOrders() {
    std::printf(
        "{\"kernel\":\"%s\",\"n\":%u,\"dim\":%u,\"build_s\":%.2f,\"build_cpu_s\":%.2f,\"build_threads\":%u,"
        "\"bytes_per_vector\":%.1f}\n",
        std::string(Kernels().name).c_str(), base_.view.row_count, base_.view.dim, Seconds(build_time_),
        build_cpu_seconds_, build_threads_, index_bytes_ + row_bytes_);
    std::fflush(stdout);
    std::map<std::string, FloatMatrix> sets;
    std::map<std::string, RowSet> masks;
    const std::optional<RowSet> usual = eligible_;
    std::string line;
    while (std::getline(std::cin, line)) {
      std::istringstream words(line);
      std::string path, results, mask;
      double asked = 0;  // an ef_search, or a recall below 1
      if (!(words >> path >> asked >> results) || asked <= 0 || asked > 1e6)
        return InvalidArgument("not an order: " + line);
      if (!sets.contains(path)) {
        AKI_ASSIGN_OR_RETURN(sets[path], ReadNpyFloats(PosixFileSystem(), path));
      }
      queries_ = sets[path];
      eligible_ = usual;
      if (words >> mask) {
        if (!masks.contains(mask)) {
          AKI_ASSIGN_OR_RETURN(RowSet rows, LoadMask(mask));
          masks.emplace(mask, std::move(rows));
        }
        eligible_ = masks.at(mask);
      }
      AKI_RETURN_IF_ERROR(Obey(asked, results));
    }
    return OkStatus();
  }

  Status Obey(double asked, const std::string& results) {
    const bool by_recall = asked < 1;
    const uint32_t ef = by_recall ? 0 : static_cast<uint32_t>(asked);
    const auto* graph = dynamic_cast<const GraphIndex*>(index_.get());
    std::string rows;
    std::vector<Candidate> found;
    std::vector<Duration> latencies;
    GraphSearchStats stats;
    const double cpu_began = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
    double cpu = 0;
    do {  // few queries take too short to be timed once
      rows.clear();
      for (uint32_t i = 0; i < queries_.rows; ++i) {
        OpContext ctx(RealClock());
        const IndexQuery query = QueryOf(i, ef, by_recall ? asked : 0);
        const MonotonicTime began = RealClock().Now();
        AKI_RETURN_IF_ERROR(graph != nullptr ? graph->SearchWithStats(ctx, query, &found, &stats)
                                             : index_->Search(ctx, query, &found));
        latencies.push_back(RealClock().Now() - began);
        for (uint32_t j = 0; j < options_.k; ++j) {
          const uint32_t row = j < found.size() ? found[j].row : UINT32_MAX;
          rows.append(reinterpret_cast<const char*>(&row), sizeof row);
        }
      }
      cpu = CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - cpu_began;
    } while (cpu < kOrderCpuSeconds);
    const auto searches = static_cast<double>(latencies.size());
    AKI_ASSIGN_OR_RETURN(const auto file, PosixFileSystem().Open(results, OpenMode::kCreateOrOpen));
    AKI_RETURN_IF_ERROR(file->WriteAt(0, rows));
    AKI_RETURN_IF_ERROR(file->Truncate(rows.size()));
    const LatencySummary summary = Summarise(latencies);
    const auto us = [](Duration d) { return std::chrono::duration<double, std::micro>(d).count(); };
    std::printf("{\"cpu_qps\":%.1f,\"p50_us\":%.1f,\"p95_us\":%.1f,\"p99_us\":%.1f", searches / cpu, us(summary.p50),
                us(summary.p95), us(summary.p99));
    if (graph != nullptr) {
      const auto mean = [&](uint64_t n) { return static_cast<double>(n) / searches; };
      std::printf(",\"hops\":%.1f,\"sweeps\":%.3f,\"scans\":%.3f,\"rescored\":%.1f,\"bytes\":%.0f", mean(stats.hops),
                  mean(stats.sweeps), mean(stats.scans), mean(stats.rescored), mean(stats.bytes));
    }
    std::printf("}\n");
    std::fflush(stdout);
    return OkStatus();
  }

  const AnnBenchOptions& options_;
  const Console& console_;
  StoredVectors base_;
  FloatMatrix queries_;
  std::optional<RowSet> eligible_;
  Distance distance_ = Distance::kCosine;
  std::unique_ptr<VectorIndex> index_;
  uint32_t build_threads_ = 1;
  Duration build_time_{};
  double build_cpu_seconds_ = 0;
  Duration measure_time_{};  // with --seen
  bool measured_wider_ = false;
  double index_bytes_ = 0;
  double row_bytes_ = 0;
  bool from_codes_ = false;
  std::vector<double> worst_;
};

}  // namespace

Status RunAnnBench(const AnnBenchOptions& options, const Console& console) { return AnnBench(options, console).Run(); }

}  // namespace akidb
