#include "ann/graph_knn.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "ann/graph_scratch.h"
#include "base/mutex.h"
#include "base/random.h"

namespace akidb {
namespace {

constexpr uint32_t kCapacity = 64;      // near rows kept of each row
constexpr uint32_t kPerLeaf = 24;       // offered by one leaf
constexpr size_t kLeafBytes = 1 << 20;  // of codes widened to 16 bits: half of a second-level cache
constexpr size_t kLeafRowsMin = 64;
constexpr size_t kLeafRowsMax = 1024;
constexpr uint32_t kLeadersMax = 64;
constexpr std::array<uint32_t, 2> kFanout = {3, 2};  // leaders that a row follows at the first levels, then one
constexpr size_t kStripes = 1024;
constexpr uint32_t kPieceRows = 1024;
constexpr size_t kPieceColumns = 16;

using Rows = std::vector<uint32_t>;

class NearRowsMaker {
 public:
  NearRowsMaker(OpContext& ctx, const GraphCodes& codes, uint64_t seed, const GraphKernels& kernels, Parallel& parallel)
      : ctx_(ctx),
        codes_(codes),
        slab_(codes.slab()),
        kernels_(kernels),
        parallel_(parallel),
        random_(NewSeededRandom(seed ^ 0x6c656176)),
        leaf_rows_max_(std::clamp(kLeafBytes / (2 * size_t{slab_.dim}), kLeafRowsMin, kLeafRowsMax)) {
    near_.capacity = kCapacity;
    near_.keys.resize(size_t{codes.row_count()} * kCapacity);
    near_.counts.resize(codes.row_count());
  }

  Status Run() {
    Rows all(codes_.row_count());
    std::iota(all.begin(), all.end(), 0u);
    std::vector<Rows> leaves;
    AKI_RETURN_IF_ERROR(Deal(std::move(all), &leaves));
    return ForPieces(ctx_, parallel_, static_cast<uint32_t>(leaves.size()), 1,
                     [&](uint32_t leaf, uint32_t) { CompareAll(leaves[leaf]); });
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
    const auto leader_count =
        static_cast<uint32_t>(std::clamp<size_t>(from.rows.size() * 2 / leaf_rows_max_, 2, kLeadersMax));
    const uint32_t fanout = std::min(from.depth < kFanout.size() ? kFanout[from.depth] : 1, leader_count);
    Rows leaders;
    for (uint32_t i = 0; i < leader_count; ++i) leaders.push_back(from.rows[random_->Below(from.rows.size())]);
    const auto count = static_cast<uint32_t>(from.rows.size());
    std::vector<uint8_t> followed(size_t{count} * fanout);
    AKI_RETURN_IF_ERROR(ForPieces(ctx_, parallel_, count, kPieceRows, [&](uint32_t begin, uint32_t end) {
      std::array<float, kLeadersMax> distances;
      std::array<int64_t, kLeadersMax> keys;
      for (uint32_t i = begin; i < end; ++i) {
        kernels_.distances(slab_, from.rows[i], leaders.data(), leader_count, distances.data());
        for (uint32_t j = 0; j < leader_count; ++j) keys[j] = KeyOfPair(distances[j], j);
        std::partial_sort(keys.begin(), keys.begin() + fanout, keys.begin() + leader_count);
        for (uint32_t j = 0; j < fanout; ++j)
          followed[size_t{i} * fanout + j] = static_cast<uint8_t>(RowOfKey(keys[j]));
      }
    }));
    std::vector<Rows> parts(leader_count);
    for (uint32_t i = 0; i < count; ++i) {
      for (uint32_t j = 0; j < fanout; ++j) parts[followed[size_t{i} * fanout + j]].push_back(from.rows[i]);
    }
    return parts;
  }

  // Keeps the kPerLeaf nearest of one row in a leaf.
  struct Nearest {
    std::array<int64_t, kPerLeaf + 1> keys;
    uint32_t count = 0;

    // Returns the distance beyond which nothing more is kept.
    float Offer(int64_t key) {
      if (count < kPerLeaf || key < keys[count - 1]) {
        uint32_t at = count < kPerLeaf ? count++ : count - 1;
        for (; at > 0 && keys[at - 1] > key; --at) keys[at] = keys[at - 1];
        keys[at] = key;
      }
      return count < kPerLeaf ? INFINITY : DistanceOfKey(keys[count - 1]);
    }
  };

  void CompareAll(const Rows& rows) {
    const size_t n = rows.size(), dim = slab_.dim;
    std::vector<int16_t> wide(n * dim);
    std::vector<float> scales(n), norms(n), distances(n), worst(n, INFINITY);
    for (size_t i = 0; i < n; ++i) {
      const int8_t* code = codes_.code(rows[i]);
      for (size_t j = 0; j < dim; ++j) wide[i * dim + j] = code[j];
      scales[i] = slab_.scales[rows[i]];
      norms[i] = slab_.norms_squared[rows[i]];
    }
    std::vector<Nearest> nearest(n);
    std::vector<int32_t> dots(n);
    for (size_t i = 0; i + 1 < n; ++i) {
      kernels_.dots16(wide.data() + i * dim, wide.data() + (i + 1) * dim, n - i - 1, slab_.dim, dots.data() + i + 1);
      // The same bits whichever of two rows comes first, so that a pair met in two leaves is one pair.
      const float norm = norms[i], scale = scales[i];
      for (size_t j = i + 1; j < n; ++j) {
        const float d = (norm + norms[j]) - 2.0f * ((scale * scales[j]) * static_cast<float>(dots[j]));
        distances[j] = d > 0 ? d : 0.0f;
      }
      // Few pairs are near: most pieces are dismissed by one look.
      for (size_t begin = i + 1; begin < n; begin += kPieceColumns) {
        const size_t end = std::min(n, begin + kPieceColumns);
        int hits = 0;
        for (size_t j = begin; j < end; ++j) hits |= distances[j] <= std::max(worst[j], worst[i]) ? 1 : 0;
        if (hits == 0) continue;
        for (size_t j = begin; j < end; ++j) {
          if (distances[j] <= worst[i]) worst[i] = nearest[i].Offer(KeyOfPair(distances[j], rows[j]));
          if (distances[j] <= worst[j]) worst[j] = nearest[j].Offer(KeyOfPair(distances[j], rows[i]));
        }
      }
    }
    for (size_t i = 0; i < n; ++i) Merge(rows[i], {nearest[i].keys.data(), nearest[i].count});
  }

  // The best kCapacity of a union do not depend on the order in which its parts come.
  void Merge(uint32_t row, std::span<const int64_t> keys) {
    const MutexLock lock(stripes_[row % kStripes]);
    int64_t* own = near_.keys.data() + static_cast<size_t>(row) * kCapacity;
    std::array<int64_t, kCapacity + kPerLeaf> merged;
    const auto end = std::set_union(own, own + near_.counts[row], keys.begin(), keys.end(), merged.begin());
    const auto count = std::min<size_t>(static_cast<size_t>(end - merged.begin()), kCapacity);
    std::copy_n(merged.begin(), count, own);
    near_.counts[row] = static_cast<uint16_t>(count);
  }

  OpContext& ctx_;
  const GraphCodes& codes_;
  const CodeSlab slab_;
  const GraphKernels& kernels_;
  Parallel& parallel_;
  std::unique_ptr<Random> random_;
  const size_t leaf_rows_max_;
  NearRows near_;
  std::array<Mutex, kStripes> stripes_;
};

}  // namespace

Result<NearRows> MakeNearRows(OpContext& ctx, const GraphCodes& codes, uint64_t seed, const GraphKernels& kernels,
                              Parallel& parallel) {
  const auto maker = std::make_unique<NearRowsMaker>(ctx, codes, seed, kernels, parallel);
  AKI_RETURN_IF_ERROR(maker->Run());
  return maker->Take();
}

}  // namespace akidb
