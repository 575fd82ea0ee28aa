#include "ann/graph_truth.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "ann/exact_score.h"
#include "ann/graph_leaf.h"
#include "ann/graph_scratch.h"
#include "base/mutex.h"

namespace akidb {
namespace {

constexpr uint32_t kScoredOfWanted = 6;  // codes put rows in order up to their error
constexpr size_t kLeafBytes = 1 << 20;   // of codes: half of a second-level cache
constexpr size_t kLeafRowsMax = 1024;

// Codes of samples as queries: for dot products a query is not coded as it would be as a row.
struct SampleCodes {
  SampleCodes(const CodedRows& all, std::span<const uint32_t> samples) : dim(all.space.dim()) {
    codes.resize(samples.size() * dim);
    scales.resize(samples.size());
    norms_squared.resize(samples.size());
    std::vector<float> values(all.rows.dim), x(dim);
    for (size_t i = 0; i < samples.size(); ++i) {
      LoadRow(all.rows, samples[i], values.data());
      all.space.TransformQuery(values, x.data());
      all.kernels.encode(x.data(), dim, codes.data() + i * dim, &scales[i], &norms_squared[i]);
    }
  }
  CodeSlab slab() const { return {codes.data(), scales.data(), norms_squared.data(), dim}; }

  uint32_t dim;
  std::vector<int8_t> codes;
  std::vector<float> scales, norms_squared;
};

// The nearest of a sample by codes, whatever the order in which leaves come.
struct NearOfSample {
  void Take(std::span<const int64_t> keys, size_t most) {
    const MutexLock lock(mutex);
    std::vector<int64_t> merged(near.size() + keys.size());
    std::ranges::merge(near, keys, merged.begin());
    if (merged.size() > most) merged.resize(most);
    near = std::move(merged);
  }
  // Beyond it nothing is of use.
  float Limit(size_t most) {
    const MutexLock lock(mutex);
    return near.size() < most ? std::numeric_limits<float>::infinity() : DistanceOfKey(near.back());
  }

  Mutex mutex;
  std::vector<int64_t> near AKI_GUARDED_BY(mutex);
};

std::vector<Candidate> BestByScore(const CodedRows& all, uint32_t sample, std::span<const int64_t> near, uint32_t k) {
  std::vector<float> values(all.rows.dim);
  LoadRow(all.rows, sample, values.data());
  const ExactScorer scorer(all.rows, all.distance, values);
  std::vector<Candidate> out;
  for (const int64_t key : near) out.push_back({scorer.Score(RowOfKey(key)), RowOfKey(key)});
  const auto rank = [&](const Candidate& c) {
    if (std::isnan(c.score)) return std::numeric_limits<double>::infinity();
    return LargerIsNearer(all.distance) ? -c.score : c.score;
  };
  std::ranges::sort(out, [&](const Candidate& a, const Candidate& b) {
    const double x = rank(a), y = rank(b);
    return x != y ? x < y : a.row < b.row;
  });
  if (out.size() > k) out.resize(k);
  return out;
}

}  // namespace

Result<std::vector<std::vector<Candidate>>> NearestOfSamples(OpContext& ctx, const CodedRows& all,
                                                             std::span<const uint32_t> samples, uint32_t k,
                                                             Parallel& parallel) {
  const GraphBuildKernels& kernels = GraphBuildKernelsFor(all.kernels.name);
  const SampleCodes coded(all, samples);
  const size_t most = size_t{k} * kScoredOfWanted;
  const uint32_t row_count = all.codes.row_count();
  const size_t leaf_rows = std::clamp<size_t>(kLeafBytes / coded.dim, 1, kLeafRowsMax);
  const auto leaf_count = static_cast<uint32_t>((row_count + leaf_rows - 1) / leaf_rows);
  std::vector<uint32_t> numbers(samples.size());
  std::iota(numbers.begin(), numbers.end(), 0u);
  std::vector<NearOfSample> nears(samples.size());
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, leaf_count, 1, [&](uint32_t at, uint32_t) {
    // Rows that follow each other may be alike, and a leaf offers a sample few.
    std::vector<uint32_t> rows;
    for (uint32_t row = at; row < row_count; row += leaf_count) rows.push_back(row);
    GraphLeaf leaf(all.codes.slab(), kernels);
    leaf.Fill(rows, rows);
    leaf.ForNearest(
        coded.slab(), numbers, [&](size_t i) { return LeafSkip{samples[i], {}}; },
        [&](size_t i) { return nears[i].Limit(most); },
        [&](size_t i, std::span<const int64_t> keys) { nears[i].Take(keys, most); });
  }));
  std::vector<std::vector<Candidate>> out(samples.size());
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, static_cast<uint32_t>(samples.size()), 1, [&](uint32_t i, uint32_t) {
    const MutexLock lock(nears[i].mutex);
    out[i] = BestByScore(all, samples[i], nears[i].near, k);
  }));
  return out;
}

}  // namespace akidb
