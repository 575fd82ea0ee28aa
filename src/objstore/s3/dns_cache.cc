#include "objstore/s3/dns_cache.h"

#include <algorithm>
#include <thread>

namespace akidb::s3 {

struct DnsCache::Shared {
  struct Entry {
    std::vector<SocketAddress> addresses;
    MonotonicTime resolved_at = MonotonicTime::min();
    bool asking = false;
    uint64_t answers = 0;  // finished lookups, failed ones included
    Status last_error;
  };

  Shared(Resolver resolver_in, Duration ttl_in) : resolver(std::move(resolver_in)), ttl(ttl_in) {}

  const Resolver resolver;
  const Duration ttl;
  Mutex mutex;
  CondVar answered;
  std::map<std::pair<std::string, uint16_t>, Entry> entries AKI_GUARDED_BY(mutex);
};

DnsCache::DnsCache(Resolver resolver, Duration ttl) : shared_(std::make_shared<Shared>(std::move(resolver), ttl)) {}

Result<std::vector<SocketAddress>> DnsCache::Lookup(OpContext& ctx, const std::string& host, uint16_t port) {
  constexpr int kStaleTtls = 10;
  constexpr auto kSlice = std::chrono::milliseconds(50);  // how late a cancellation may be noticed
  const MonotonicTime now = ctx.clock().Now();
  const MutexLock lock(shared_->mutex);
  Shared::Entry& entry = shared_->entries[{host, port}];
  const auto younger_than = [&](Duration age) { return !entry.addresses.empty() && now - entry.resolved_at < age; };
  if (younger_than(shared_->ttl)) return entry.addresses;
  if (!entry.asking) {
    entry.asking = true;
    std::thread([shared = shared_, host, port, now] {
      Result<std::vector<SocketAddress>> found = shared->resolver(host, port);
      const MutexLock locked(shared->mutex);
      Shared::Entry& asked = shared->entries[{host, port}];
      asked.asking = false;
      ++asked.answers;
      asked.last_error = found ? OkStatus() : found.error();
      if (found) {
        asked.addresses = std::move(*found);
        asked.resolved_at = now;
      }
      shared->answered.NotifyAll();
    }).detach();
  }
  for (const uint64_t before = entry.answers; entry.answers == before;) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    // In slices, and never past the deadline by more than one.
    const Duration left =
        ctx.deadline() == MonotonicTime::max() ? Duration(kSlice) : ctx.deadline() - ctx.clock().Now();
    shared_->answered.WaitFor(shared_->mutex, std::clamp(left, Duration(0), Duration(kSlice)));
  }
  if (entry.last_error.ok() || younger_than(shared_->ttl * kStaleTtls)) return entry.addresses;
  return std::unexpected(entry.last_error);
}

}  // namespace akidb::s3
