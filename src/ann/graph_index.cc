#include "ann/graph_index.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ann/exact_score.h"
#include "ann/flat_index.h"
#include "ann/graph_builder.h"
#include "ann/graph_codes.h"
#include "ann/graph_scratch.h"
#include "base/check.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

constexpr uint32_t kRowsMax = 0x7fffffff;
constexpr uint32_t kEfDefault = 64;
constexpr uint32_t kEntriesKept = 4;
constexpr uint32_t kLookahead = 2;
constexpr uint32_t kHopsBetweenChecks = 4096;
// A hop costs about as much as reading this many times its block from beginning to end.
constexpr double kHopCost = 2.0;
constexpr size_t kLineBytes = 64;

Status CheckRows(const VectorRows& rows, Distance distance) {
  if (rows.row_count == 0 || rows.row_count > kRowsMax || rows.dim == 0) {
    return InvalidArgument("graph: " + std::to_string(rows.row_count) + " rows of " + std::to_string(rows.dim) +
                           " elements, need 1 to " + std::to_string(kRowsMax) + " rows");
  }
  AKI_CHECK(distance != Distance::kCosine || rows.inv_norms != nullptr);
  AKI_CHECK(rows.type != VectorType::kInt8 || rows.scales != nullptr);
  return OkStatus();
}

class GraphIndexImpl final : public GraphIndex {
 public:
  GraphIndexImpl(const VectorRows& rows, Distance distance, const KernelSet& kernel_set, GraphTopology topology)
      : rows_(rows),
        distance_(distance),
        kernels_(GraphKernelsFor(kernel_set.name)),
        topology_(std::move(topology)),
        flat_(NewFlatIndexWith(rows, distance, kernel_set)) {}

  // Fits the space and makes codes; with `options` the topology, too; then the blocks.
  Status Make(OpContext& ctx, const GraphOptions* options, Parallel& parallel) {
    space_ = GraphSpace::Fit(rows_, distance_, topology_.seed, kernels_);
    layout_ = {space_.dim()};
    AKI_ASSIGN_OR_RETURN(const GraphCodes codes, GraphCodes::Make(ctx, rows_, space_, kernels_, parallel));
    if (options != nullptr) AKI_RETURN_IF_ERROR(BuildGraph(ctx, codes, *options, kernels_, parallel, &topology_));
    AKI_ASSIGN_OR_RETURN(blocks_, MakeBlocks(ctx, codes, topology_.neighbours, kernels_, parallel));
    AKI_ASSIGN_OR_RETURN(entry_blocks_, MakeEntryBlocks(codes, topology_.entries, kernels_));
    entry_block_count_ = static_cast<uint32_t>(topology_.entries.size() / kGraphDegree);
    topology_.neighbours = {};  // the blocks have them
    const CodeSlab slab = codes.slab();
    double scales = 0;
    for (uint32_t row = 0; row < rows_.row_count; ++row) scales += slab.scales[row];
    code_step_ = static_cast<float>(scales / rows_.row_count);
    scratches_ = std::make_unique<ScratchPool>(rows_.row_count, layout_.dim);
    return OkStatus();
  }

  std::string_view kind() const override { return "hnsw"; }
  uint64_t memory_bytes() const override {
    return blocks_.size_bytes() + entry_blocks_.size_bytes() + space_.memory_bytes() +
           topology_.entries.size() * sizeof(uint32_t) + scratches_->memory_bytes();
  }

  std::string Encode() const override { return EncodeGraphTopology(topology()); }

  GraphTopology topology() const override {
    GraphTopology out = topology_;
    out.neighbours.resize(size_t{rows_.row_count} * kGraphDegree);
    for (uint32_t row = 0; row < rows_.row_count; ++row) {
      std::memcpy(out.neighbours.data() + size_t{row} * kGraphDegree,
                  blocks_.data() + row * layout_.block_bytes() + layout_.ids(), kGraphDegree * sizeof(uint32_t));
    }
    return out;
  }

  Status Search(OpContext& ctx, const IndexQuery& query, std::vector<Candidate>* out) const override {
    GraphSearchStats stats;
    return SearchWithStats(ctx, query, out, &stats);
  }

  Status SearchWithStats(OpContext& ctx, const IndexQuery& query, std::vector<Candidate>* out,
                         GraphSearchStats* stats) const override {
    out->clear();
    AKI_RETURN_IF_ERROR(ctx.Check());
    if (query.k == 0) return OkStatus();
    const uint32_t matches = query.eligible == nullptr ? rows_.row_count : query.eligible->Count();
    const uint32_t wanted = std::min(query.k, matches);
    if (wanted == 0) return OkStatus();
    const uint32_t ef = std::max(query.ef_search == 0 ? kEfDefault : query.ef_search, wanted);
    // Of the nodes a walk sees about this share are results.
    const double share = static_cast<double>(matches) / rows_.row_count;
    const double pool = std::min(ef / share, static_cast<double>(rows_.row_count));
    const double walk_bytes = pool * static_cast<double>(layout_.block_bytes()) * kHopCost;
    const double scan_bytes = static_cast<double>(matches) * static_cast<double>(rows_.stride_bytes);
    if (query.exact || scan_bytes <= walk_bytes) return Scan(ctx, query, out, stats);
    // Rows may be in a pool more than once, so a pool as small as k may end with fewer than k.
    for (double size = pool; out->size() < wanted && size < 16 * pool; size *= 4) {
      AKI_RETURN_IF_ERROR(Walk(ctx, query, static_cast<uint32_t>(size), wanted, out, stats));
    }
    // A walk that found too few has met a graph or a filter it cannot deal with; the promise holds all the same.
    if (out->size() < wanted) return Scan(ctx, query, out, stats);
    return OkStatus();
  }

 private:
  Status Scan(OpContext& ctx, const IndexQuery& query, std::vector<Candidate>* out, GraphSearchStats* stats) const {
    stats->scanned = true;
    return flat_->Search(ctx, query, out);
  }

  Status Walk(OpContext& ctx, const IndexQuery& query, uint32_t pool, uint32_t wanted, std::vector<Candidate>* out,
              GraphSearchStats* stats) const {
    out->clear();
    const ScratchPool::Lease scratch(*scratches_);
    space_.TransformQuery(query.vector, scratch->query());
    GraphWalk walk = scratch->Begin(kernels_, pool, wanted + std::max(8u, wanted / 4));
    walk.blocks = reinterpret_cast<const uint8_t*>(blocks_.data());
    walk.entry_blocks = reinterpret_cast<const uint8_t*>(entry_blocks_.data());
    walk.entry_block_count = entry_block_count_;
    walk.entries_kept = kEntriesKept;
    walk.lookahead = kLookahead;
    walk.eligible = query.eligible == nullptr ? nullptr : query.eligible->words().data();
    kernels_.start(walk);
    Status status;
    while (kernels_.run(walk, kHopsBetweenChecks) && status.ok()) status = ctx.Check();
    scratch->End(walk);
    AKI_RETURN_IF_ERROR(status);
    stats->hops += walk.hops;
    Rescore(query, walk, wanted, out, stats);
    return OkStatus();
  }

  // The codes put rows in order up to their error: the few that may be among the best are scored exactly.
  void Rescore(const IndexQuery& query, const GraphWalk& walk, uint32_t wanted, std::vector<Candidate>* out,
               GraphSearchStats* stats) const {
    uint32_t count = std::min(walk.result_size, wanted);
    if (count == 0) return;
    // A code errs by code_step / sqrt(12) in every dimension, which the squared distance feels as 2 |q - x| times that;
    // four such errors are allowed for.
    const float last = std::max(0.0f, DistanceOfKey(walk.results[count - 1]));
    const float limit = last + 2.3f * code_step_ * std::sqrt(last);
    while (count < walk.result_size && DistanceOfKey(walk.results[count]) <= limit) ++count;
    for (uint32_t i = 0; i < count; ++i) {
      const std::byte* row = rows_.Row(RowOfKey(walk.results[i]));
      for (size_t at = 0; at < rows_.stride_bytes; at += kLineBytes) __builtin_prefetch(row + at);
    }
    const ExactScorer scorer(rows_, distance_, query.vector);
    out->reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
      const RowIndex row = RowOfKey(walk.results[i]);
      out->push_back({scorer.Score(row), row});
    }
    stats->rescored += count;
    KeepBest(wanted, out);
  }

  void KeepBest(uint32_t wanted, std::vector<Candidate>* out) const {
    const auto rank = [&](const Candidate& c) {
      if (std::isnan(c.score)) return static_cast<double>(INFINITY);
      return LargerIsNearer(distance_) ? -c.score : c.score;
    };
    std::sort(out->begin(), out->end(), [&](const Candidate& a, const Candidate& b) {
      const double x = rank(a), y = rank(b);
      return x != y ? x < y : a.row < b.row;
    });
    size_t n = std::min<size_t>(wanted, out->size());
    while (n > 0 && n < out->size() && rank((*out)[n]) == rank((*out)[n - 1])) ++n;
    out->resize(n);
  }

  const VectorRows rows_;
  const Distance distance_;
  const GraphKernels& kernels_;
  GraphTopology topology_;
  const std::unique_ptr<VectorIndex> flat_;
  GraphSpace space_;
  GraphLayout layout_;
  HugeArena blocks_;
  HugeArena entry_blocks_;
  uint32_t entry_block_count_ = 0;
  float code_step_ = 0;
  std::unique_ptr<ScratchPool> scratches_;
};

}  // namespace

Result<std::unique_ptr<GraphIndex>> GraphIndex::BuildWith(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                          const GraphOptions& options, const KernelSet& kernels,
                                                          Parallel& parallel) {
  AKI_RETURN_IF_ERROR(CheckRows(rows, distance));
  GraphTopology topology{.distance = distance,
                         .dim = rows.dim,
                         .row_count = rows.row_count,
                         .seed = options.seed,
                         .entries = {},
                         .neighbours = {}};
  auto index = std::make_unique<GraphIndexImpl>(rows, distance, kernels, std::move(topology));
  AKI_RETURN_IF_ERROR(index->Make(ctx, &options, parallel));
  return index;
}

Result<std::unique_ptr<GraphIndex>> GraphIndex::OpenWith(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                         const GraphTopology& topology, const KernelSet& kernels,
                                                         Parallel& parallel) {
  AKI_RETURN_IF_ERROR(CheckRows(rows, distance));
  AKI_RETURN_IF_ERROR(ValidateGraphTopology(topology));
  if (topology.distance != distance || topology.dim != rows.dim || topology.row_count != rows.row_count) {
    return std::unexpected(DataLoss("graph: made for " + std::to_string(topology.row_count) + " rows of " +
                                    std::to_string(topology.dim) + " elements by " +
                                    std::string(DistanceName(topology.distance)) + ", not for these"));
  }
  auto index = std::make_unique<GraphIndexImpl>(rows, distance, kernels, topology);
  AKI_RETURN_IF_ERROR(index->Make(ctx, nullptr, parallel));
  return index;
}

Result<std::unique_ptr<GraphIndex>> GraphIndex::Build(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                      const GraphOptions& options, Parallel& parallel) {
  return BuildWith(ctx, rows, distance, options, Kernels(), parallel);
}

Result<std::unique_ptr<GraphIndex>> GraphIndex::Open(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                     const GraphTopology& topology, Parallel& parallel) {
  return OpenWith(ctx, rows, distance, topology, Kernels(), parallel);
}

}  // namespace akidb
