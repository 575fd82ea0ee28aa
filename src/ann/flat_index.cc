#include "ann/flat_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "ann/exact_score.h"
#include "ann/score_bounds.h"
#include "base/check.h"

namespace akidb {
namespace {

// A block is what is scanned between two looks at the threshold and the deadline.
constexpr size_t kBlockRowsMax = 1024;
constexpr size_t kBlockRowsMin = 16;
constexpr size_t kBlockBytes = 1 << 20;

// Hands out the rows to be scanned, block by block, in ascending order.
class RowCursor {
 public:
  RowCursor(uint32_t row_count, const RowSet* eligible) : row_count_(row_count), eligible_(eligible) {
    AKI_CHECK(eligible == nullptr || eligible->row_count() == row_count);
    if (eligible_ != nullptr && row_count_ > 0) word_ = eligible_->words()[0];
  }

  // Writes up to `room` row numbers, returns how many; 0 at the end.
  size_t Next(uint32_t* ids, size_t room) {
    if (eligible_ == nullptr) {
      const size_t n = std::min<size_t>(room, row_count_ - next_row_);
      for (size_t i = 0; i < n; ++i) ids[i] = next_row_ + static_cast<uint32_t>(i);
      next_row_ += static_cast<uint32_t>(n);
      return n;
    }
    const std::vector<uint64_t>& words = eligible_->words();
    size_t n = 0;
    while (n < room) {
      while (word_ == 0) {
        if (++word_index_ >= words.size()) return n;
        word_ = words[word_index_];
      }
      ids[n++] = static_cast<uint32_t>(word_index_ * 64) + static_cast<uint32_t>(std::countr_zero(word_));
      word_ &= word_ - 1;
    }
    return n;
  }

 private:
  uint32_t row_count_;
  const RowSet* eligible_;
  uint32_t next_row_ = 0;
  size_t word_index_ = 0;
  uint64_t word_ = 0;
};

// Keeps every row whose true goodness may be among the k best of those seen: its interval's upper end is not below the
// k-th largest lower end. Compaction waits until the buffer has doubled, so that a row costs O(1).
class Shortlist {
 public:
  struct Entry {
    float low;
    float high;
    RowIndex row;
  };

  explicit Shortlist(size_t k) : k_(k) {
    entries_.reserve(2 * std::min(k, kReserveMax) + 2 * kBlockRowsMax);
    lows_.reserve(entries_.capacity());
  }

  void Add(const uint32_t* ids, const float* low, const float* high, size_t n) {
    // Most blocks have nothing: this loop has no branch in it.
    size_t hits = 0;
    for (size_t i = 0; i < n; ++i) hits += high[i] >= threshold_ ? 1 : 0;
    if (hits == 0) return;
    for (size_t i = 0; i < n; ++i) {
      if (high[i] >= threshold_) entries_.push_back({low[i], high[i], ids[i]});
    }
    if (entries_.size() >= compact_at_) Compact();
  }

  void Compact() {
    if (entries_.size() > k_) {
      lows_.clear();
      for (const Entry& e : entries_) lows_.push_back(e.low);
      const auto kth = lows_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
      std::nth_element(lows_.begin(), kth, lows_.end(), std::greater<>());
      threshold_ = *kth;
      std::erase_if(entries_, [&](const Entry& e) { return e.high < threshold_; });
    }
    compact_at_ = 2 * std::max(entries_.size(), k_) + kSlack;
  }

  const std::vector<Entry>& entries() const { return entries_; }

 private:
  static constexpr size_t kReserveMax = 10000;
  static constexpr size_t kSlack = 32;

  size_t k_;
  float threshold_ = -std::numeric_limits<float>::infinity();
  size_t compact_at_ = 0;
  std::vector<Entry> entries_;
  std::vector<float> lows_;
};

struct Block {
  std::array<uint32_t, kBlockRowsMax> ids;
  std::array<float, kBlockRowsMax> scores;
  std::array<float, kBlockRowsMax> norms;
  std::array<float, kBlockRowsMax> low;
  std::array<float, kBlockRowsMax> high;
  std::array<float, kBlockRowsMax> inv_norms;
  std::array<float, kBlockRowsMax> scales;
};

// The values that belong to the rows of a block, in its order.
const float* Gather(const float* values, const uint32_t* ids, size_t n, float* room) {
  if (values == nullptr) return nullptr;
  if (ids[n - 1] - ids[0] == n - 1) return values + ids[0];
  for (size_t i = 0; i < n; ++i) room[i] = values[ids[i]];
  return room;
}

// A load that crosses a cache line costs two.
struct alignas(64) QueryLine {
  std::array<float, 16> elements{};
};

// The query as the kernels want it, and the bound that belongs to it.
struct Prepared {
  std::vector<QueryLine> query;
  ErrorBound bound;
};

class FlatIndex final : public VectorIndex {
 public:
  FlatIndex(const VectorRows& rows, Distance distance, const KernelSet& kernels)
      : rows_(rows), distance_(distance), kernels_(kernels) {
    AKI_CHECK(distance != Distance::kCosine || rows.inv_norms != nullptr || rows.row_count == 0);
    AKI_CHECK(rows.type != VectorType::kInt8 || rows.scales != nullptr || rows.row_count == 0);
    scan_ = ChooseScan();
  }

  std::string_view kind() const override { return "flat"; }
  uint64_t memory_bytes() const override { return 0; }

  Status Search(OpContext& ctx, const IndexQuery& query, std::vector<Candidate>* out) const override {
    out->clear();
    AKI_RETURN_IF_ERROR(ctx.Check());
    if (query.k == 0 || rows_.row_count == 0) return OkStatus();
    const ExactScorer scorer(rows_, distance_, query.vector);
    const Prepared prepared = Prepare(query.vector, scorer);
    Shortlist shortlist(std::min(query.k, rows_.row_count));
    AKI_RETURN_IF_ERROR(Scan(ctx, prepared, query.eligible, &shortlist));
    return Rescore(ctx, scorer, shortlist, query.k, out);
  }

 private:
  using ScanFunction = void (*)(const ScanArgs&);

  ScanFunction ChooseScan() const {
    const bool half = rows_.type == VectorType::kF16;
    if (rows_.type == VectorType::kInt8) {
      return distance_ == Distance::kEuclidean ? kernels_.scan_l2sq_i8 : kernels_.scan_dot_i8;
    }
    switch (distance_) {
      case Distance::kCosine: return half ? kernels_.scan_dot_f16 : kernels_.scan_dot_f32;
      case Distance::kEuclidean: return half ? kernels_.scan_l2sq_f16 : kernels_.scan_l2sq_f32;
      case Distance::kDotProduct: return half ? kernels_.scan_dot_norm_f16 : kernels_.scan_dot_norm_f32;
    }
    return nullptr;
  }

  Prepared Prepare(std::span<const float> query, const ExactScorer& scorer) const {
    const double norm = std::sqrt(scorer.query_norm_squared());
    Prepared p{.query = std::vector<QueryLine>(query.size() / 16 + 1), .bound = {}};
    float* const out = p.query.front().elements.data();
    std::ranges::copy(query, out);
    switch (distance_) {
      case Distance::kCosine:
        if (norm > 0) {
          for (size_t i = 0; i < query.size(); ++i) out[i] = static_cast<float>(query[i] / norm);
        }
        p.bound = ErrorBound::ForCosine(rows_.dim);
        break;
      case Distance::kEuclidean: p.bound = ErrorBound::ForEuclidean(rows_.dim); break;
      case Distance::kDotProduct: p.bound = ErrorBound::ForDot(rows_.dim, norm, rows_.type == VectorType::kInt8); break;
    }
    return p;
  }

  Status Scan(OpContext& ctx, const Prepared& prepared, const RowSet* eligible, Shortlist* shortlist) const {
    const auto block = std::make_unique_for_overwrite<Block>();
    const size_t room = std::clamp(kBlockBytes / std::max<size_t>(rows_.stride_bytes, 1), kBlockRowsMin, kBlockRowsMax);
    ScanArgs args{.query = prepared.query.front().elements.data(),
                  .rows = rows_.data,
                  .stride_bytes = rows_.stride_bytes,
                  .dim = rows_.dim,
                  .ids = block->ids.data(),
                  .count = 0,
                  .scales = rows_.scales,
                  .out = block->scores.data(),
                  .norms = block->norms.data()};
    RowCursor cursor(rows_.row_count, eligible);
    while ((args.count = cursor.Next(block->ids.data(), room)) > 0) {
      AKI_RETURN_IF_ERROR(ctx.Check());
      scan_(args);
      BoundBlock(prepared.bound, args.count, *block);
      shortlist->Add(block->ids.data(), block->low.data(), block->high.data(), args.count);
    }
    shortlist->Compact();
    return OkStatus();
  }

  void BoundBlock(ErrorBound bound, size_t n, Block& block) const {
    const uint32_t* ids = block.ids.data();
    const float* scales = rows_.type == VectorType::kInt8 ? Gather(rows_.scales, ids, n, block.scales.data()) : nullptr;
    const Intervals out{block.low.data(), block.high.data()};
    switch (distance_) {
      case Distance::kCosine:
        return CosineIntervals(bound, block.scores.data(), Gather(rows_.inv_norms, ids, n, block.inv_norms.data()),
                               scales, n, out);
      case Distance::kEuclidean: return EuclideanIntervals(bound, block.scores.data(), n, out);
      case Distance::kDotProduct: return DotIntervals(bound, block.scores.data(), block.norms.data(), scales, n, out);
    }
  }

  Status Rescore(OpContext& ctx, const ExactScorer& scorer, const Shortlist& shortlist, size_t k,
                 std::vector<Candidate>* out) const {
    out->reserve(shortlist.entries().size());
    for (const Shortlist::Entry& entry : shortlist.entries()) {
      if (out->size() % kBlockRowsMin == 0) AKI_RETURN_IF_ERROR(ctx.Check());
      out->push_back({scorer.Score(entry.row), entry.row});
    }
    const auto rank = [&](const Candidate& c) {
      // Elements that are not finite are refused on the way in; should a store hand some back, they are last.
      if (std::isnan(c.score)) return std::numeric_limits<double>::infinity();
      return LargerIsNearer(distance_) ? -c.score : c.score;
    };
    std::sort(out->begin(), out->end(), [&](const Candidate& a, const Candidate& b) {
      const double x = rank(a), y = rank(b);
      return x != y ? x < y : a.row < b.row;
    });
    size_t n = std::min(k, out->size());
    while (n > 0 && n < out->size() && rank((*out)[n]) == rank((*out)[n - 1])) ++n;
    out->resize(n);
    return OkStatus();
  }

  const VectorRows rows_;
  const Distance distance_;
  const KernelSet& kernels_;
  ScanFunction scan_;
};

}  // namespace

std::unique_ptr<VectorIndex> NewFlatIndexWith(const VectorRows& rows, Distance distance, const KernelSet& kernels) {
  return std::make_unique<FlatIndex>(rows, distance, kernels);
}

std::unique_ptr<VectorIndex> NewFlatIndex(const VectorRows& rows, Distance distance) {
  return NewFlatIndexWith(rows, distance, Kernels());
}

}  // namespace akidb
