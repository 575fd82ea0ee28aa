#include "query/search.h"

#include <algorithm>
#include <cmath>

#include "engine/validate.h"
#include "query/eligible.h"
#include "query/result_rows.h"

namespace akidb {
namespace {

// Best first, ties by id.
class Nearer {
 public:
  explicit Nearer(Distance distance) : larger_(LargerIsNearer(distance)) {}
  bool operator()(const ResultPlace& a, const ResultPlace& b) const {
    if (a.score != b.score) return larger_ ? a.score > b.score : a.score < b.score;
    return a.unit->Id(a.row) < b.unit->Id(b.row);
  }

 private:
  bool larger_;
};

bool Passes(double score, const std::optional<double>& threshold, Distance distance) {
  if (!threshold) return true;
  return LargerIsNearer(distance) ? score >= *threshold : score <= *threshold;
}

}  // namespace

Status SearchRequest::Validate(const CollectionSpec& spec, const Limits& limits) const {
  if (top_k == 0) return InvalidArgument("top_k is 0, it must be at least 1").WithReason("invalid_top_k");
  if (static_cast<uint64_t>(top_k) + offset > limits.top_k_max) {
    return InvalidArgument("offset + top_k is " + std::to_string(static_cast<uint64_t>(top_k) + offset) +
                           ", the limit is " + std::to_string(limits.top_k_max))
        .WithReason("invalid_top_k");
  }
  if (score_threshold && !std::isfinite(*score_threshold)) {
    return InvalidArgument("score_threshold is not finite").WithReason("invalid_score_threshold");
  }
  if (recall && !(*recall > 0 && *recall <= 1)) {
    return InvalidArgument("recall is " + std::to_string(*recall) + ", must be above 0, at most 1")
        .WithReason("invalid_recall");
  }
  return ValidateQueryVector(vector.data(), vector.size(), spec);
}

Result<std::vector<ResultRow>> Search(OpContext& ctx, const Snapshot& snapshot, const SearchRequest& request) {
  const Distance distance = snapshot.spec().distance;
  const Nearer nearer(distance);
  if (!request.exact) snapshot.NoteQuery(request.vector);
  Eligibility eligibility(snapshot, request.filter.get());
  IndexQuery query;
  query.vector = request.vector;
  query.k = request.offset + request.top_k;
  query.ef_search = request.ef_search;
  query.recall = request.recall.value_or(snapshot.spec().recall);
  query.exact = request.exact;

  std::vector<ResultPlace> hits;
  std::vector<Candidate> candidates;
  for (const auto& unit : snapshot.units()) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_ASSIGN_OR_RETURN(const auto eligible, eligibility.RowsOf(ctx, *unit));
    query.eligible = eligible.get();
    candidates.clear();
    AKI_RETURN_IF_ERROR(unit->index().Search(ctx, query, &candidates));
    for (const Candidate& candidate : candidates) {
      if (Passes(candidate.score, request.score_threshold, distance))
        hits.push_back({unit.get(), candidate.row, candidate.score});
    }
    // Keeps the list short over many units; ties at the cut are still decided by id.
    if (hits.size() > 2 * static_cast<size_t>(query.k) + 1024) {
      std::ranges::nth_element(hits, hits.begin() + query.k, nearer);
      hits.resize(query.k);
    }
  }
  std::ranges::sort(hits, nearer);
  hits.resize(std::min<size_t>(hits.size(), query.k));

  const std::span<const ResultPlace> shown = std::span(hits).subspan(std::min<size_t>(request.offset, hits.size()));
  return MakeResultRows(ctx, shown, request.payload, request.vectors);
}

}  // namespace akidb
