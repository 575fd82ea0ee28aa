#include "ann/graph_beams.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "ann/graph_codes.h"
#include "ann/graph_space.h"
#include "base/random.h"

namespace akidb {
namespace {

constexpr uint32_t kSamples = 192;
constexpr uint32_t kK = 10;
constexpr uint32_t kBeamsTried[] = {10,  12,  14,  16,  20,  24,  28,  32,  40,  48,  56,   64,   80,   96,
                                    112, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024, 1536, 2048, 4096};

// As on embeddings, for graphs that were stored before they measured themselves.
constexpr uint32_t kGuessedBeams[] = {16, 24, 40, 64, 96, 192, 384, 1024};
constexpr uint32_t kGuessedSweeps[] = {16, 24, 32, 48, 64, 128, 256, 512};

}  // namespace

Result<MeasuredBeams> MeasureBeams(OpContext& ctx, const GraphIndex& index, const VectorRows& rows, Distance distance,
                                   uint64_t seed, Parallel& parallel) {
  const uint32_t samples = std::min(kSamples, rows.row_count);
  const std::unique_ptr<Random> random = NewSeededRandom(seed ^ 0x6265616d);
  std::vector<uint32_t> sampled(samples);
  for (uint32_t& row : sampled) row = static_cast<uint32_t>(random->Below(rows.row_count));
  constexpr size_t kTries = std::size(kBeamsTried);
  constexpr GraphWay kWays[] = {GraphWay::kWalk, GraphWay::kSweep};
  std::vector<std::array<std::array<uint32_t, kTries>, 2>> found(samples);
  std::vector<uint32_t> truth_sizes(samples);
  std::vector<float> reaches(samples);
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, samples, 1, [&](uint32_t i, uint32_t) {
    std::vector<float> values(rows.dim);
    std::vector<Candidate> near, truth;
    GraphSearchStats stats;
    LoadRow(rows, sampled[i], values.data());
    IndexQuery query{.vector = values, .k = kK};
    if (!index.SearchWithout(ctx, sampled[i], query, GraphWay::kScan, &truth, &stats).ok() || truth.empty()) return;
    truth_sizes[i] = static_cast<uint32_t>(truth.size());
    for (const GraphWay way : kWays) {
      for (size_t t = 0; t < kTries; ++t) {
        query.ef_search = kBeamsTried[t];
        if (!index.SearchWithout(ctx, sampled[i], query, way, &near, &stats).ok()) return;
        // Rows as near as the last true one count, whichever of them the truth names.
        const auto hits = static_cast<uint32_t>(std::ranges::count_if(near, [&](const Candidate& c) {
          return LargerIsNearer(distance) ? c.score >= truth.back().score : c.score <= truth.back().score;
        }));
        found[i][static_cast<size_t>(way)][t] = std::min(hits, truth_sizes[i]);
      }
    }
    reaches[i] = stats.reach;
  }));
  uint64_t total = 0;
  for (const uint32_t n : truth_sizes) total += n;
  MeasuredBeams out;
  out.reach = std::max(0.0f, *std::ranges::max_element(reaches));
  for (const GraphWay way : kWays) {
    std::vector<uint32_t>& beams = way == GraphWay::kWalk ? out.beams : out.sweeps;
    size_t t = 0;
    for (const double level : kRecallLevels) {
      for (; t + 1 < kTries; ++t) {
        uint64_t hits = 0;
        for (uint32_t i = 0; i < samples; ++i) hits += found[i][static_cast<size_t>(way)][t];
        if (static_cast<double>(hits) >= level * static_cast<double>(total)) break;
      }
      beams.push_back(kBeamsTried[t]);
    }
  }
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
  // Who asks for more than any level wants has queries of another kind.
  const uint32_t least = ef_search / 2;
  const auto at = std::ranges::lower_bound(topology.beams, ef_search);
  if (at == topology.beams.end()) return {ef_search, ef_search};
  return {ef_search, std::max(least, topology.sweeps[static_cast<size_t>(at - topology.beams.begin())])};
}

}  // namespace akidb
