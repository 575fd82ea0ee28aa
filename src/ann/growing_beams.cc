#include "ann/growing_beams.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ann/growing_index.h"

namespace akidb {
namespace {

constexpr uint32_t kK = 10;
constexpr uint32_t kBeamsTried[] = {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 1000};
constexpr uint32_t kGuessed[] = {32, 48, 64, 96, 128, 192, 320, 640};
static_assert(std::size(kGuessed) == std::size(kRecallLevels));
// Few samples, and a graph that grows until the next time: half of what is missing to 1 is asked for beyond a level.
constexpr double kMargin = 0.5;
// So much farther (squared) than the farthest of the samples is not far yet: one query of a hundred is, otherwise.
constexpr float kFarFrom = 1.1f;

}  // namespace

GrowingBeams::GrowingBeams() {
  for (size_t i = 0; i < beams_.size(); ++i) beams_[i].store(kGuessed[i], std::memory_order_relaxed);
}

uint32_t GrowingBeams::BeamFor(double recall, uint32_t k) const {
  size_t level = 0;
  while (level + 1 < beams_.size() && kRecallLevels[level] < recall) ++level;
  const double wider = std::max(1.0, static_cast<double>(k) / kK);
  return static_cast<uint32_t>(std::min(beams_[level].load(std::memory_order_relaxed) * wider, 1e9));
}

bool GrowingBeams::IsFar(float reach) const {
  const float measured = reach_.load(std::memory_order_relaxed);
  return measured > 0 && reach > measured;
}

Status GrowingBeamMeter::Measure(OpContext& ctx, RowIndex begin, uint32_t count) {
  const GrowingIndex::Body& body = *index_.body();
  const GrowingGraph& graph = *body.graph;
  GrowingScratch scratch(graph.capacity(), graph.dim());
  const VectorRows rows = index_.First(begin);
  RowSet linked(begin);
  for (RowIndex row = 0; row < begin; ++row) {
    if (index_.IsLinked(row)) linked.Add(row);
  }
  index_.Split(graph, begin, &linked, scratch, nullptr);
  std::vector<std::vector<float>> queries(count, std::vector<float>(rows.dim));
  std::vector<std::vector<Candidate>> truths(count);
  uint64_t total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    LoadRow(index_.rows_, begin + i, queries[i].data());
    const IndexQuery query{.vector = queries[i], .k = kK, .eligible = &linked};
    AKI_RETURN_IF_ERROR(NewFlatIndex(rows, index_.distance_)->Search(ctx, query, &truths[i]));
    total += std::min<size_t>(truths[i].size(), kK);
  }
  std::vector<uint32_t> beams;
  float reach = 0;
  for (const uint32_t ef : kBeamsTried) {
    uint64_t found = 0;
    for (uint32_t i = 0; i < count; ++i) {
      AKI_RETURN_IF_ERROR(ctx.Check());
      GrowingIndex::Walk walk{.pool = ef, .wanted = kK};
      index_.FindNear(body, queries[i], scratch, &walk);
      std::vector<Candidate> near;
      index_.Rescore(body, queries[i], scratch, kK, &near);
      index_.KeepBest(kK, &near);
      if (truths[i].empty()) continue;
      // Rows as near as the last true one count, whichever of them the truth names.
      const auto hits = std::ranges::count_if(near, [&](const Candidate& c) {
        return LargerIsNearer(index_.distance_) ? c.score >= truths[i].back().score : c.score <= truths[i].back().score;
      });
      found += std::min<uint64_t>(static_cast<uint64_t>(hits), std::min<size_t>(truths[i].size(), kK));
      reach = std::max(reach, walk.reach);
    }
    while (beams.size() < std::size(kRecallLevels)) {
      const double level = kRecallLevels[beams.size()];
      if (static_cast<double>(found) < (level + (1 - level) * kMargin) * static_cast<double>(total)) break;
      beams.push_back(ef);
    }
    if (beams.size() == std::size(kRecallLevels)) break;
  }
  beams.resize(std::size(kRecallLevels), *std::rbegin(kBeamsTried));
  for (size_t i = 0; i < beams.size(); ++i) index_.beams_.beams_[i].store(beams[i], std::memory_order_relaxed);
  index_.beams_.reach_.store(reach * kFarFrom, std::memory_order_relaxed);
  return OkStatus();
}

}  // namespace akidb
