#include "ann/graph_builder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ann/graph_knn.h"
#include "ann/graph_prune.h"
#include "ann/graph_scratch.h"
#include "base/check.h"
#include "base/random.h"

namespace akidb {
namespace {

constexpr uint32_t kPieceRows = 256;
constexpr uint32_t kEntriesMax = 1024;
constexpr uint32_t kEntriesKept = 4;
constexpr size_t kCandidatesMax = 160;  // nearest candidates among which neighbours are chosen
constexpr size_t kReverseMax = 128;     // rows that may ask one row to be their neighbour
// Where older graphs know a row: of its near rows so many count, the first of them with their neighbours of old, and so
// many candidates in all. More find little and cost much, as choosing grows with the candidates.
constexpr size_t kNearMerged = 32;
constexpr size_t kJoinedMerged = 8;
constexpr size_t kCandidatesMerged = 80;

using Neighbours = std::vector<uint32_t>;

class GraphBuilder {
 public:
  GraphBuilder(OpContext& ctx, const GraphCodes& codes, const GraphOptions& options, const GraphSources& sources,
               const GraphKernels& kernels, Parallel& parallel, GraphTopology* topology)
      : ctx_(ctx),
        codes_(codes),
        slab_(codes.slab()),
        options_(options),
        sources_(sources),
        kernels_(kernels),
        parallel_(parallel),
        topology_(*topology),
        row_count_(codes.row_count()) {}

  Status Run() {
    PickEntries();
    AKI_ASSIGN_OR_RETURN(near_, MakeNearRows(ctx_, codes_, options_.seed, kernels_, parallel_));
    AKI_RETURN_IF_ERROR(ChooseNear());
    AKI_RETURN_IF_ERROR(AddReverse());
    for (uint32_t round = 0; round < options_.rounds && sources_.known_count() < row_count_; ++round) {
      AKI_RETURN_IF_ERROR(SearchAll());
      AKI_RETURN_IF_ERROR(AddReverse());
    }
    ConnectAll();
    topology_.neighbours = std::move(neighbours_);
    return OkStatus();
  }

 private:
  uint32_t* Of(Neighbours& all, uint32_t row) const { return all.data() + size_t{row} * kGraphDegree; }
  const uint32_t* Of(const Neighbours& all, uint32_t row) const { return all.data() + size_t{row} * kGraphDegree; }

  // About the square root of the rows: enough to begin near every query, few enough to cost little.
  void PickEntries() {
    const auto wanted = static_cast<uint32_t>(std::sqrt(static_cast<double>(row_count_)));
    const uint32_t count =
        std::clamp((wanted + kGraphDegree - 1) / kGraphDegree * kGraphDegree, kGraphDegree, kEntriesMax);
    const std::unique_ptr<Random> random = NewSeededRandom(options_.seed ^ 0x656e7472);
    topology_.entries.clear();
    for (uint32_t i = 0; i < count; ++i) {
      // Few rows: each at least once.
      topology_.entries.push_back(row_count_ <= count ? i % row_count_
                                                      : static_cast<uint32_t>(random->Below(row_count_)));
    }
  }

  // Near rows by the leaves, neighbours in an older graph, and neighbours of the nearest in theirs compete.
  Status ChooseNear() {
    neighbours_.resize(size_t{row_count_} * kGraphDegree);
    return ForPieces(ctx_, parallel_, row_count_, kPieceRows, [&](uint32_t begin, uint32_t end) {
      GraphPruner pruner(slab_, kernels_);
      Candidates candidates;
      for (uint32_t row = begin; row < end; ++row) {
        if (!sources_.Knows(row)) {
          pruner.Choose(row, near_.Of(row), Of(neighbours_, row));
          continue;
        }
        candidates.ids.clear();
        sources_.AppendNeighbours(row, &candidates.ids);
        const std::span<const int64_t> near = near_.Of(row);
        for (size_t i = 0; i < std::min(near.size(), kNearMerged); ++i) {
          candidates.ids.push_back(RowOfKey(near[i]));
          if (i < kJoinedMerged) sources_.AppendNeighbours(RowOfKey(near[i]), &candidates.ids);
        }
        MakeKeys(row, kCandidatesMerged, &candidates);
        pruner.Choose(row, candidates.keys, Of(neighbours_, row));
      }
    });
  }

  // Each row is offered those that chose it, and chooses again among them and its own.
  Status AddReverse() {
    std::vector<uint32_t> starts(size_t{row_count_} + 1);
    for (uint32_t row = 0; row < row_count_; ++row) {
      for (uint32_t j = 0; j < kGraphDegree; ++j) ++starts[Of(neighbours_, row)[j] + size_t{1}];
    }
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    std::vector<uint32_t> sources(neighbours_.size());
    std::vector<uint32_t> filled(starts.begin(), starts.end() - 1);
    for (uint32_t row = 0; row < row_count_; ++row) {
      for (uint32_t j = 0; j < kGraphDegree; ++j) sources[filled[Of(neighbours_, row)[j]]++] = row;
    }
    Neighbours next(neighbours_.size());
    AKI_RETURN_IF_ERROR(ForPieces(ctx_, parallel_, row_count_, kPieceRows, [&](uint32_t begin, uint32_t end) {
      GraphPruner pruner(slab_, kernels_);
      Candidates candidates;
      for (uint32_t row = begin; row < end; ++row) {
        candidates.ids.assign(Of(neighbours_, row), Of(neighbours_, row) + kGraphDegree);
        candidates.ids.insert(candidates.ids.end(), sources.begin() + starts[row], sources.begin() + starts[row + 1]);
        MakeKeys(row, kReverseMax, &candidates);
        pruner.Choose(row, candidates.keys, Of(next, row));
      }
    }));
    neighbours_ = std::move(next);
    return OkStatus();
  }

  struct Candidates {
    std::vector<uint32_t> ids;
    std::vector<float> distances;
    std::vector<int64_t> keys;
  };

  // From ids, in any order and with repetitions, to the nearest `most` keys.
  void MakeKeys(uint32_t row, size_t most, Candidates* c) const {
    std::ranges::sort(c->ids);
    const auto repeated = std::ranges::unique(c->ids);
    c->ids.erase(repeated.begin(), repeated.end());
    std::erase(c->ids, row);
    c->distances.resize(c->ids.size());
    kernels_.distances(slab_, row, c->ids.data(), c->ids.size(), c->distances.data());
    c->keys.clear();
    for (size_t i = 0; i < c->ids.size(); ++i) c->keys.push_back(KeyOfPair(c->distances[i], c->ids[i]));
    std::ranges::sort(c->keys);
    if (c->keys.size() > most) c->keys.resize(most);
  }

  // Every row that no older graph had is searched for in the graph so far; what the walk saw, the near rows and the
  // neighbours so far compete.
  Status SearchAll() {
    AKI_ASSIGN_OR_RETURN(const HugeArena blocks, MakeBlocks(ctx_, codes_, neighbours_, kernels_, parallel_));
    AKI_ASSIGN_OR_RETURN(const HugeArena entries, MakeEntryBlocks(codes_, topology_.entries, kernels_));
    Neighbours next(neighbours_.size());
    ScratchPool scratches(row_count_, slab_.dim);
    AKI_RETURN_IF_ERROR(ForPieces(ctx_, parallel_, row_count_, kPieceRows, [&](uint32_t begin, uint32_t end) {
      const ScratchPool::Lease scratch(scratches);
      GraphPruner pruner(slab_, kernels_);
      Candidates candidates;
      for (uint32_t row = begin; row < end; ++row) {
        if (sources_.Knows(row)) {
          std::copy_n(Of(neighbours_, row), kGraphDegree, Of(next, row));
          continue;
        }
        const int8_t* code = codes_.code(row);
        for (uint32_t i = 0; i < slab_.dim; ++i) {
          scratch->query()[i] = slab_.scales[row] * static_cast<float>(code[i]);
        }
        GraphWalk walk = scratch->Begin(kernels_, options_.ef_construction, options_.ef_construction);
        walk.blocks = reinterpret_cast<const uint8_t*>(blocks.data());
        walk.entry_blocks = reinterpret_cast<const uint8_t*>(entries.data());
        walk.entry_block_count = static_cast<uint32_t>(topology_.entries.size() / kGraphDegree);
        walk.entries_kept = kEntriesKept;
        walk.lookahead = 2;
        kernels_.fast.start(walk);
        while (kernels_.fast.run(walk, 1u << 20)) {
        }
        scratch->End(walk);
        candidates.ids.clear();
        for (uint32_t i = 0; i < walk.result_size; ++i) candidates.ids.push_back(RowOfKey(walk.results[i]));
        for (const int64_t key : near_.Of(row)) candidates.ids.push_back(RowOfKey(key));
        candidates.ids.insert(candidates.ids.end(), Of(neighbours_, row), Of(neighbours_, row) + kGraphDegree);
        MakeKeys(row, kCandidatesMax, &candidates);
        pruner.Choose(row, candidates.keys, Of(next, row));
      }
    }));
    neighbours_ = std::move(next);
    return OkStatus();
  }

  // Gives every row that no walk could reach a way to it: the last, least useful place of its nearest reached row.
  void ConnectAll() {
    std::vector<uint8_t> reached(row_count_);
    std::vector<uint8_t> bridged(row_count_);
    std::vector<uint32_t> pending(topology_.entries);
    const auto spread = [&] {
      while (!pending.empty()) {
        const uint32_t row = pending.back();
        pending.pop_back();
        if (reached[row] != 0) continue;
        reached[row] = 1;
        pending.insert(pending.end(), Of(neighbours_, row), Of(neighbours_, row) + kGraphDegree);
      }
    };
    spread();
    uint32_t any = topology_.entries.front();
    for (uint32_t row = 0; row < row_count_; ++row) {
      if (reached[row] != 0) continue;
      uint32_t from = any;
      for (const int64_t key : near_.Of(row)) {
        const uint32_t near = RowOfKey(key);
        if (reached[near] == 0 || bridged[near] != 0) continue;
        from = near;
        break;
      }
      if (bridged[from] == 0) {
        bridged[from] = 1;
        Of(neighbours_, from)[kGraphDegree - 1] = row;
      }
      // A row of bridges: where one place is used up, the row just reached offers its own.
      any = row;
      pending.push_back(row);
      spread();
    }
  }

  OpContext& ctx_;
  const GraphCodes& codes_;
  const CodeSlab slab_;
  const GraphOptions options_;
  const GraphSources& sources_;
  const GraphKernels& kernels_;
  Parallel& parallel_;
  GraphTopology& topology_;
  const uint32_t row_count_;
  NearRows near_;
  Neighbours neighbours_;
};

}  // namespace

Status BuildGraph(OpContext& ctx, const GraphCodes& codes, const GraphOptions& options, const GraphSources& sources,
                  const GraphKernels& kernels, Parallel& parallel, GraphTopology* topology) {
  return GraphBuilder(ctx, codes, options, sources, kernels, parallel, topology).Run();
}

}  // namespace akidb
