// From "file:DIR" or "s3://BUCKET/PREFIX" to an object store with the decorators every store gets.
//
// Threads: pure functions; the store is thread-safe.
// Errors:  kInvalidArgument for another kind of URL, or options that do not fit it; kUnavailable (reason "locked")
// naming
//          the process that has it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.h"
#include "base/status.h"
#include "cache/block_cache.h"
#include "objstore/breaker_store.h"
#include "objstore/hedge_store.h"
#include "objstore/lane_store.h"
#include "objstore/metrics_store.h"
#include "objstore/s3/s3_bucket.h"

namespace akidb {

// The directory of "file:DIR" or "file:///DIR".
Result<std::string> DirectoryOfStoreUrl(std::string_view url);

// `base` with the bucket and the prefix of "s3://BUCKET/PREFIX"; without a bucket there ("s3:///PREFIX") it stays that
// of `base`.
Result<s3::S3Options> S3OptionsOfStoreUrl(std::string_view url, const s3::S3Options& base);

// Whether `url` is a store that could be opened with these options. Nothing is touched.
Status ValidateStoreUrl(std::string_view url, const s3::S3Options& s3);

// A store that repeats what failed for the moment, over one that counts every request; and the lock that keeps other
// processes from it.
struct OpenedStore {
  std::unique_ptr<FileLock> lock;  // null where the store is shared
  std::shared_ptr<ObjectStore> store;
  // Inside `store`; all but the first are null for a directory.
  const MetricsStore* metrics = nullptr;
  const BreakerStore* breaker = nullptr;
  const LaneStore* lanes = nullptr;
  const HedgeStore* hedge = nullptr;
  bool shared = false;                   // other nodes may use it at the same time: nobody owns it
  std::shared_ptr<s3::S3Bucket> bucket;  // for s3/s3_admin.h; null for a directory
};
// Reads of a bucket go through `cache` if it is not null.
Result<OpenedStore> OpenStore(OpContext& ctx, const Environment& env, std::string_view url, const s3::S3Options& s3,
                              const std::string& lock_note, std::shared_ptr<BlockCache> cache = nullptr);
bool IsBucketUrl(std::string_view url);
// Each function on a thread of its own; returns when all have. What a store probe races with.
void RunTogether(const std::vector<std::function<void()>>& functions);

// "process 123 (akidb serve)": what the second process is told.
std::string LockNote(std::string_view command);

}  // namespace akidb
