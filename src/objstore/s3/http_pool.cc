#include "objstore/s3/http_pool.h"

#include "base/check.h"

namespace akidb::s3 {

HttpPool::HttpPool(std::vector<Endpoint> endpoints, const PoolOptions& options, std::unique_ptr<Dialer> dialer)
    : endpoints_(std::move(endpoints)), options_(options), dialer_(std::move(dialer)) {
  AKI_CHECK(!endpoints_.empty());
}

Result<HttpPool::Lease> HttpPool::Acquire(OpContext& ctx, const std::optional<Endpoint>& only, Freshness freshness) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  const MonotonicTime now = ctx.clock().Now();
  Status failed;
  for (const Endpoint& endpoint : only ? std::vector<Endpoint>{*only} : Order(now)) {
    while (freshness == Freshness::kAny) {
      std::unique_ptr<HttpConnection> idle = TakeIdle(endpoint.Url(), now);
      if (idle == nullptr) break;
      if (idle->Quiet()) return Lease{endpoint, std::move(idle), true};
    }
    Result<std::unique_ptr<ByteStream>> stream = dialer_->Connect(ctx, endpoint);
    if (stream) return Lease{endpoint, NewHttpConnection(std::move(*stream)), false};
    failed = std::move(stream).error();
    AKI_RETURN_IF_ERROR(ctx.Check());
    Avoid(ctx, endpoint, options_.skip_for);
  }
  return std::unexpected(std::move(failed));
}

void HttpPool::Release(OpContext& ctx, Lease lease) {
  if (!lease.connection->reusable()) return;
  std::unique_ptr<HttpConnection> dropped;  // closed after the mutex is free
  const MutexLock lock(mutex_);
  idle_.push_back({lease.endpoint.Url(), std::move(lease.connection), ctx.clock().Now()});
  if (idle_.size() > options_.idle_max) {
    dropped = std::move(idle_.front().connection);
    idle_.pop_front();
  }
}

void HttpPool::Avoid(OpContext& ctx, const Endpoint& endpoint, Duration pause) {
  const MutexLock lock(mutex_);
  avoid_until_[endpoint.Url()] = ctx.clock().Now() + pause;
}

std::vector<Endpoint> HttpPool::Order(MonotonicTime now) {
  if (endpoints_.size() == 1) return endpoints_;
  // Those to be avoided come last, the one that is free again first of all; equal ones stay in the order of the round.
  std::multimap<MonotonicTime, Endpoint> order;
  const MutexLock lock(mutex_);
  const size_t first = next_++;
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    const Endpoint& endpoint = endpoints_[(first + i) % endpoints_.size()];
    const auto found = avoid_until_.find(endpoint.Url());
    const bool avoided = found != avoid_until_.end() && found->second > now;
    order.emplace(avoided ? found->second : MonotonicTime::min(), endpoint);
  }
  std::vector<Endpoint> out;
  for (auto& [until, endpoint] : order) out.push_back(endpoint);
  return out;
}

std::unique_ptr<HttpConnection> HttpPool::TakeIdle(const std::string& url, MonotonicTime now) {
  std::deque<Idle> expired;  // closed after the mutex is free
  const MutexLock lock(mutex_);
  while (!idle_.empty() && now - idle_.front().since > options_.idle_age_max) {
    expired.push_back(std::move(idle_.front()));
    idle_.pop_front();
  }
  // The one used last is the least likely to have been closed.
  for (auto entry = idle_.rbegin(); entry != idle_.rend(); ++entry) {
    if (entry->url != url) continue;
    std::unique_ptr<HttpConnection> found = std::move(entry->connection);
    idle_.erase(std::next(entry).base());
    return found;
  }
  return nullptr;
}

}  // namespace akidb::s3
