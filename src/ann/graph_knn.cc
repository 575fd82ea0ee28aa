#include "ann/graph_knn.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <numeric>

#include "ann/graph_leaf.h"
#include "ann/graph_scratch.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/random.h"

namespace akidb {
namespace {

constexpr size_t kLeafBytes = 1 << 20;  // of codes: half of a second-level cache
constexpr size_t kLeafRowsMin = 64;
constexpr size_t kLeavesMin = 16;  // of few rows: a leaf offers a row no more than kLeafKeys
constexpr size_t kLeafRowsMax = 1024;
constexpr uint32_t kLeadersMax = 64;
constexpr size_t kStripes = 1024;
constexpr uint32_t kPieceRows = 1024;
constexpr size_t kListsAhead = 4;
constexpr uint32_t kPieces = 64;  // of leaves, if there are so many: those of a piece share their memory
constexpr uint32_t kPieceLeavesMax = 8;

using Rows = std::vector<uint32_t>;

class NearRowsMaker {
 public:
  NearRowsMaker(OpContext& ctx, const GraphCodes& codes, uint64_t seed, const NearOptions& options,
                const GraphBuildKernels& kernels, Parallel& parallel)
      : ctx_(ctx),
        codes_(codes),
        slab_(codes.slab()),
        kernels_(kernels),
        parallel_(parallel),
        options_(options),
        random_(NewSeededRandom(seed ^ 0x6c656176)),
        leaf_rows_max_(std::clamp(std::min(kLeafBytes / slab_.dim, size_t{codes.row_count()} / kLeavesMin),
                                  kLeafRowsMin, kLeafRowsMax)) {
    AKI_CHECK(options.kept > 0 && options.kept <= kNearKeptMax);
    near_.capacity = options.kept;
    near_.counts.resize(codes.row_count());
    limits_.resize(codes.row_count(), INFINITY);
  }

  Status Run() {
    AKI_ASSIGN_OR_RETURN(near_.keys, HugeArena::Create(limits_.size() * near_.capacity * sizeof(int64_t)));
    Rows all(codes_.row_count());
    std::iota(all.begin(), all.end(), 0u);
    std::vector<Rows> leaves;
    AKI_RETURN_IF_ERROR(Deal(std::move(all), &leaves));
    const auto count = static_cast<uint32_t>(leaves.size());
    const uint32_t piece = std::clamp(count / kPieces, 1u, kPieceLeavesMax);
    return ForPieces(ctx_, parallel_, count, piece, [&](uint32_t begin, uint32_t end) {
      GraphLeaf leaf(slab_, kernels_);
      for (uint32_t at = begin; at < end; ++at) {
        Rows& rows = leaves[at];
        const std::vector<LeafGap> gaps = Arrange(&rows);
        leaf.Fill(rows, rows);
        leaf.ForNearest(
            slab_, rows, [&](size_t i) { return LeafSkip{rows[i], gaps.empty() ? LeafGap{} : gaps[i]}; },
            [&](size_t i) { return LimitOf(rows[i]); },
            [&](size_t i, std::span<const int64_t> keys) {
              if (i + kListsAhead < rows.size()) AskForList(rows[i + kListsAhead]);
              Merge(rows[i], keys);
            });
      }
    });
  }

  NearRows Take() { return std::move(near_); }

 private:
  struct Pending {
    Rows rows;
    size_t depth;
  };

  // Depth first, so that little is held at a time; the order is fixed, and so are the random numbers.
  Status Deal(Rows all, std::vector<Rows>* leaves) {
    std::vector<Pending> pending;
    pending.push_back({std::move(all), 0});
    while (!pending.empty()) {
      Pending next = std::move(pending.back());
      pending.pop_back();
      if (next.rows.size() <= leaf_rows_max_) {
        if (next.rows.size() > 1) leaves->push_back(std::move(next.rows));
        continue;
      }
      const size_t before = next.rows.size();
      AKI_ASSIGN_OR_RETURN(std::vector<Rows> parts, DealOnce(next));
      for (Rows& part : parts) {
        if (part.size() < before) {
          pending.push_back({std::move(part), next.depth + 1});
          continue;
        }
        // All follow one leader, as equal rows do: cut by number.
        for (size_t at = 0; at < part.size(); at += leaf_rows_max_) {
          const auto end = static_cast<std::ptrdiff_t>(std::min(part.size(), at + leaf_rows_max_));
          pending.push_back({Rows(part.begin() + static_cast<std::ptrdiff_t>(at), part.begin() + end), next.depth + 1});
        }
      }
    }
    return OkStatus();
  }

  Result<std::vector<Rows>> DealOnce(const Pending& from) {
    const uint32_t wanted = from.depth < options_.fanout.size() ? options_.fanout[from.depth] : 1;
    // Of the size of leaves at once, if there are leaders enough.
    const auto leader_count =
        static_cast<uint32_t>(std::clamp<size_t>(from.rows.size() * 2 * wanted / leaf_rows_max_, 2, kLeadersMax));
    const uint32_t fanout = std::min(wanted, leader_count);
    Rows leaders, numbers(leader_count);
    for (uint32_t i = 0; i < leader_count; ++i) leaders.push_back(from.rows[random_->Below(from.rows.size())]);
    std::iota(numbers.begin(), numbers.end(), 0u);
    const auto count = static_cast<uint32_t>(from.rows.size());
    std::vector<uint8_t> followed(size_t{count} * fanout);
    AKI_RETURN_IF_ERROR(ForPieces(ctx_, parallel_, count, kPieceRows, [&](uint32_t begin, uint32_t end) {
      GraphLeaf leaf(slab_, kernels_);
      leaf.Fill(leaders, numbers);
      const auto rows = std::span(from.rows).subspan(begin, end - begin);
      leaf.ForNearest(
          slab_, rows, [](size_t) { return LeafSkip{}; }, [](size_t) { return INFINITY; },
          [&](size_t i, std::span<const int64_t> keys) {
            for (uint32_t j = 0; j < fanout; ++j) {
              followed[(begin + i) * fanout + j] = static_cast<uint8_t>(RowOfKey(keys[j]));
            }
          });
    }));
    std::vector<Rows> parts(leader_count);
    for (uint32_t i = 0; i < count; ++i) {
      for (uint32_t j = 0; j < fanout; ++j) parts[followed[size_t{i} * fanout + j]].push_back(from.rows[i]);
    }
    return parts;
  }

  // Brings the rows of a group together. Returns for each the gap that is its group, nothing where there are no groups.
  std::vector<LeafGap> Arrange(Rows* rows) const {
    std::vector<LeafGap> gaps;
    if (options_.groups.empty()) return gaps;
    const auto group_of = [&](uint32_t row) { return options_.groups[row]; };
    std::ranges::sort(*rows, {}, [&](uint32_t row) { return std::pair(group_of(row), row); });
    gaps.resize(rows->size());
    for (uint32_t begin = 0; begin < rows->size();) {
      uint32_t end = begin + 1;
      while (end < rows->size() && group_of((*rows)[end]) == group_of((*rows)[begin])) ++end;
      std::fill(gaps.begin() + begin, gaps.begin() + end, LeafGap{begin, end});
      begin = end;
    }
    return gaps;
  }

  void AskForList(uint32_t row) const {
    const size_t bytes = near_.capacity * sizeof(int64_t);
    const char* list = near_.keys.data() + row * bytes;
    for (size_t at = 0; at < bytes; at += kGraphAlign) __builtin_prefetch(list + at, 1);
  }

  // What lies beyond it will not be among the best, whatever is to come; how much that spares depends on the order in
  // which leaves are compared, what is found does not.
  float LimitOf(uint32_t row) { return std::atomic_ref(limits_[row]).load(std::memory_order_relaxed); }

  // The best of a union do not depend on the order in which its parts come.
  void Merge(uint32_t row, std::span<const int64_t> keys) {
    if (keys.empty()) return;
    const MutexLock lock(stripes_[row % kStripes]);
    int64_t* own = reinterpret_cast<int64_t*>(near_.keys.data()) + static_cast<size_t>(row) * near_.capacity;
    const uint16_t count = near_.counts[row];
    // What is nearer than all that is new stays where it is.
    int64_t* const from = std::lower_bound(own, own + count, keys.front());
    std::array<int64_t, kNearKeptMax + kLeafKeys> merged;
    const auto end = std::set_union(from, own + count, keys.begin(), keys.end(), merged.begin());
    const auto room = static_cast<size_t>(own + near_.capacity - from);
    const auto taken = std::min(static_cast<size_t>(end - merged.begin()), room);
    std::copy_n(merged.begin(), taken, from);
    near_.counts[row] = static_cast<uint16_t>(from - own + static_cast<std::ptrdiff_t>(taken));
    if (near_.counts[row] < near_.capacity) return;
    std::atomic_ref(limits_[row]).store(DistanceOfKey(own[near_.capacity - 1]), std::memory_order_relaxed);
  }

  OpContext& ctx_;
  const GraphCodes& codes_;
  const CodeSlab slab_;
  const GraphBuildKernels& kernels_;
  Parallel& parallel_;
  const NearOptions options_;
  std::unique_ptr<Random> random_;
  const size_t leaf_rows_max_;
  NearRows near_;
  std::vector<float> limits_;  // of each row the distance of the last of as many as are kept
  std::array<Mutex, kStripes> stripes_;
};

}  // namespace

Result<NearRows> MakeNearRows(OpContext& ctx, const GraphCodes& codes, uint64_t seed, const NearOptions& options,
                              const GraphBuildKernels& kernels, Parallel& parallel) {
  const auto maker = std::make_unique<NearRowsMaker>(ctx, codes, seed, options, kernels, parallel);
  AKI_RETURN_IF_ERROR(maker->Run());
  return maker->Take();
}

}  // namespace akidb
