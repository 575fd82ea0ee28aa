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

constexpr size_t kBeamsOfSweep = 10;
constexpr uint32_t kFarWalk = 28, kFarSweep = 16;  // what a query unlike the rows wants times as much of

// As on embeddings, for graphs that were stored before they measured themselves.
constexpr uint32_t kGuessedBeams[] = {16, 24, 40, 64, 96, 192, 384, 1024};
constexpr uint32_t kGuessedSweeps[] = {16, 24, 32, 48, 64, 128, 256, 512};

}  // namespace

Result<MeasuredBeams> MeasureBeams(OpContext& ctx, const GraphIndex& index, const CodedRows& all, uint64_t seed,
                                   Parallel& parallel) {
  const VectorRows& rows = all.rows;
  const uint32_t samples =
      std::min(std::clamp(rows.row_count / kRowsOfSample, kSamplesMin, kSamplesMax), rows.row_count);
  const std::unique_ptr<Random> random = NewSeededRandom(seed ^ 0x6265616d);
  std::vector<uint32_t> sampled(samples);
  for (uint32_t& row : sampled) row = static_cast<uint32_t>(random->Below(rows.row_count));
  AKI_ASSIGN_OR_RETURN(const std::vector<std::vector<Candidate>> truths,
                       NearestOfSamples(ctx, all, sampled, kK, parallel));
  double total = 0;
  for (const std::vector<Candidate>& truth : truths) total += static_cast<double>(truth.size());
  std::vector<uint32_t> found(samples);
  std::vector<float> reaches(samples);
  const auto hits_of = [&](uint32_t i, std::span<const Candidate> near) {
    const std::vector<Candidate>& truth = truths[i];
    if (truth.empty()) return 0u;
    // Rows as near as the last true one count, whichever of them the truth names.
    const auto hits = std::ranges::count_if(near, [&](const Candidate& c) {
      return LargerIsNearer(all.distance) ? c.score >= truth.back().score : c.score <= truth.back().score;
    });
    return static_cast<uint32_t>(std::min<size_t>(static_cast<size_t>(hits), truth.size()));
  };
  // A sample all of whose nearest rows were found would find them with a wider beam, too; those that are left are few.
  const auto is_done = [&](uint32_t i) { return found[i] == truths[i].size(); };
  const auto walk_all = [&](uint32_t ef) {
    return ForPieces(ctx, parallel, samples, 1, [&](uint32_t i, uint32_t) {
      if (is_done(i)) return;
      std::vector<float> values(rows.dim);
      LoadRow(rows, sampled[i], values.data());
      std::vector<Candidate> near;
      GraphSearchStats stats;
      // A failure is that of ctx, which is asked again below.
      (void)index.SearchWithout(ctx, sampled[i], {.vector = values, .k = kK, .ef_search = ef}, GraphWay::kWalk, &near,
                                &stats);
      found[i] = hits_of(i, near);
      reaches[i] = stats.reach;
    });
  };
  // A sweep looks at every row, however few of them it scores, so that one serves several beams.
  std::vector<uint32_t> found_by_sweeps(size_t{samples} * kBeamsOfSweep);
  const auto sweep_all = [&](std::span<const uint32_t> beams) {
    return ForPieces(ctx, parallel, samples, 1, [&](uint32_t i, uint32_t) {
      if (is_done(i)) {
        for (size_t j = 0; j < beams.size(); ++j) found_by_sweeps[j * samples + i] = found[i];
        return;
      }
      std::vector<float> values(rows.dim);
      LoadRow(rows, sampled[i], values.data());
      std::vector<std::vector<Candidate>> near(beams.size());
      (void)index.SweepsWithout(ctx, sampled[i], {.vector = values, .k = kK}, beams, &near);
      for (size_t j = 0; j < beams.size(); ++j) found_by_sweeps[j * samples + i] = hits_of(i, near[j]);
    });
  };
  const auto found_in_all = [&] {
    return static_cast<double>(std::accumulate(found.begin(), found.end(), uint64_t{0}));
  };
  MeasuredBeams out;
  constexpr size_t kLevels = std::size(kRecallLevels);
  const auto reach_levels = [&](uint32_t beam, double hits, std::vector<uint32_t>* beams) {
    while (beams->size() < kLevels && hits >= kRecallLevels[beams->size()] * total) beams->push_back(beam);
  };
  for (const uint32_t beam : kBeamsTried) {
    AKI_RETURN_IF_ERROR(walk_all(beam));
    reach_levels(beam, found_in_all(), &out.beams);
    if (out.beams.size() == kLevels) break;
  }
  std::ranges::fill(found, 0u);
  for (size_t at = 0; at < std::size(kBeamsTried) && out.sweeps.size() < kLevels; at += kBeamsOfSweep) {
    const auto some = std::span(kBeamsTried).subspan(at, std::min(kBeamsOfSweep, std::size(kBeamsTried) - at));
    AKI_RETURN_IF_ERROR(sweep_all(some));
    for (size_t j = 0; j < some.size(); ++j) {
      std::copy_n(found_by_sweeps.begin() + static_cast<std::ptrdiff_t>(j * samples), samples, found.begin());
      reach_levels(some[j], found_in_all(), &out.sweeps);
    }
  }
  out.beams.resize(kLevels, *std::rbegin(kBeamsTried));
  out.sweeps.resize(kLevels, *std::rbegin(kBeamsTried));
  // Nothing is told of searches that were cut short: equal rows and seeds must measure alike.
  AKI_RETURN_IF_ERROR(ctx.Check());
  out.reach = std::max(0.0f, *std::ranges::max_element(reaches));
  return out;
}

Beam BeamForRecall(const GraphTopology& topology, double recall, uint32_t k) {
  const bool measured = !topology.beams.empty();
  const std::span<const uint32_t> beams(measured ? std::span<const uint32_t>(topology.beams) : kGuessedBeams);
  const std::span<const uint32_t> sweeps(measured ? std::span<const uint32_t>(topology.sweeps) : kGuessedSweeps);
  size_t level = 0;
  while (level + 1 < beams.size() && kRecallLevels[level] < recall) ++level;
  const double wider = std::max(1.0, static_cast<double>(k) / kK);
  return {static_cast<uint32_t>(std::min(beams[level] * wider, 1e9)),
          static_cast<uint32_t>(std::min(sweeps[level] * wider, 1e9))};
}

Beam BeamForWalk(const GraphTopology& topology, uint32_t ef_search) {
  const auto at = std::ranges::lower_bound(topology.beams, ef_search);
  if (at == topology.beams.end()) return {ef_search, ef_search};
  const uint32_t as_good = topology.sweeps[static_cast<size_t>(at - topology.beams.begin())];
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
