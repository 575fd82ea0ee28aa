#include "ann/growing_index.h"

#include <algorithm>
#include <cmath>

#include "ann/ask_for.h"
#include "ann/exact_score.h"
#include "ann/flat_index.h"
#include "base/check.h"

namespace akidb {
namespace {

constexpr uint32_t kRowsBetweenChecks = 16;
constexpr uint32_t kReachRank = 10;
constexpr double kNearlyAll = 0.9;
constexpr double kFilterBeam = 1.5;  // a filter wants so much more
constexpr uint32_t kFilterBeamOfWanted = 3;
constexpr double kFreshAHop = 18;  // neighbours that a walk has not seen before
constexpr uint32_t kMeasureMin = 32;

// For a filtered walk to be trusted so many matches must lie as near as the rows of its pool: where there are fewer,
// better ones may lie anywhere.
uint32_t MatchesNear(uint32_t ef, uint32_t wanted) { return 1 + std::max(ef / 13, wanted / 2); }

uint32_t Results(uint32_t wanted) { return wanted + std::max(8u, wanted / 4); }

class GrowingView final : public VectorIndex {
 public:
  GrowingView(const GrowingIndex& index, uint32_t row_count) : index_(index), row_count_(row_count) {}
  std::string_view kind() const override { return "growing"; }
  Status Search(OpContext& ctx, const IndexQuery& query, std::vector<Candidate>* out) const override {
    return index_.Search(ctx, row_count_, query, out);
  }
  uint64_t memory_bytes() const override { return 0; }

 private:
  const GrowingIndex& index_;
  const uint32_t row_count_;
};

}  // namespace

// As many scratches as there were searches at once.
class GrowingIndex::Lease {
 public:
  Lease(const GrowingIndex& index, const GrowingGraph& graph) : index_(index) {
    {
      const MutexLock lock(index_.scratches_mutex_);
      if (!index_.scratches_.empty()) {
        scratch_ = std::move(index_.scratches_.back());
        index_.scratches_.pop_back();
      }
    }
    if (!scratch_) scratch_ = std::make_unique<GrowingScratch>(graph.capacity(), graph.dim());
  }
  ~Lease() {
    const MutexLock lock(index_.scratches_mutex_);
    index_.scratches_.push_back(std::move(scratch_));
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  GrowingScratch& operator*() const { return *scratch_; }

 private:
  const GrowingIndex& index_;
  std::unique_ptr<GrowingScratch> scratch_;
};

GrowingIndex::GrowingIndex(const VectorRows& rows, Distance distance, const GrowingOptions& options,
                           const KernelSet& kernels)
    : rows_(rows),
      distance_(distance),
      options_(options),
      kernel_set_(kernels),
      kernels_(GraphKernelsFor(kernels.name)),
      measure_at_(std::max(kMeasureMin, options.rows_min / 2)) {}

GrowingIndex::~GrowingIndex() = default;

VectorRows GrowingIndex::First(uint32_t row_count) const {
  AKI_DCHECK(row_count <= rows_.row_count);
  VectorRows rows = rows_;
  rows.row_count = row_count;
  return rows;
}

uint32_t GrowingIndex::linked_count() const {
  const Body* made = body();
  return made == nullptr ? 0 : made->graph->linked_count();
}

bool GrowingIndex::IsLinked(RowIndex row) const {
  const Body* made = body();
  return made != nullptr && (made->graph->LinkedWord(row / 64) >> (row % 64) & 1) != 0;
}

uint64_t GrowingIndex::memory_bytes() const {
  const Body* made = body();
  if (made == nullptr) return 0;
  uint64_t out = made->graph->memory_bytes() + made->space.memory_bytes();
  const MutexLock lock(scratches_mutex_);
  for (const auto& scratch : scratches_) out += scratch->memory_bytes();
  return out;
}

std::unique_ptr<VectorIndex> GrowingIndex::View(uint32_t row_count) const {
  return std::make_unique<GrowingView>(*this, row_count);
}

Status GrowingIndex::MakeBody(uint32_t published) {
  auto made = std::make_unique<Body>();
  made->space = GraphSpace::Fit(First(published), distance_, options_.seed, kernels_);
  AKI_ASSIGN_OR_RETURN(made->graph, GrowingGraph::Create(rows_.row_count, made->space.dim(), kernels_));
  place_.resize(made->space.dim());
  body_ = std::move(made);
  ready_.store(body_.get(), std::memory_order_release);
  return OkStatus();
}

Result<uint32_t> GrowingIndex::Advance(OpContext& ctx, uint32_t published, uint32_t rows_max,
                                       const std::function<bool(RowIndex)>& skip) {
  if (published < options_.rows_min || published == 0) return 0u;
  uint64_t end = std::min<uint64_t>(published, uint64_t{next_row_} + rows_max);
  if (options_.scans_per_row > 0) end = std::min(end, scanned_rows() / options_.scans_per_row);
  if (end <= next_row_) return 0u;
  if (!body_) AKI_RETURN_IF_ERROR(MakeBody(published));
  GrowingGraph& graph = *body_->graph;
  const uint32_t begin = next_row_;
  for (; next_row_ < end; ++next_row_) {
    if ((next_row_ - begin) % kRowsBetweenChecks == 0) AKI_RETURN_IF_ERROR(ctx.Check());
    if (graph.linked_count() >= measure_at_) {
      const uint32_t samples = std::min(GrowingBeamMeter::kSamples, published - next_row_);
      if (samples < GrowingBeamMeter::kSamplesMin) break;  // a few rows more are no burden to be scanned
      AKI_RETURN_IF_ERROR(GrowingBeamMeter(*this).Measure(ctx, next_row_, samples));
      measure_at_ = 2 * graph.linked_count();
    }
    if ((skip && skip(next_row_)) || !body_->space.Holds(rows_, next_row_)) continue;
    body_->space.TransformRow(rows_, next_row_, place_.data());
    graph.Encode(next_row_, place_.data());
    graph.Link(next_row_, options_.ef_construction);
  }
  return next_row_ - begin;
}

void GrowingIndex::Remove(RowIndex row) { body_->graph->Unlink(row); }

void GrowingIndex::Restore(RowIndex row) { body_->graph->Link(row, options_.ef_construction); }

Result<bool> GrowingIndex::Mend(OpContext& ctx, uint32_t rows_max) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  return body_ != nullptr && body_->graph->Mend(rows_max, options_.ef_construction);
}

uint32_t GrowingIndex::Split(const GrowingGraph& graph, uint32_t row_count, const RowSet* eligible,
                             GrowingScratch& scratch, std::vector<uint64_t>* rest) const {
  const uint32_t words = (row_count + 63) / 64;
  std::vector<uint64_t>& linked = scratch.eligible();
  for (uint32_t i = 0; i < words; ++i) {
    uint64_t wanted = eligible == nullptr ? ~uint64_t{0} : eligible->words()[i];
    if (i + 1 == words && row_count % 64 != 0) wanted &= (uint64_t{1} << (row_count % 64)) - 1;
    linked[i] = wanted & graph.LinkedWord(i);
    if (rest != nullptr) (*rest)[i] = wanted & ~linked[i];
  }
  // Walks come to rows beyond the view.
  std::fill(linked.begin() + words, linked.end(), 0);
  return static_cast<uint32_t>(kernel_set_.count_bits(linked.data(), words));
}

uint32_t GrowingIndex::PoolSize(const GrowingGraph& graph, uint32_t ef, uint32_t wanted, uint32_t linked) const {
  const double rows = std::max(1u, graph.linked_count());
  const double share = std::min(1.0, linked / rows);
  if (share >= kNearlyAll) return static_cast<uint32_t>(std::min(ef / share, rows));
  const double beam = kFilterBeam * std::max(ef, kFilterBeamOfWanted * wanted);
  return static_cast<uint32_t>(std::min(beam / std::sqrt(share), rows));
}

// By what each reads, in ns; fixed, so that equal rows are answered alike everywhere.
bool GrowingIndex::WalkIsCheaper(const GrowingGraph& graph, uint32_t pool, uint32_t linked) const {
  const double seen = graph.entry_count() + kFreshAHop * pool;
  return seen * (15 + 0.05 * graph.dim()) < linked * (20 + 0.035 * static_cast<double>(rows_.stride_bytes));
}

Status GrowingIndex::Scan(OpContext& ctx, const VectorRows& rows, uint32_t matches, const IndexQuery& query,
                          std::vector<Candidate>* out) const {
  scanned_rows_.fetch_add(matches, std::memory_order_relaxed);
  return NewFlatIndexWith(rows, distance_, kernel_set_)->Search(ctx, query, out);
}

Status GrowingIndex::Search(OpContext& ctx, uint32_t row_count, const IndexQuery& query,
                            std::vector<Candidate>* out) const {
  out->clear();
  AKI_RETURN_IF_ERROR(ctx.Check());
  const VectorRows rows = First(row_count);
  const uint32_t matches = query.eligible == nullptr ? row_count : query.eligible->Count();
  const uint32_t wanted = std::min(query.k, matches);
  if (wanted == 0) return OkStatus();
  const bool by_recall = query.ef_search == 0;
  if (query.exact || (by_recall && query.recall >= 1)) {
    // No graph would have helped: it does not count as a scan.
    return NewFlatIndexWith(rows, distance_, kernel_set_)->Search(ctx, query, out);
  }
  const Body* const made = body();
  if (made == nullptr) return Scan(ctx, rows, matches, query, out);
  const GrowingGraph& graph = *made->graph;
  const Lease scratch(*this, graph);
  std::vector<uint64_t> rest_words((size_t{row_count} + 63) / 64);
  const uint32_t linked = Split(graph, row_count, query.eligible, *scratch, &rest_words);
  if (linked == 0) return Scan(ctx, rows, matches, query, out);
  Walk walk;
  walk.wanted = std::min(query.k, linked);
  const uint32_t ef = std::max(by_recall ? beams_.BeamFor(query.recall, query.k) : query.ef_search, walk.wanted);
  walk.pool = PoolSize(graph, ef, walk.wanted, linked);
  walk.filtered = linked < kNearlyAll * graph.linked_count();
  if (!WalkIsCheaper(graph, walk.pool, linked)) return Scan(ctx, rows, matches, query, out);
  FindNear(*made, query.vector, *scratch, &walk);
  const bool far = by_recall && beams_.IsFar(walk.reach);
  const bool trusted = !walk.filtered || walk.near >= MatchesNear(ef, walk.wanted);
  if (far || !trusted || (*scratch).results().keys().size() < walk.wanted) return Scan(ctx, rows, matches, query, out);
  if (linked < matches) {
    const RowSet rest(row_count, std::move(rest_words));
    IndexQuery others = query;
    others.eligible = &rest;
    AKI_RETURN_IF_ERROR(Scan(ctx, rows, matches - linked, others, out));
  }
  Rescore(*made, query.vector, *scratch, walk.wanted, out);
  KeepBest(wanted, out);
  return OkStatus();
}

void GrowingIndex::FindNear(const Body& body, std::span<const float> query, GrowingScratch& scratch, Walk* walk) const {
  body.space.TransformQuery(query, scratch.place());
  const GraphQuery& prepared = scratch.Prepare(kernels_);
  const uint32_t capacity = walk->filtered ? std::max(walk->pool, Results(walk->wanted)) : Results(walk->wanted);
  scratch.Walk(*body.graph, walk->pool, capacity, [&](const uint32_t* ids, uint32_t count, float* out) {
    kernels_.query_distances(body.graph->slab(), prepared, ids, count, out);
  });
  const std::vector<int64_t>& pool = scratch.pool().keys();
  const std::vector<int64_t>& results = scratch.results().keys();
  if (pool.empty()) return;
  walk->near = static_cast<uint32_t>(std::ranges::lower_bound(results, pool.back()) - results.begin());
  walk->reach = DistanceOfKey(pool[std::min<size_t>(pool.size(), kReachRank) - 1]);
}

void GrowingIndex::Rescore(const Body& body, std::span<const float> query, const GrowingScratch& scratch,
                           uint32_t wanted, std::vector<Candidate>* out) const {
  const std::vector<int64_t>& results = scratch.results().keys();
  size_t count = std::min<size_t>(results.size(), wanted);
  if (count == 0) return;
  // A code errs by its step / sqrt(12) in every dimension, which the squared distance feels as 2 |q - x| times that;
  // four such errors are allowed for.
  const float last = DistanceOfKey(results[count - 1]);
  const float limit = last + 2.3f * body.graph->code_step() * std::sqrt(last);
  while (count < results.size() && DistanceOfKey(results[count]) <= limit) ++count;
  for (size_t i = 0; i < count; ++i) {
    AskForLines(rows_.Row(RowOfKey(results[i])), rows_.stride_bytes);
  }
  const ExactScorer scorer(rows_, distance_, query);
  for (size_t i = 0; i < count; ++i) {
    const RowIndex row = RowOfKey(results[i]);
    out->push_back({scorer.Score(row), row});
  }
}

void GrowingIndex::KeepBest(uint32_t wanted, std::vector<Candidate>* out) const {
  const auto rank = [&](const Candidate& c) {
    if (std::isnan(c.score)) return static_cast<double>(INFINITY);
    return LargerIsNearer(distance_) ? -c.score : c.score;
  };
  std::ranges::sort(*out, [&](const Candidate& a, const Candidate& b) {
    const double x = rank(a), y = rank(b);
    return x != y ? x < y : a.row < b.row;
  });
  size_t n = std::min<size_t>(wanted, out->size());
  while (n > 0 && n < out->size() && rank((*out)[n]) == rank((*out)[n - 1])) ++n;
  out->resize(n);
}

}  // namespace akidb
