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

// For dot products a query is not coded as it would be as a row.
struct QueryCodes {
  QueryCodes(const CodedRows& all, const MeasureQueries& queries) : dim(all.space.dim()) {
    codes.resize(size_t{queries.size()} * dim);
    scales.resize(queries.size());
    norms_squared.resize(queries.size());
    std::vector<float> x(dim);
    for (size_t i = 0; i < queries.size(); ++i) {
      all.space.TransformQuery(queries.vector(i), x.data());
      all.kernels.encode(x.data(), dim, codes.data() + i * dim, &scales[i], &norms_squared[i]);
    }
  }
  CodeSlab slab() const { return {codes.data(), scales.data(), norms_squared.data(), dim}; }

  uint32_t dim;
  std::vector<int8_t> codes;
  std::vector<float> scales, norms_squared;
};

// The nearest of a query by codes, whatever the order in which leaves come.
struct NearOfQuery {
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

std::vector<Candidate> BestByScore(const CodedRows& all, std::span<const float> query, std::span<const int64_t> near,
                                   uint32_t k) {
  const ExactScorer scorer(all.rows, all.distance, query);
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

MeasureQueries RowsAsQueries(const VectorRows& rows, std::span<const RowIndex> sampled) {
  MeasureQueries out{.values = std::vector<float>(sampled.size() * rows.dim),
                     .hidden = std::vector<RowIndex>(sampled.begin(), sampled.end())};
  for (size_t i = 0; i < sampled.size(); ++i) LoadRow(rows, sampled[i], out.values.data() + i * rows.dim);
  return out;
}

Result<std::vector<std::vector<Candidate>>> NearestOf(OpContext& ctx, const CodedRows& all,
                                                      const MeasureQueries& queries, uint32_t k, Parallel& parallel) {
  const GraphBuildKernels& kernels = GraphBuildKernelsFor(all.kernels.name);
  const QueryCodes coded(all, queries);
  const size_t most = size_t{k} * kScoredOfWanted;
  const uint32_t row_count = all.codes.row_count();
  const size_t leaf_rows = std::clamp<size_t>(kLeafBytes / coded.dim, 1, kLeafRowsMax);
  const auto leaf_count = static_cast<uint32_t>((row_count + leaf_rows - 1) / leaf_rows);
  std::vector<uint32_t> numbers(queries.size());
  std::iota(numbers.begin(), numbers.end(), 0u);
  std::vector<NearOfQuery> nears(queries.size());
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, leaf_count, 1, [&](uint32_t at, uint32_t) {
    // Rows that follow each other may be alike, and a leaf offers a query few.
    std::vector<uint32_t> rows;
    for (uint32_t row = at; row < row_count; row += leaf_count) rows.push_back(row);
    GraphLeaf leaf(all.codes.slab(), kernels);
    leaf.Fill(rows, rows);
    leaf.ForNearest(
        coded.slab(), numbers, [&](size_t i) { return LeafSkip{queries.hidden[i], {}}; },
        [&](size_t i) { return nears[i].Limit(most); },
        [&](size_t i, std::span<const int64_t> keys) { nears[i].Take(keys, most); });
  }));
  std::vector<std::vector<Candidate>> out(queries.size());
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, queries.size(), 1, [&](uint32_t i, uint32_t) {
    const MutexLock lock(nears[i].mutex);
    out[i] = BestByScore(all, queries.vector(i), nears[i].near, k);
  }));
  return out;
}

}  // namespace akidb
