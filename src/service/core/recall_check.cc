#include "service/core/recall_check.h"

#include <algorithm>

namespace akidb {
namespace {

constexpr size_t kRemembered = 100;
constexpr Duration kTimeout = std::chrono::seconds(60);
constexpr double kRestMax = 3600e9;  // nanoseconds

}  // namespace

RecallCheck::RecallCheck(Clock& clock, WorkQueue& queue, MetricsRegistry& metrics, Effort effort)
    : clock_(clock),
      queue_(queue),
      effort_(effort),
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
  if (effort_.one_in == 0 || offered_.fetch_add(1, std::memory_order_relaxed) % effort_.one_in != 0) return;
  // Ten thousand searches a second must not be slowed down by ten scans.
  if (clock_.Now() < not_before_.load(std::memory_order_relaxed)) return;
  // A collection so large that one comparison lasts longer than the next is due must not be scanned without end.
  if (busy_.exchange(true)) return;
  std::vector<double> scores;
  for (const ResultRow& row : rows) scores.push_back(row.score);
  SearchRequest exact = request;
  exact.exact = true;
  exact.payload = Include::kNo;
  exact.vectors = Include::kNo;
  queue_.Post([this, snapshot, exact = std::move(exact), scores = std::move(scores)] {
    const MonotonicTime begin = clock_.Now();
    Compare(*snapshot, exact, scores);
    const MonotonicTime end = clock_.Now();
    const double rest = static_cast<double>((end - begin).count()) * (1 / effort_.share_max - 1);
    not_before_.store(end + Duration(static_cast<int64_t>(std::min(rest, kRestMax))), std::memory_order_relaxed);
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
