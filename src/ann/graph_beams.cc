#include "ann/graph_beams.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "ann/graph_codes.h"
#include "ann/graph_space.h"
#include "base/random.h"

namespace akidb {
namespace {

constexpr uint32_t kSamplesMin = 24;
constexpr uint32_t kSamplesMax = 192;
constexpr uint32_t kRowsOfSample = 32;
constexpr uint32_t kK = 10;
constexpr uint32_t kBeamsTried[] = {10,  12,  14,  16,  20,  24,  28,  32,  40,  48,  56,   64,   80,   96,
                                    112, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024, 1536, 2048, 4096};

constexpr double kUsualRecall = 0.95;
constexpr size_t kBeamsOfSweep = 10;
constexpr uint32_t kFarWalk = 28, kFarSweep = 16;  // what a query unlike the rows wants times as much of

// As on embeddings, for graphs that were stored before they measured themselves.
constexpr uint32_t kGuessedBeams[] = {16, 24, 40, 64, 96, 192, 384, 1024};
constexpr uint32_t kGuessedSweeps[] = {16, 24, 32, 48, 64, 128, 256, 512};

// Beams that are less than so many times those known are left alone: 192 queries do not tell them apart.
constexpr double kTellsApart = 4.0 / 3;
// A level is told by rows that were not found: fewer than so many say little of it.
constexpr double kMissesMin = 5;

// What some queries want of a graph.
class BeamMeter {
 public:
  BeamMeter(OpContext& ctx, const GraphIndex& index, const CodedRows& all, const MeasureQueries& queries,
            Parallel& parallel)
      : ctx_(ctx), index_(index), all_(all), queries_(queries), parallel_(parallel) {}

  // Nothing is told of searches that were cut short: equal rows and seeds must measure alike.
  Result<MeasuredBeams> Measure() {
    AKI_ASSIGN_OR_RETURN(truths_, NearestOf(ctx_, all_, queries_, kK, parallel_));
    total_ = 0;
    for (const std::vector<Candidate>& truth : truths_) total_ += static_cast<double>(truth.size());
    reaches_.assign(queries_.size(), 0);
    MeasuredBeams out;
    AKI_RETURN_IF_ERROR(MeasureWalks(&out.beams));
    AKI_RETURN_IF_ERROR(MeasureSweeps(&out.sweeps));
    AKI_RETURN_IF_ERROR(ctx_.Check());
    out.reach = std::max(0.0f, *std::ranges::max_element(reaches_));
    return out;
  }

 private:
  uint32_t HitsOf(uint32_t i, std::span<const Candidate> near) const {
    const std::vector<Candidate>& truth = truths_[i];
    if (truth.empty()) return 0;
    // Rows as near as the last true one count, whichever of them the truth names.
    const auto hits = std::ranges::count_if(near, [&](const Candidate& c) {
      return LargerIsNearer(all_.distance) ? c.score >= truth.back().score : c.score <= truth.back().score;
    });
    return static_cast<uint32_t>(std::min<size_t>(static_cast<size_t>(hits), truth.size()));
  }
  // A query all of whose nearest rows were found would find them with a wider beam, too; those that are left are few.
  bool IsDone(uint32_t i) const { return found_[i] == truths_[i].size(); }

  void Reach(uint32_t beam, std::vector<uint32_t>* beams) const {
    const auto hits = static_cast<double>(std::accumulate(found_.begin(), found_.end(), uint64_t{0}));
    while (beams->size() < kLevels && hits >= kRecallLevels[beams->size()] * total_) beams->push_back(beam);
  }

  Status MeasureWalks(std::vector<uint32_t>* beams) {
    found_.assign(queries_.size(), 0);
    for (const uint32_t beam : kBeamsTried) {
      AKI_RETURN_IF_ERROR(ForPieces(ctx_, parallel_, queries_.size(), 1, [&](uint32_t i, uint32_t) {
        if (IsDone(i)) return;
        std::vector<Candidate> near;
        GraphSearchStats stats;
        // A failure is that of ctx, which is asked again in the end.
        (void)index_.SearchWithout(ctx_, queries_.hidden[i], {.vector = queries_.vector(i), .k = kK, .ef_search = beam},
                                   GraphWay::kWalk, &near, &stats);
        found_[i] = HitsOf(i, near);
        reaches_[i] = stats.reach;
      }));
      Reach(beam, beams);
      if (beams->size() == kLevels) break;
    }
    beams->resize(kLevels, *std::rbegin(kBeamsTried));
    return OkStatus();
  }

  Status MeasureSweeps(std::vector<uint32_t>* sweeps) {
    found_.assign(queries_.size(), 0);
    std::vector<uint32_t> found_by(size_t{queries_.size()} * kBeamsOfSweep);
    for (size_t at = 0; at < std::size(kBeamsTried) && sweeps->size() < kLevels; at += kBeamsOfSweep) {
      // A sweep looks at every row, however few of them it scores, so that one serves several beams.
      const auto beams = std::span(kBeamsTried).subspan(at, std::min(kBeamsOfSweep, std::size(kBeamsTried) - at));
      AKI_RETURN_IF_ERROR(ForPieces(ctx_, parallel_, queries_.size(), 1, [&](uint32_t i, uint32_t) {
        std::vector<std::vector<Candidate>> near(beams.size());
        const bool done = IsDone(i);
        if (!done) {
          (void)index_.SweepsWithout(ctx_, queries_.hidden[i], {.vector = queries_.vector(i), .k = kK}, beams, &near);
        }
        for (size_t j = 0; j < beams.size(); ++j) {
          found_by[j * queries_.size() + i] = done ? found_[i] : HitsOf(i, near[j]);
        }
      }));
      for (size_t j = 0; j < beams.size(); ++j) {
        std::copy_n(found_by.begin() + static_cast<std::ptrdiff_t>(j * queries_.size()), queries_.size(),
                    found_.begin());
        Reach(beams[j], sweeps);
      }
    }
    sweeps->resize(kLevels, *std::rbegin(kBeamsTried));
    return OkStatus();
  }

  static constexpr size_t kLevels = std::size(kRecallLevels);

  OpContext& ctx_;
  const GraphIndex& index_;
  const CodedRows& all_;
  const MeasureQueries& queries_;
  Parallel& parallel_;
  std::vector<std::vector<Candidate>> truths_;
  double total_ = 0;
  std::vector<uint32_t> found_;
  std::vector<float> reaches_;
};

// Those that a walk as wide as was measured does not end beyond the reach of.
Result<MeasureQueries> WithinReach(OpContext& ctx, const GraphIndex& index, const MeasuredBeams& known,
                                   const MeasureQueries& queries, Parallel& parallel) {
  std::vector<uint8_t> is_far(queries.size());
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, queries.size(), 1, [&](uint32_t i, uint32_t) {
    std::vector<Candidate> near;
    GraphSearchStats stats;
    (void)index.SearchWithout(
        ctx, kNoRow, {.vector = queries.vector(i), .k = kK, .ef_search = BeamForRecall(known, kUsualRecall, kK).walk},
        GraphWay::kWalk, &near, &stats);
    is_far[i] = known.reach > 0 && stats.reach > known.reach ? 1 : 0;
  }));
  AKI_RETURN_IF_ERROR(ctx.Check());
  MeasureQueries out;
  for (uint32_t i = 0; i < queries.size(); ++i) {
    if (is_far[i] != 0) continue;
    const std::span<const float> values = queries.vector(i);
    out.values.insert(out.values.end(), values.begin(), values.end());
    out.hidden.push_back(kNoRow);
  }
  return out;
}

// By level. Those that the queries are too few for become as much wider as the last one before.
void Widen(std::span<const uint32_t> wanted, uint32_t queries, std::vector<uint32_t>* beams) {
  double wider = 1;
  for (size_t level = 0; level < beams->size(); ++level) {
    uint32_t& beam = (*beams)[level];
    if ((1 - kRecallLevels[level]) * kK * queries >= kMissesMin) {
      wider = wanted[level] >= kTellsApart * beam ? static_cast<double>(wanted[level]) / beam : 1;
    }
    beam = std::max(beam, static_cast<uint32_t>(std::min<double>(beam * wider, *std::rbegin(kBeamsTried))));
    if (level > 0) beam = std::max(beam, (*beams)[level - 1]);
  }
}

}  // namespace

Result<MeasuredBeams> MeasureBeams(OpContext& ctx, const GraphIndex& index, const CodedRows& all, uint64_t seed,
                                   Parallel& parallel) {
  const uint32_t rows = all.rows.row_count;
  const std::unique_ptr<Random> random = NewSeededRandom(seed ^ 0x6265616d);
  std::vector<RowIndex> sampled(std::min(std::clamp(rows / kRowsOfSample, kSamplesMin, kSamplesMax), rows));
  for (RowIndex& row : sampled) row = static_cast<RowIndex>(random->Below(rows));
  return BeamMeter(ctx, index, all, RowsAsQueries(all.rows, sampled), parallel).Measure();
}

Result<MeasuredBeams> WidenBeams(OpContext& ctx, const GraphIndex& index, const CodedRows& all,
                                 std::span<const float> queries, MeasuredBeams known, uint64_t seed,
                                 Parallel& parallel) {
  if (known.beams.empty()) {
    AKI_ASSIGN_OR_RETURN(known, MeasureBeams(ctx, index, all, seed, parallel));
  }
  const MeasureQueries seen{.values = std::vector<float>(queries.begin(), queries.end()),
                            .hidden = std::vector<RowIndex>(queries.size() / all.rows.dim, kNoRow)};
  AKI_ASSIGN_OR_RETURN(const MeasureQueries near, WithinReach(ctx, index, known, seen, parallel));
  if (near.size() < kSamplesMin) return known;
  AKI_ASSIGN_OR_RETURN(const MeasuredBeams wanted, BeamMeter(ctx, index, all, near, parallel).Measure());
  Widen(wanted.beams, near.size(), &known.beams);
  Widen(wanted.sweeps, near.size(), &known.sweeps);
  return known;
}

Beam BeamForRecall(const MeasuredBeams& measured, double recall, uint32_t k) {
  const bool guessed = measured.beams.empty();
  const std::span<const uint32_t> beams(guessed ? kGuessedBeams : std::span<const uint32_t>(measured.beams));
  const std::span<const uint32_t> sweeps(guessed ? kGuessedSweeps : std::span<const uint32_t>(measured.sweeps));
  size_t level = 0;
  while (level + 1 < beams.size() && kRecallLevels[level] < recall) ++level;
  const double wider = std::max(1.0, static_cast<double>(k) / kK);
  return {static_cast<uint32_t>(std::min(beams[level] * wider, 1e9)),
          static_cast<uint32_t>(std::min(sweeps[level] * wider, 1e9))};
}

Beam BeamForWalk(const MeasuredBeams& measured, uint32_t ef_search) {
  const auto at = std::ranges::lower_bound(measured.beams, ef_search);
  if (at == measured.beams.end()) return {ef_search, ef_search};
  const uint32_t as_good = measured.sweeps[static_cast<size_t>(at - measured.beams.begin())];
  // Who asks for a wide beam may have queries of another kind than those measured with.
  return {ef_search, std::max(ef_search / 2, as_good)};
}

Beam ForFarQuery(const Beam& beam, uint32_t matches) {
  const auto times = [&](uint32_t n, uint32_t by) {
    return static_cast<uint32_t>(std::min<uint64_t>(uint64_t{n} * by, std::max(n, matches)));
  };
  return {times(beam.walk, kFarWalk), times(beam.sweep, kFarSweep)};
}

}  // namespace akidb
