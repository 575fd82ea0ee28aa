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
constexpr uint32_t kConnectRoundsMax = 32;
constexpr size_t kReverseMax = 128;  // rows that may ask one row to be their neighbour
// Where there are older graphs, leaves need only find what those could not know: near rows from other graphs. So few
// that all of them are neighbours until neighbours of old compete with them.
constexpr NearOptions kNearOfOthers = {.kept = 24, .fanout = {7, 2}};
// Where some rows were in no graph, or in one that lost rows, leaves look for near rows from everywhere. A row that was
// in none gets the neighbours of old of its nearest rows instead of more leaves.
constexpr NearOptions kNearOfMerged = {.kept = 64, .fanout = {5, 2}};
constexpr size_t kJoinedMerged = 8;
constexpr size_t kCandidatesMerged = 96;  // more find little and cost much, as choosing grows with them

// 200, which is usual, gives 24 leaves a row and 112 candidates.
NearOptions NearOptionsFor(uint32_t ef_construction) {
  return {.kept = std::clamp(ef_construction * 14 / 25, 48u, kNearKeptMax),
          .fanout = {std::clamp(ef_construction / 25, 3u, 16u), std::clamp(ef_construction / 66, 2u, 4u)}};
}

// Keys (distance, row), kGraphDegree a row; the row itself fills places that are free.
using Neighbours = std::vector<int64_t>;

class GraphBuilder {
 public:
  GraphBuilder(OpContext& ctx, const GraphCodes& codes, const GraphOptions& options, const GraphSources& sources,
               const GraphBuildKernels& kernels, Parallel& parallel, GraphTopology* topology)
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
    const std::vector<uint32_t> groups = sources_.Groups();
    NearOptions near = sources_.known_count() > 0 ? kNearOfMerged : NearOptionsFor(options_.ef_construction);
    if (!groups.empty()) near = kNearOfOthers;
    near.groups = groups;
    AKI_ASSIGN_OR_RETURN(near_, MakeNearRows(ctx_, codes_, options_.seed, near, kernels_, parallel_));
    AKI_RETURN_IF_ERROR(ChooseNear());
    AKI_RETURN_IF_ERROR(AddReverse());
    ConnectAll();
    topology_.neighbours = Numbers();
    return OkStatus();
  }

 private:
  static std::span<int64_t, kGraphDegree> Of(Neighbours& all, uint32_t row) {
    return std::span<int64_t, kGraphDegree>(all.data() + size_t{row} * kGraphDegree, kGraphDegree);
  }

  std::vector<uint32_t> Numbers() const {
    std::vector<uint32_t> out(neighbours_.size());
    std::ranges::transform(neighbours_, out.begin(), RowOfKey);
    return out;
  }

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

  // What one thread needs to choose neighbours of one row after the other.
  struct Chooser {
    explicit Chooser(const GraphBuilder& builder) : pruner(builder.slab_, builder.kernels_) {}
    GraphPruner pruner;
    std::vector<int64_t> keys;  // candidates
    std::vector<uint32_t> ids;  // candidates whose distances are not known
    std::vector<float> distances;
  };

  // Chooses among the nearest `most` of the candidates, which come in any order and may come twice, as may the row.
  void Choose(uint32_t row, size_t most, Chooser* c, Neighbours* to) const {
    if (!c->ids.empty()) {
      std::ranges::sort(c->ids);
      const auto repeated = std::ranges::unique(c->ids);
      c->ids.erase(repeated.begin(), repeated.end());
      c->distances.resize(c->ids.size());
      kernels_.distances(slab_, row, c->ids.data(), c->ids.size(), c->distances.data());
      for (size_t i = 0; i < c->ids.size(); ++i) c->keys.push_back(KeyOfPair(c->distances[i], c->ids[i]));
    }
    // The distance of two rows has the same bits wherever it comes from, so that what comes twice is equal.
    std::ranges::sort(c->keys);
    const auto repeated = std::ranges::unique(c->keys);
    c->keys.erase(repeated.begin(), repeated.end());
    std::erase_if(c->keys, [&](int64_t key) { return RowOfKey(key) == row; });
    if (c->keys.size() > most) c->keys.resize(most);
    const std::span<int64_t> chosen = Of(*to, row);
    const uint32_t count = c->pruner.ChooseKeys(c->keys, chosen.data());
    std::fill(chosen.begin() + count, chosen.end(), KeyOfPair(0, row));
  }

  // Near rows by the leaves compete; those of older graphs wait for the second choice.
  Status ChooseNear() {
    neighbours_.resize(size_t{row_count_} * kGraphDegree);
    return ForPieces(ctx_, parallel_, row_count_, kPieceRows, [&](uint32_t begin, uint32_t end) {
      Chooser chooser(*this);
      for (uint32_t row = begin; row < end; ++row) {
        const std::span<const int64_t> near = near_.Of(row);
        chooser.keys.assign(near.begin(), near.end());
        chooser.ids.clear();
        if (sources_.known_count() == 0 || sources_.Knows(row)) {
          Choose(row, near.size(), &chooser, &neighbours_);
          continue;
        }
        for (size_t i = 0; i < std::min(near.size(), kJoinedMerged); ++i) {
          sources_.AppendNeighbours(RowOfKey(near[i]), &chooser.ids);
        }
        Choose(row, kCandidatesMerged, &chooser, &neighbours_);
      }
    });
  }

  // Each row is offered those that chose it, and chooses again among them, its own and its neighbours of old.
  Status AddReverse() {
    std::vector<uint32_t> starts(size_t{row_count_} + 1);
    for (const int64_t key : neighbours_) ++starts[RowOfKey(key) + size_t{1}];
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    Neighbours offers(neighbours_.size());
    std::vector<uint32_t> filled(starts.begin(), starts.end() - 1);
    for (uint32_t row = 0; row < row_count_; ++row) {
      for (const int64_t key : Of(neighbours_, row)) {
        offers[filled[RowOfKey(key)]++] = KeyOfPair(DistanceOfKey(key), row);
      }
    }
    Neighbours next(neighbours_.size());
    AKI_RETURN_IF_ERROR(ForPieces(ctx_, parallel_, row_count_, kPieceRows, [&](uint32_t begin, uint32_t end) {
      Chooser chooser(*this);
      for (uint32_t row = begin; row < end; ++row) {
        const std::span<const int64_t> own = Of(neighbours_, row);
        chooser.keys.assign(own.begin(), own.end());
        chooser.keys.insert(chooser.keys.end(), offers.begin() + starts[row], offers.begin() + starts[row + 1]);
        chooser.ids.clear();
        sources_.AppendNeighbours(row, &chooser.ids);
        Choose(row, kReverseMax, &chooser, &next);
      }
    }));
    neighbours_ = std::move(next);
    return OkStatus();
  }

  // Gives every row that no walk could reach a way to it: the last, least useful place of its nearest reached row. That
  // place may have been the only way to another row, so what is reached is looked at anew until all is.
  void ConnectAll() {
    std::vector<uint8_t> bridged(row_count_);
    for (uint32_t round = 0; round < kConnectRoundsMax && !ConnectOnce(&bridged); ++round) {
    }
  }

  // True if there was nothing to do.
  bool ConnectOnce(std::vector<uint8_t>* bridged) {
    std::vector<uint8_t> reached(row_count_);
    std::vector<uint32_t> pending(topology_.entries);
    const auto spread = [&] {
      while (!pending.empty()) {
        const uint32_t row = pending.back();
        pending.pop_back();
        if (reached[row] != 0) continue;
        reached[row] = 1;
        for (const int64_t key : Of(neighbours_, row)) pending.push_back(RowOfKey(key));
      }
    };
    spread();
    bool all = true;
    uint32_t any = 0;
    const auto is_free = [&](uint32_t row) { return reached[row] != 0 && (*bridged)[row] == 0; };
    while (any + 1 < row_count_ && !is_free(any)) ++any;
    for (uint32_t row = 0; row < row_count_; ++row) {
      if (reached[row] != 0) continue;
      all = false;
      uint32_t from = any;
      for (const int64_t key : near_.Of(row)) {
        if (!is_free(RowOfKey(key))) continue;
        from = RowOfKey(key);
        break;
      }
      if ((*bridged)[from] == 0) {
        (*bridged)[from] = 1;
        Of(neighbours_, from)[kGraphDegree - 1] = KeyOfPair(0, row);  // its distance does not matter any more
      }
      // A row of bridges: where one place is used up, the row just reached offers its own.
      any = row;
      pending.push_back(row);
      spread();
    }
    return all;
  }

  OpContext& ctx_;
  const GraphCodes& codes_;
  const CodeSlab slab_;
  const GraphOptions options_;
  const GraphSources& sources_;
  const GraphBuildKernels& kernels_;
  Parallel& parallel_;
  GraphTopology& topology_;
  const uint32_t row_count_;
  NearRows near_;
  Neighbours neighbours_;
};

}  // namespace

Status BuildGraph(OpContext& ctx, const GraphCodes& codes, const GraphOptions& options, const GraphSources& sources,
                  const GraphKernels& kernels, Parallel& parallel, GraphTopology* topology) {
  return GraphBuilder(ctx, codes, options, sources, GraphBuildKernelsFor(kernels.name), parallel, topology).Run();
}

}  // namespace akidb
