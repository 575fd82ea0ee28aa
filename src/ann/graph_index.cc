#include "ann/graph_index.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <span>

#include "ann/ask_for.h"
#include "ann/exact_score.h"
#include "ann/flat_index.h"
#include "ann/graph_beams.h"
#include "ann/graph_builder.h"
#include "ann/graph_codes.h"
#include "ann/graph_scratch.h"
#include "base/check.h"
#include "base/mutex.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

constexpr uint32_t kRowsMax = 0x7fffffff;
constexpr uint32_t kEntriesKept = 4;
// Nodes chosen before they are looked at, the one that is being looked at included.
constexpr uint32_t kLookahead = 5;
constexpr uint32_t kFewDimsLookahead = 8;  // short blocks: more of a hop is finding their pages
constexpr uint32_t kCompactLookahead = 2;
constexpr uint32_t kReachRank = 10;
constexpr uint32_t kHopsBetweenChecks = 4096;
constexpr uint32_t kRowsAhead = 8;  // of those that are scored exactly
constexpr double kNearlyAll = 0.9;
constexpr double kManyPass = 0.4;      // of which a walk takes enough
constexpr double kManyPassBeam = 1.6;  // a filter that all fail would want so much more,
constexpr double kFilterBeam = 1.5;    // one that few pass so many times as much,
constexpr double kFilterSweep = 2;     // and so many times the rows scored after a sweep, which cost little beside it
constexpr uint32_t kFilterBeamOfWanted = 3;
constexpr uint32_t kGoOn = 3;  // times as large is the pool of a walk that goes on, if a third of the matches are there
constexpr uint32_t kGoOnSteps = 4;     // in which a pool grows by its first size
constexpr uint32_t kKeptOfWanted = 4;  // matches at least, or half as many as the pool has nodes
constexpr double kHopsOfPool = 0.45;
constexpr double kFilterCost = 1.5;  // of a hop that looks for matches
constexpr uint32_t kSweepRoom = 3;   // keys gathered, in multiples of those kept, before the best are chosen
constexpr uint32_t kSweepRoomMin = 512;
constexpr uint32_t kSampleHits = 24;  // rows of a sample that are expected below the bound
constexpr uint32_t kSampleStepMin = 8;
constexpr uint32_t kSampleBlocksMin = 16;

// Of the codes that a compact walk's pool is put in order by.
uint32_t CodeBits(GraphLayoutKind layout) { return layout == GraphLayoutKind::kCompact5 ? 5 : 8; }

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
  Status Make(OpContext& ctx, const GraphOptions* options, std::span<const GraphSource> older, Parallel& parallel) {
    space_ = GraphSpace::Fit(rows_, distance_, topology_.seed, kernels_);
    layout_ = {space_.dim()};
    AKI_ASSIGN_OR_RETURN(const GraphCodes codes, GraphCodes::Make(ctx, rows_, space_, kernels_, parallel));
    if (options != nullptr) {
      const GraphSources sources(older, rows_.row_count);
      AKI_RETURN_IF_ERROR(BuildGraph(ctx, codes, *options, sources, kernels_, parallel, &topology_));
    }
    entry_block_count_ = static_cast<uint32_t>(topology_.entries.size() / kGraphDegree);
    AKI_RETURN_IF_ERROR(is_compact() ? MakeCompact(ctx, codes, parallel) : MakeFast(ctx, codes, parallel));
    AKI_ASSIGN_OR_RETURN(sweep_blocks_, MakeSweepBlocks(ctx, codes, kernels_, parallel));
    if (HasFinerCodes(topology_.layout)) {
      AKI_ASSIGN_OR_RETURN(finer_, MakeFinerRows(ctx, rows_, space_, codes, kernels_, parallel));
    }
    topology_.neighbours = {};  // blocks or edges have them
    scratches_ = std::make_unique<ScratchPool>(rows_.row_count, layout_.dim);
    if (options != nullptr) {
      AKI_ASSIGN_OR_RETURN(topology_.measured, MeasureBeams(ctx, *this, {rows_, distance_, space_, codes, kernels_},
                                                            topology_.seed, parallel));
    }
    UseBeams(std::move(topology_.measured));
    return OkStatus();
  }

  Result<bool> MeasureWith(OpContext& ctx, std::span<const float> queries, Parallel& parallel) override {
    AKI_ASSIGN_OR_RETURN(const GraphCodes codes, GraphCodes::Make(ctx, rows_, space_, kernels_, parallel));
    AKI_ASSIGN_OR_RETURN(MeasuredBeams wider, WidenBeams(ctx, *this, {rows_, distance_, space_, codes, kernels_},
                                                         queries, beams(), topology_.seed, parallel));
    if (wider == beams()) return false;
    UseBeams(std::move(wider));
    return true;
  }

  std::string_view kind() const override { return "hnsw"; }
  uint64_t memory_bytes() const override {
    return blocks_.size_bytes() + entry_blocks_.size_bytes() + sweep_blocks_.size_bytes() + compact_.memory_bytes() +
           finer_.memory_bytes() + space_.memory_bytes() + topology_.entries.size() * sizeof(uint32_t) +
           scratches_->memory_bytes();
  }

  std::string Encode() const override { return EncodeGraphTopology(topology()); }

  GraphTopology topology() const override {
    GraphTopology out = topology_;
    out.measured = beams();
    out.neighbours.resize(size_t{rows_.row_count} * kGraphDegree);
    if (is_compact()) {
      std::memcpy(out.neighbours.data(), compact_.edges.data(), out.neighbours.size() * sizeof(uint32_t));
      return out;
    }
    for (uint32_t row = 0; row < rows_.row_count; ++row) {
      std::memcpy(out.neighbours.data() + size_t{row} * kGraphDegree,
                  blocks_.data() + row * layout_.block_bytes() + layout_.ids(), kGraphDegree * sizeof(uint32_t));
    }
    return out;
  }

  GraphLayoutKind layout() const override { return topology_.layout; }

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
    const bool by_recall = query.ef_search == 0;
    if (query.exact || (by_recall && query.recall >= 1)) return Scan(ctx, query, out, stats);
    const MeasuredBeams& measured = beams();
    Beam beam = by_recall ? BeamForRecall(measured, query.recall, query.k) : BeamForWalk(measured, query.ef_search);
    beam.walk = std::max(beam.walk, wanted);
    // Rows that pass a filter lie otherwise to the queries than those measured with.
    const bool filtered = IsFiltered(matches);
    if (filtered) beam.sweep = static_cast<uint32_t>(beam.sweep * kFilterSweep);
    beam.sweep = std::max(beam.sweep, wanted);
    const GraphWay way = Choose(beam, wanted, matches);
    if (way == GraphWay::kScan) return Scan(ctx, query, out, stats);
    if (way == GraphWay::kWalk) {
      const auto walk = [&]() -> Result<bool> {  // whether it found enough
        const uint32_t pool = PoolSize(beam.walk, wanted, matches);
        const uint32_t trusted_from = filtered ? MatchesNear(beam.walk, wanted) : 0;
        AKI_ASSIGN_OR_RETURN(const uint32_t near, Walk(ctx, query, pool, wanted, trusted_from, kNoRow, out, stats));
        // Rows may be in a pool more than once, so that one as small as k may end with fewer than k.
        return out->size() >= wanted && near >= trusted_from;
      };
      AKI_ASSIGN_OR_RETURN(bool found, walk());
      const bool far = by_recall && measured.reach > 0 && stats->reach > measured.reach;
      if (found && !far) return OkStatus();
      if (far) {
        beam = ForFarQuery(beam, matches);
        const GraphWay longer = Choose(beam, wanted, matches);
        if (longer == GraphWay::kScan) return Scan(ctx, query, out, stats);
        if (longer == GraphWay::kWalk && found) {  // where a filter lets it find too few, a longer one may as well
          AKI_ASSIGN_OR_RETURN(found, walk());
          if (found) return OkStatus();
        }
      }
    }
    const uint32_t count = std::min(beam.sweep, matches);
    return Sweep(ctx, query, {&count, 1}, wanted, {out, 1}, stats);
  }

  Status SearchWithout(OpContext& ctx, RowIndex hidden, const IndexQuery& query, GraphWay way,
                       std::vector<Candidate>* out, GraphSearchStats* stats) const override {
    // Only walks can hide a row; the others find one more.
    IndexQuery more = query;
    ++more.k;
    const uint32_t wanted = std::min(more.k, rows_.row_count);
    if (way == GraphWay::kScan) AKI_RETURN_IF_ERROR(Scan(ctx, more, out, stats));
    if (way == GraphWay::kSweep) {
      const uint32_t count = query.ef_search + 1;
      AKI_RETURN_IF_ERROR(Sweep(ctx, more, {&count, 1}, wanted, {out, 1}, stats));
    }
    if (way == GraphWay::kWalk) {
      AKI_RETURN_IF_ERROR(
          internal::ToStatus(Walk(ctx, more, std::max(query.ef_search, wanted), wanted, 0, hidden, out, stats)));
    }
    DropHidden(hidden, query.k, out);
    return OkStatus();
  }

  Status SweepsWithout(OpContext& ctx, RowIndex hidden, const IndexQuery& query, std::span<const uint32_t> counts,
                       std::vector<std::vector<Candidate>>* out) const override {
    IndexQuery more = query;
    ++more.k;
    std::vector<uint32_t> scored(counts.begin(), counts.end());
    for (uint32_t& count : scored) ++count;
    out->resize(counts.size());
    GraphSearchStats stats;
    AKI_RETURN_IF_ERROR(Sweep(ctx, more, scored, std::min(more.k, rows_.row_count), *out, &stats));
    for (std::vector<Candidate>& found : *out) DropHidden(hidden, query.k, &found);
    return OkStatus();
  }

 private:
  const MeasuredBeams& beams() const { return *beams_.load(std::memory_order_acquire); }
  // For searches from now on; others may be reading those before.
  void UseBeams(MeasuredBeams measured) {
    const MutexLock lock(beams_mutex_);
    all_beams_.push_back(std::make_unique<const MeasuredBeams>(std::move(measured)));
    beams_.store(all_beams_.back().get(), std::memory_order_release);
  }

  static void DropHidden(RowIndex hidden, uint32_t k, std::vector<Candidate>* out) {
    std::erase_if(*out, [&](const Candidate& c) { return c.row == hidden; });
    if (out->size() > k) out->resize(k);
  }

  bool is_compact() const { return IsCompact(topology_.layout); }
  const GraphWalkKernels& walk_kernels() const { return is_compact() ? kernels_.compact : kernels_.fast; }

  Status MakeFast(OpContext& ctx, const GraphCodes& codes, Parallel& parallel) {
    AKI_ASSIGN_OR_RETURN(blocks_, MakeBlocks(ctx, codes, topology_.neighbours, kernels_, parallel));
    AKI_ASSIGN_OR_RETURN(entry_blocks_, MakeEntryBlocks(codes, topology_.entries, kernels_));
    const CodeSlab slab = codes.slab();
    double scales = 0;
    for (uint32_t row = 0; row < rows_.row_count; ++row) scales += slab.scales[row];
    code_step_ = static_cast<float>(scales / rows_.row_count);
    return OkStatus();
  }
  Status MakeCompact(OpContext& ctx, const GraphCodes& codes, Parallel& parallel) {
    AKI_ASSIGN_OR_RETURN(
        compact_, MakeCompactRows(ctx, codes, topology_.neighbours, CodeBits(topology_.layout), kernels_, parallel));
    AKI_ASSIGN_OR_RETURN(entry_blocks_, MakeCompactEntries(codes, topology_.entries, kernels_));
    code_step_ = compact_.code_step;
    return OkStatus();
  }

  // A few deleted rows are walked through at hardly any cost; only a filter that many rows fail wants other means.
  bool IsFiltered(uint32_t matches) const { return matches < kNearlyAll * rows_.row_count; }

  // Whether matches are remembered wherever they are seen, so that few of them do not want a pool as many times larger.
  // In the compact layout they are what finds out whether a walk is trusted.
  bool RemembersMatches(uint32_t matches) const {
    return IsFiltered(matches) && (is_compact() || matches < kManyPass * rows_.row_count);
  }

  uint32_t PoolSize(uint32_t ef, uint32_t wanted, uint32_t matches) const {
    const double share = static_cast<double>(matches) / rows_.row_count;
    double pool = ef / share;
    if (RemembersMatches(matches)) {
      pool = kFilterBeam * std::max(ef, kFilterBeamOfWanted * wanted) / std::sqrt(share);
    } else if (IsFiltered(matches)) {
      pool *= 1 + kManyPassBeam * (1 - share);
    }
    return static_cast<uint32_t>(std::min<double>(pool, rows_.row_count));
  }
  // A filtered walk is trusted if so many matches lie as near as the nodes that it took: where there are fewer, better
  // ones may lie anywhere.
  static uint32_t MatchesNear(uint32_t ef, uint32_t wanted) { return 1 + std::max(ef / 13, wanted / 2); }

  // The way that costs least, by what each reads (ns; docs/internals/ann.md says where the figures are from).
  GraphWay Choose(const Beam& beam, uint32_t wanted, uint32_t matches) const {
    const double rows = rows_.row_count;
    const double share = matches / rows;
    const double hop =
        (is_compact() ? 200 + 1.35 * layout_.dim : 70 + 0.16 * static_cast<double>(layout_.block_bytes())) *
        (IsFiltered(matches) ? kFilterCost : 1);
    const double walk = (12 + kHopsOfPool * PoolSize(beam.walk, wanted, matches)) * hop;
    const double blocks = rows / kGraphDegree * (1 - std::pow(1 - share, kGraphDegree));
    const double sweep = blocks * (10 + 0.03 * static_cast<double>(SweepLayout{layout_.dim}.block_bytes())) +
                         std::min(beam.sweep, matches) * (20 + 0.1 * layout_.dim);
    const double scan = matches * (20 + 0.035 * static_cast<double>(rows_.stride_bytes));
    if (scan <= std::min(walk, sweep)) return GraphWay::kScan;
    return sweep < walk ? GraphWay::kSweep : GraphWay::kWalk;
  }

  Status Scan(OpContext& ctx, const IndexQuery& query, std::vector<Candidate>* out, GraphSearchStats* stats) const {
    ++stats->scans;
    stats->bytes +=
        uint64_t{query.eligible == nullptr ? rows_.row_count : query.eligible->Count()} * rows_.stride_bytes;
    return flat_->Search(ctx, query, out);
  }

  // An empty walk for the query; scratch.End must follow.
  GraphWalk BeginWalk(const IndexQuery& query, uint32_t pool, uint32_t wanted, GraphScratch& scratch) const {
    space_.TransformQuery(query.vector, scratch.query());
    GraphWalk walk = scratch.Begin(kernels_, pool, wanted + ResultSlack(wanted));
    walk.entry_blocks = reinterpret_cast<const uint8_t*>(entry_blocks_.data());
    walk.entry_block_count = entry_block_count_;
    walk.entries_kept = kEntriesKept;
    walk.lookahead = is_compact() ? kCompactLookahead : walk.layout.code_bits() > 1 ? kFewDimsLookahead : kLookahead;
    walk.finer = {reinterpret_cast<const uint8_t*>(finer_.nibbles.data()), finer_.norms_squared.data()};
    if (is_compact()) {
      scratch.PrepareSigns(kernels_);
      walk.compact = compact_.layout;
      walk.edges = reinterpret_cast<const uint8_t*>(compact_.edges.data());
      walk.signs = reinterpret_cast<const uint8_t*>(compact_.signs.data());
      walk.codes = reinterpret_cast<const uint8_t*>(compact_.codes.data());
      walk.entries = topology_.entries.data();
    } else {
      walk.blocks = reinterpret_cast<const uint8_t*>(blocks_.data());
    }
    return walk;
  }
  // Rows beyond those wanted that codes may have put in the wrong order.
  uint32_t ResultSlack(uint32_t wanted) const {
    return topology_.layout == GraphLayoutKind::kCompact5 ? std::max(24u, wanted) : std::max(8u, wanted / 4);
  }

  // Of more than `count` matches the best, and from now on none that is not among so many.
  static void KeepBestMatches(uint32_t count, GraphWalk* walk) {
    if (walk->match_size <= count) return;
    std::nth_element(walk->matches, walk->matches + count - 1, walk->matches + walk->match_size);
    walk->match_size = count;
    walk->match_bound = DistanceOfKey(walk->matches[count - 1]);
  }

  // How many of the matches that it saw lie as near as the nodes that it took, of which `trusted_from` are enough; 0 if
  // none are asked for, as without a filter.
  Result<uint32_t> Walk(OpContext& ctx, const IndexQuery& query, uint32_t pool, uint32_t wanted, uint32_t trusted_from,
                        RowIndex hidden, std::vector<Candidate>* out, GraphSearchStats* stats) const {
    out->clear();
    const bool filtered = trusted_from > 0;
    const ScratchPool::Lease scratch(*scratches_);
    GraphWalk walk =
        BeginWalk(query, filtered ? PoolToGoOn(pool, trusted_from, *query.eligible) : pool, wanted, *scratch);
    walk.pool_reach = pool;
    // A small pool is faster; what the compact layout forgets cannot be found again by looking at a few nodes.
    const uint32_t room = walk.pool_capacity;
    if (!is_compact()) walk.pool_capacity = pool;
    // Rows that were taken are scored already; in the compact layout those remembered are all there is.
    const uint32_t kept = is_compact() ? pool : std::max(pool / 2, kKeptOfWanted * wanted);
    if (query.eligible != nullptr) {
      walk.eligible = query.eligible->words().data();
      if (filtered && RemembersMatches(query.eligible->Count())) {
        scratch->KeepMatches(query.eligible->words(), 2 * kept + kGraphDegree, &walk);
      }
    }
    if (hidden != kNoRow) scratch->Hide(hidden, &walk);
    walk_kernels().start(walk);
    Status status;
    const auto run = [&] {
      while (walk_kernels().run(walk, kHopsBetweenChecks) && status.ok()) {
        KeepBestMatches(kept, &walk);
        status = ctx.Check();
      }
      KeepBestMatches(kept, &walk);
      return filtered ? MatchesAsNear(walk, *query.eligible) : 0;
    };
    uint32_t near = run();
    // Too few, but some: most likely they are thin here by chance, and going on costs less than a look at all rows.
    while (near < trusted_from && near * kGoOn >= trusted_from && walk.pool_reach < room && status.ok()) {
      if (walk.pool_capacity < room) kernels_.widen(walk, room);
      walk.pool_reach = std::min(walk.pool_reach + pool / kGoOnSteps + 1, room);
      near = run();
    }
    stats->hops += walk.hops;
    stats->bytes += BytesRead(walk);
    stats->reach = walk.pool_size == 0 ? 0 : DistanceOfKey(walk.pool[std::min(walk.pool_size, kReachRank) - 1]);
    walk_kernels().finish(walk);
    scratch->End(walk);
    if (!status.ok()) return std::unexpected(std::move(status));
    Rescore(query, walk, wanted, out, stats);
    return near;
  }

  // Room for a walk to go on after `pool`, if that may be wanted: if the matches that it will take are hardly more than
  // those that make it trusted.
  uint32_t PoolToGoOn(uint32_t pool, uint32_t trusted_from, const RowSet& eligible) const {
    const double share = static_cast<double>(eligible.Count()) / rows_.row_count;
    if (pool * share * kHopsOfPool > trusted_from * 1.5) return pool;
    return static_cast<uint32_t>(std::min<uint64_t>(uint64_t{pool} * kGoOn, rows_.row_count));
  }

  // How many matches lie as near as the nodes that the walk took. In the fast layout they are among those: estimates of
  // others are first ones, which the pool's, the best of several, cannot be compared with.
  uint32_t MatchesAsNear(const GraphWalk& walk, const RowSet& eligible) const {
    if (!is_compact()) {
      return static_cast<uint32_t>(std::count_if(walk.trail, walk.trail + walk.trail_size,
                                                 [&](uint32_t row) { return eligible.Contains(row); }));
    }
    if (walk.pool_size == 0) return 0;
    const int64_t farthest = walk.pool[std::min(walk.pool_size, walk.pool_reach) - 1];
    return static_cast<uint32_t>(
        std::count_if(walk.matches, walk.matches + walk.match_size, [&](int64_t key) { return key < farthest; }));
  }

  uint64_t BytesRead(const GraphWalk& walk) const {
    const uint64_t entries = entry_blocks_.size_bytes();
    if (!is_compact()) return entries + walk.hops * layout_.block_bytes();
    const CompactLayout& compact = compact_.layout;
    return entries + walk.hops * compact.edge_bytes() + walk.trail_size * compact.sign_bytes() +
           uint64_t{walk.pool_size} * compact.code_bytes();
  }

  // A bound that about 1.6 times `count` of the rows are below, by a look at a few blocks; infinity where those would
  // say too little. Choosing the best among fewer is a quarter of a sweep.
  float BoundBySample(GraphSweep sweep, uint32_t count, uint32_t matches) const {
    sweep.step = count / kSampleHits;
    sweep.bound = INFINITY;
    if (sweep.step < kSampleStepMin || sweep.block_count < kSampleBlocksMin * sweep.step || kernels_.sweep(sweep)) {
      return INFINITY;
    }
    const double below = static_cast<double>(sweep.size) * count / matches;
    const auto rank = static_cast<uint32_t>(below + 3 * std::sqrt(below));
    if (rank < kSampleHits || rank >= sweep.size) return INFINITY;
    std::nth_element(sweep.keys, sweep.keys + rank, sweep.keys + sweep.size);
    return DistanceOfKey(sweep.keys[rank]);
  }

  // Leaves the `count` best of the rows below the bound in sweep->keys.
  Status SweepBest(OpContext& ctx, uint32_t count, GraphSweep* sweep) const {
    for (bool more = true; more;) {
      more = kernels_.sweep(*sweep);
      if (sweep->size > count) {
        std::nth_element(sweep->keys, sweep->keys + count - 1, sweep->keys + sweep->size);
        sweep->size = count;
        sweep->bound = DistanceOfKey(sweep->keys[count - 1]);
      }
      AKI_RETURN_IF_ERROR(ctx.Check());
    }
    return OkStatus();
  }

  // Looks at the sign codes of all eligible rows and scores the best of them: for each of `counts`, ascending, as many.
  Status Sweep(OpContext& ctx, const IndexQuery& query, std::span<const uint32_t> counts, uint32_t wanted,
               std::span<std::vector<Candidate>> outs, GraphSearchStats* stats) const {
    const uint32_t count = counts.back();
    const ScratchPool::Lease scratch(*scratches_);
    GraphWalk walk = BeginWalk(query, kSweepRoom * count + kSweepRoomMin, wanted, *scratch);
    GraphSweep sweep;
    sweep.blocks = reinterpret_cast<const uint8_t*>(sweep_blocks_.data());
    sweep.block_count = (rows_.row_count + kGraphDegree - 1) / kGraphDegree;
    sweep.row_count = rows_.row_count;
    sweep.dim = layout_.dim;
    sweep.query = walk.query;
    sweep.eligible = query.eligible == nullptr ? nullptr : query.eligible->words().data();
    sweep.keys = walk.pool;
    sweep.capacity = walk.pool_capacity;
    const uint32_t matches = query.eligible == nullptr ? rows_.row_count : query.eligible->Count();
    sweep.bound = BoundBySample(sweep, count, matches);
    const bool guessed = sweep.bound < INFINITY;
    AKI_RETURN_IF_ERROR(SweepBest(ctx, count, &sweep));
    if (guessed && sweep.size < count) {
      sweep.size = 0;
      sweep.next_block = 0;
      sweep.bound = INFINITY;
      AKI_RETURN_IF_ERROR(SweepBest(ctx, count, &sweep));
    }
    ++stats->sweeps;
    stats->bytes += sweep_blocks_.size_bytes();
    if (counts.size() > 1) std::sort(sweep.keys, sweep.keys + sweep.size);
    for (size_t i = 0; i < counts.size(); ++i) {
      const uint32_t scored = std::min(counts[i], sweep.size);
      walk.result_size = 0;
      walk_kernels().score_own(walk, sweep.keys, scored);
      stats->bytes += uint64_t{scored} * layout_.dim;
      outs[i].clear();
      Rescore(query, walk, wanted, &outs[i], stats);
    }
    return OkStatus();
  }

  // The codes put rows in order up to their error: the few that may be among the best are scored exactly, or by finer
  // codes where rows must not be read.
  void Rescore(const IndexQuery& query, GraphWalk& walk, uint32_t wanted, std::vector<Candidate>* out,
               GraphSearchStats* stats) const {
    uint32_t count = std::min(walk.result_size, wanted);
    if (count == 0) return;
    if (query.from_codes && !HasFinerCodes(topology_.layout)) return TakeResults(query, walk, count, out);
    // A code errs by code_step / sqrt(12) in every dimension, which the squared distance feels as 2 |q - x| times that;
    // four such errors are allowed for.
    const float last = std::max(0.0f, DistanceOfKey(walk.results[count - 1]));
    const float limit = last + 2.3f * code_step_ * std::sqrt(last);
    while (count < walk.result_size && DistanceOfKey(walk.results[count]) <= limit) ++count;
    if (query.from_codes) {
      walk.result_size = count;
      walk_kernels().refine(walk);
      std::sort(walk.results, walk.results + count);
      stats->bytes += uint64_t{count} * layout_.dim / 2;
      return TakeResults(query, walk, std::min(count, wanted), out);
    }
    const auto ask_for = [&](uint32_t i) { AskForLines(rows_.Row(RowOfKey(walk.results[i])), rows_.stride_bytes); };
    for (uint32_t i = 0; i < std::min(count, kRowsAhead); ++i) ask_for(i);
    const ExactScorer scorer(rows_, distance_, query.vector);
    out->reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
      if (i + kRowsAhead < count) ask_for(i + kRowsAhead);
      const RowIndex row = RowOfKey(walk.results[i]);
      out->push_back({scorer.Score(row), row});
    }
    stats->rescored += count;
    stats->bytes += uint64_t{count} * rows_.stride_bytes;
    KeepBest(wanted, out);
  }

  // With scores as the codes say.
  void TakeResults(const IndexQuery& query, const GraphWalk& walk, uint32_t count, std::vector<Candidate>* out) const {
    for (uint32_t i = 0; i < count; ++i) {
      out->push_back({space_.ScoreAt(query.vector, DistanceOfKey(walk.results[i])), RowOfKey(walk.results[i])});
    }
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
  GraphTopology topology_;  // without beams
  const std::unique_ptr<VectorIndex> flat_;
  GraphSpace space_;
  GraphLayout layout_;
  HugeArena blocks_;
  HugeArena entry_blocks_;
  HugeArena sweep_blocks_;
  CompactRows compact_;
  FinerRows finer_;
  uint32_t entry_block_count_ = 0;
  float code_step_ = 0;
  std::unique_ptr<ScratchPool> scratches_;
  std::atomic<const MeasuredBeams*> beams_{nullptr};
  Mutex beams_mutex_;
  std::vector<std::unique_ptr<const MeasuredBeams>> all_beams_ AKI_GUARDED_BY(beams_mutex_);
};

}  // namespace

uint64_t GraphBytesPerRow(GraphLayoutKind layout, uint32_t dim) {
  const uint32_t padded = (dim + kGraphAlign - 1) / kGraphAlign * kGraphAlign;
  const size_t row =
      IsCompact(layout) ? CompactLayout{padded, CodeBits(layout)}.row_bytes() : GraphLayout{padded}.block_bytes();
  const size_t finer = HasFinerCodes(layout) ? padded / 2 + sizeof(float) : 0;
  return row + finer + SweepLayout{padded}.block_bytes() / kGraphDegree;
}

Result<std::unique_ptr<GraphIndex>> GraphIndex::BuildWith(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                          const GraphOptions& options, const KernelSet& kernels,
                                                          Parallel& parallel, std::span<const GraphSource> sources) {
  AKI_RETURN_IF_ERROR(CheckRows(rows, distance));
  GraphTopology topology{.distance = distance,
                         .dim = rows.dim,
                         .row_count = rows.row_count,
                         .seed = options.seed,
                         .layout = options.layout,
                         .entries = {},
                         .neighbours = {},
                         .measured = {}};
  auto index = std::make_unique<GraphIndexImpl>(rows, distance, kernels, std::move(topology));
  AKI_RETURN_IF_ERROR(index->Make(ctx, &options, sources, parallel));
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
  AKI_RETURN_IF_ERROR(index->Make(ctx, nullptr, {}, parallel));
  return index;
}

Result<std::unique_ptr<GraphIndex>> GraphIndex::Build(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                      const GraphOptions& options, Parallel& parallel,
                                                      std::span<const GraphSource> sources) {
  return BuildWith(ctx, rows, distance, options, Kernels(), parallel, sources);
}

Result<std::unique_ptr<GraphIndex>> GraphIndex::Open(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                     const GraphTopology& topology, Parallel& parallel) {
  return OpenWith(ctx, rows, distance, topology, Kernels(), parallel);
}

}  // namespace akidb
