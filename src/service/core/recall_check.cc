#include "service/core/recall_check.h"

#include <algorithm>

namespace akidb {
namespace {

constexpr size_t kRemembered = 100;
constexpr Duration kTimeout = std::chrono::seconds(60);

}  // namespace

RecallCheck::RecallCheck(Clock& clock, WorkQueue& queue, MetricsRegistry& metrics, uint32_t one_in)
    : clock_(clock),
      queue_(queue),
      one_in_(one_in),
      checks_(metrics.GetCounter("akidb_search_recall_checks_total",
                                 "Approximate searches that were compared with exact ones.", "")) {
  metrics.AddCollector([this](PrometheusText& text) {
    size_t found = 0, wanted = 0;
    MutexLock lock(mutex_);
    for (const auto& [hits, of] : last_) {
      found += hits;
      wanted += of;
    }
    if (wanted == 0) return;  // nothing is known
    text.Single("akidb_search_recall", "gauge",
                "Share of the true nearest rows that approximate searches found, in the last hundred comparisons.",
                static_cast<double>(found) / static_cast<double>(wanted));
  });
}

void RecallCheck::Offer(const std::shared_ptr<const Snapshot>& snapshot, const SearchRequest& request,
                        const std::vector<ResultRow>& rows) {
  if (one_in_ == 0 || offered_.fetch_add(1, std::memory_order_relaxed) % one_in_ != 0) return;
  // A collection so large that one comparison lasts longer than the next is due must not be scanned without end.
  if (busy_.exchange(true)) return;
  std::vector<double> scores;
  for (const ResultRow& row : rows) scores.push_back(row.score);
  SearchRequest exact = request;
  exact.exact = true;
  exact.payload = Include::kNo;
  exact.vectors = Include::kNo;
  queue_.Post([this, snapshot, exact = std::move(exact), scores = std::move(scores)] {
    Compare(*snapshot, exact, scores);
    busy_.store(false);
  });
}

void RecallCheck::Compare(const Snapshot& snapshot, const SearchRequest& request, const std::vector<double>& scores) {
  OpContext ctx(clock_);
  ctx.set_priority(Priority::kBackground);
  ctx.set_timeout(kTimeout);
  const auto truth = Search(ctx, snapshot, request);
  if (!truth || truth->empty()) return;
  // Both in order: what scores no worse than the last true row is right, whichever of equal rows it is.
  const double worst = truth->back().score;
  const bool larger = LargerIsNearer(snapshot.spec().distance);
  const auto hits = std::ranges::count_if(scores, [&](double s) { return larger ? s >= worst : s <= worst; });
  checks_.Add();
  MutexLock lock(mutex_);
  last_.emplace_back(std::min(static_cast<size_t>(hits), truth->size()), truth->size());
  if (last_.size() > kRemembered) last_.pop_front();
}

}  // namespace akidb
