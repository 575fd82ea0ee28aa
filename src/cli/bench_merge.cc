// `akidb bench ann --merge N`: the vectors are dealt to N segments, each gets its graph, and graphs are merged by
// eights until one is left. The last merge against a build of the same rows: what either costs, and what is found with
// equal beams.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "ann/flat_index.h"
#include "ann/index_kinds.h"
#include "base/json_writer.h"
#include "cli/ann_vectors.h"
#include "cli/bench_time.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/table.h"
#include "server/thread_parallel.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

constexpr size_t kMergedAtOnce = 8;
constexpr uint32_t kMergeBeams[] = {16, 32, 64, 128, 256};

// A segment: some of the vectors, and their index.
struct Part {
  std::vector<uint32_t> numbers;  // of its rows, ascending
  StoredVectors vectors;
  std::unique_ptr<VectorIndex> index;
};

struct Cost {
  double seconds = 0;
  double cpu_seconds = 0;
};

struct MergePoint {
  uint32_t ef_search = 0;
  double merged = 0, built = 0;  // recalls
  double merged_qps = 0, built_qps = 0;
};

class MergeBench {
 public:
  MergeBench(const AnnBenchOptions& options, const Console& console) : options_(options), console_(console) {}

  Status Run() {
    AKI_RETURN_IF_ERROR(Load());
    std::vector<Part> parts(options_.merged_segments);
    for (uint32_t row = 0; row < base_.view.row_count; ++row) parts[row % parts.size()].numbers.push_back(row);
    for (Part& part : parts) {
      AKI_RETURN_IF_ERROR(CopyRows(&part));
      AKI_ASSIGN_OR_RETURN(part.index, BuildOver(part.vectors.view, {}, &part_cost_));
    }
    while (parts.size() > 1) {
      std::vector<Part> larger;
      for (size_t at = 0; at < parts.size(); at += kMergedAtOnce) {
        const std::span<const Part> some = std::span(parts).subspan(at, std::min(kMergedAtOnce, parts.size() - at));
        AKI_ASSIGN_OR_RETURN(Part part, Merge(some));
        larger.push_back(std::move(part));
      }
      parts = std::move(larger);
    }
    AKI_ASSIGN_OR_RETURN(const auto built, BuildOver(base_.view, {}, &build_cost_));
    AKI_RETURN_IF_ERROR(FindTruth());
    std::vector<uint32_t> beams = options_.beams;
    if (beams.empty()) beams.assign(std::begin(kMergeBeams), std::end(kMergeBeams));
    for (const uint32_t ef : beams) {
      MergePoint point{.ef_search = std::max(ef, options_.k)};
      AKI_RETURN_IF_ERROR(Search(*parts[0].index, point.ef_search, &point.merged, &point.merged_qps));
      AKI_RETURN_IF_ERROR(Search(*built, point.ef_search, &point.built, &point.built_qps));
      points_.push_back(point);
    }
    Print();
    return OkStatus();
  }

 private:
  Status Load() {
    AKI_ASSIGN_OR_RETURN(AnnVectors read, ReadAnnVectors(options_, options_.merged_segments));
    base_ = std::move(read.base);
    queries_ = std::move(read.queries);
    distance_ = DistanceOfMetric(options_.metric);
    const uint32_t cpus = std::max(1u, std::thread::hardware_concurrency());
    build_threads_ = options_.build_threads == 0 ? cpus : options_.build_threads;
    parallel_ = NewThreadParallel(static_cast<int>(build_threads_));
    return OkStatus();
  }

  Status CopyRows(Part* part) const {
    const VectorRows& all = base_.view;
    StoredVectors& out = part->vectors;
    AKI_ASSIGN_OR_RETURN(out.data, HugeArena::Create(all.stride_bytes * part->numbers.size()));
    for (size_t i = 0; i < part->numbers.size(); ++i) {
      std::memcpy(out.data.data() + i * all.stride_bytes, all.Row(part->numbers[i]), all.stride_bytes);
      out.scales.push_back(all.scales[part->numbers[i]]);
      out.inv_norms.push_back(all.inv_norms[part->numbers[i]]);
    }
    out.view = all;
    out.view.row_count = static_cast<uint32_t>(part->numbers.size());
    out.view.data = reinterpret_cast<const std::byte*>(out.data.data());
    out.view.scales = out.scales.data();
    out.view.inv_norms = out.inv_norms.data();
    return OkStatus();
  }

  Result<std::unique_ptr<VectorIndex>> BuildOver(const VectorRows& rows, std::span<const IndexSource> sources,
                                                 Cost* cost) const {
    AKI_RETURN_IF_ERROR(CheckInterrupt());
    OpContext ctx(RealClock());
    IndexBuildOptions build;
    build.ef_construction = options_.ef_construction;
    build.seed = options_.seed;
    build.layout = options_.layout == "compact" ? GraphLayoutKind::kCompact5 : GraphLayoutKind::kFast;
    const MonotonicTime began = RealClock().Now();
    const double cpu_began = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
    AKI_ASSIGN_OR_RETURN(auto index, BuildIndex(ctx, kGraphKind, rows, distance_, build, *parallel_, sources));
    cost->seconds = Seconds(RealClock().Now() - began);
    cost->cpu_seconds = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;
    return index;
  }

  Result<Part> Merge(std::span<const Part> parts) {
    Part out;
    for (const Part& part : parts) out.numbers.insert(out.numbers.end(), part.numbers.begin(), part.numbers.end());
    std::ranges::sort(out.numbers);
    AKI_RETURN_IF_ERROR(CopyRows(&out));
    std::vector<IndexSource> sources;
    for (const Part& part : parts) {
      IndexSource source{std::string(part.index->kind()), part.index->Encode(), {}};
      for (const uint32_t number : part.numbers) {
        source.rows.push_back(
            static_cast<RowIndex>(std::ranges::lower_bound(out.numbers, number) - out.numbers.begin()));
      }
      sources.push_back(std::move(source));
    }
    AKI_ASSIGN_OR_RETURN(out.index, BuildOver(out.vectors.view, sources, &merge_cost_));
    return out;
  }

  IndexQuery QueryOf(uint32_t i, uint32_t ef) const {
    return {.vector = {queries_.Row(i), queries_.columns}, .k = options_.k, .ef_search = ef};
  }

  // For each query the score of the last of its true best k.
  Status FindTruth() {
    const auto flat = NewFlatIndex(base_.view, distance_);
    worst_.resize(queries_.rows);
    std::atomic<bool> failed = false;
    parallel_->Run(queries_.rows, [&](size_t i) {
      OpContext ctx(RealClock());
      std::vector<Candidate> found;
      if (!CheckInterrupt().ok() || !flat->Search(ctx, QueryOf(static_cast<uint32_t>(i), 0), &found).ok()) {
        failed = true;
        return;
      }
      worst_[i] = found.at(std::min<size_t>(options_.k, found.size()) - 1).score;
    });
    AKI_RETURN_IF_ERROR(CheckInterrupt());
    return failed ? Internal("an exact search failed") : OkStatus();
  }

  Status Search(const VectorIndex& index, uint32_t ef, double* recall, double* qps) const {
    OpContext ctx(RealClock());
    std::vector<Candidate> found;
    uint64_t hits = 0;
    const MonotonicTime began = RealClock().Now();
    for (uint32_t i = 0; i < queries_.rows; ++i) {
      AKI_RETURN_IF_ERROR(index.Search(ctx, QueryOf(i, ef), &found));
      const auto right = std::ranges::count_if(found, [&](const Candidate& c) {
        return LargerIsNearer(distance_) ? c.score >= worst_[i] : c.score <= worst_[i];
      });
      hits += std::min<uint64_t>(static_cast<uint64_t>(right), options_.k);
    }
    *qps = queries_.rows / Seconds(RealClock().Now() - began);
    *recall = static_cast<double>(hits) / (static_cast<double>(options_.k) * queries_.rows);
    return CheckInterrupt();
  }

  void Print() const {
    if (!console_.json()) {
      console_.Print(HumanCount(base_.view.row_count) + " vectors of " + std::to_string(base_.view.dim) + " in " +
                     std::to_string(options_.merged_segments) + " segments on " + std::to_string(build_threads_) +
                     " threads: merged in " + Fixed(merge_cost_.seconds, 1) + " s (CPU " +
                     Fixed(merge_cost_.cpu_seconds, 1) + "), built anew in " + Fixed(build_cost_.seconds, 1) +
                     " s (CPU " + Fixed(build_cost_.cpu_seconds, 1) + "), " +
                     Fixed(build_cost_.cpu_seconds / merge_cost_.cpu_seconds, 2) + " times as much\n");
      Table table({{"EF_SEARCH", Align::kRight},
                   {"MERGED", Align::kRight},
                   {"BUILT", Align::kRight},
                   {"QUERIES/S", Align::kRight},
                   {"BUILT", Align::kRight}});
      for (const MergePoint& p : points_) {
        table.Add({std::to_string(p.ef_search), Fixed(p.merged, 4), Fixed(p.built, 4),
                   HumanCount(static_cast<uint64_t>(p.merged_qps)), HumanCount(static_cast<uint64_t>(p.built_qps))});
      }
      console_.Print(table.ToString());
      return;
    }
    std::string out;
    JsonWriter w(&out);
    w.BeginObject().Key("n").Value(base_.view.row_count).Key("dim").Value(base_.view.dim);
    w.Key("metric").Value(options_.metric).Key("k").Value(options_.k).Key("vector_type").Value(options_.vector_type);
    w.Key("segments").Value(options_.merged_segments).Key("build_threads").Value(build_threads_);
    w.Key("ef_construction").Value(options_.ef_construction).Key("kernel").Value(Kernels().name);
    w.Key("merge_s").Value(merge_cost_.seconds).Key("merge_cpu_s").Value(merge_cost_.cpu_seconds);
    w.Key("build_s").Value(build_cost_.seconds).Key("build_cpu_s").Value(build_cost_.cpu_seconds);
    w.Key("points").BeginArray();
    for (const MergePoint& p : points_) {
      w.BeginObject().Key("ef_search").Value(p.ef_search).Key("recall_merged").Value(p.merged);
      w.Key("recall_built").Value(p.built).Key("qps_merged").Value(p.merged_qps).Key("qps_built").Value(p.built_qps);
      w.EndObject();
    }
    w.EndArray().EndObject();
    console_.PrintJson(out);
  }

  const AnnBenchOptions& options_;
  const Console& console_;
  StoredVectors base_;
  FloatMatrix queries_;
  Distance distance_ = Distance::kCosine;
  uint32_t build_threads_ = 1;
  std::unique_ptr<Parallel> parallel_;
  Cost part_cost_, merge_cost_, build_cost_;  // of the last one
  std::vector<double> worst_;
  std::vector<MergePoint> points_;
};

}  // namespace

Status RunMergeBench(const AnnBenchOptions& options, const Console& console) {
  return MergeBench(options, console).Run();
}

}  // namespace akidb
