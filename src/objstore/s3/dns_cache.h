// Addresses of names, asked once per name at a time, kept for a bounded time.
//
// Threads: thread-safe. A lookup runs on a thread of its own, because the system's resolver knows no deadline; callers
//          stop waiting at theirs, and whoever asks next finds the answer.
// Errors:  those of the resolver, kDeadlineExceeded, kCancelled.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/mutex.h"
#include "objstore/s3/byte_stream.h"

namespace akidb::s3 {

class DnsCache {
 public:
  // An answer older than `ttl` is asked for again; while that fails it is still used, up to ten times `ttl`.
  DnsCache(Resolver resolver, Duration ttl);

  Result<std::vector<SocketAddress>> Lookup(OpContext& ctx, const std::string& host, uint16_t port);

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;  // outlives the cache for as long as a lookup runs
};

}  // namespace akidb::s3
