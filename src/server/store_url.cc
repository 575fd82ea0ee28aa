#include "server/store_url.h"

#include <unistd.h>

#include <thread>

#include "cache/cached_store.h"
#include "format/object_keys.h"
#include "objstore/localfs/localfs_store.h"
#include "objstore/probe/store_probe.h"
#include "objstore/retry_store.h"
#include "objstore/s3/s3_store.h"

namespace akidb {
namespace {

constexpr std::string_view kFileScheme = "file:";
constexpr std::string_view kS3Scheme = "s3:";

// A store and the threads that its hedged reads run on: whoever holds the one needs the other.
struct StoreAndThreads {
  std::unique_ptr<Executor> threads;
  std::unique_ptr<ObjectStore> store;
};

// What is replaced or deleted as a matter of course is not locked: scratch, leases, logs.
bool StaysForLong(std::string_view key) {
  return !key.starts_with(kProbePrefix) && !key.starts_with(kNodesPrefix) &&
         key.find("/wal/") == std::string_view::npos;
}

void Sleep(Duration pause) { std::this_thread::sleep_for(pause); }

Result<std::unique_ptr<ObjectStore>> OpenDirectory(OpContext& ctx, const Environment& env, std::string_view url,
                                                   const std::string& lock_note, OpenedStore* opened) {
  AKI_ASSIGN_OR_RETURN(const std::string root, DirectoryOfStoreUrl(url));
  AKI_RETURN_IF_ERROR(MakeDirs(*env.fs, ParentDir(root)));
  // Beside the store and not in it, because a store holds objects only. Taken first: opening a local store removes
  // what interrupted writes left, which must not be the writes of a running server.
  AKI_ASSIGN_OR_RETURN(opened->lock, env.fs->Lock(root + ".lock", lock_note));
  return OpenLocalFsStore(ctx, *env.fs, *env.random, *env.clock, root, env.die);
}

Result<std::unique_ptr<ObjectStore>> OpenS3(const Environment& env, std::string_view url, const s3::S3Options& base,
                                            OpenedStore* opened) {
  AKI_ASSIGN_OR_RETURN(s3::S3Options options, S3OptionsOfStoreUrl(url, base));
  options.lock.applies = StaysForLong;
  AKI_ASSIGN_OR_RETURN(opened->bucket, s3::S3Bucket::Open(*env.fs, options, nullptr));
  opened->shared = true;
  return s3::NewS3Store(opened->bucket, Sleep);
}

}  // namespace

void RunTogether(const std::vector<std::function<void()>>& functions) {
  std::vector<std::thread> threads;
  threads.reserve(functions.size());
  for (const auto& function : functions) threads.emplace_back(function);
  for (std::thread& thread : threads) thread.join();
}

bool IsBucketUrl(std::string_view url) { return url.starts_with(kS3Scheme); }

Result<std::string> DirectoryOfStoreUrl(std::string_view url) {
  std::string_view path = url;
  if (!path.starts_with(kFileScheme)) {
    return std::unexpected(InvalidArgument("store '" + std::string(url) + "': expected file:DIR"));
  }
  path.remove_prefix(kFileScheme.size());
  if (path.starts_with("//")) path.remove_prefix(2);
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (path.empty())
    return std::unexpected(InvalidArgument("store '" + std::string(url) + "': the directory is missing"));
  return std::string(path);
}

Result<s3::S3Options> S3OptionsOfStoreUrl(std::string_view url, const s3::S3Options& base) {
  std::string_view rest = url;
  if (!rest.starts_with(kS3Scheme) || !rest.substr(kS3Scheme.size()).starts_with("//")) {
    return std::unexpected(InvalidArgument("store '" + std::string(url) + "': expected s3://BUCKET/PREFIX"));
  }
  rest.remove_prefix(kS3Scheme.size() + 2);
  const size_t slash = rest.find('/');
  s3::S3Options options = base;
  if (!rest.substr(0, slash).empty()) options.bucket = rest.substr(0, slash);
  if (options.bucket.empty()) {
    return std::unexpected(InvalidArgument("store '" + std::string(url) + "': the bucket is missing"));
  }
  std::string_view prefix = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  options.prefix = prefix;
  return options;
}

Status ValidateStoreUrl(std::string_view url, const s3::S3Options& s3) {
  if (url.starts_with(kFileScheme)) return internal::ToStatus(DirectoryOfStoreUrl(url));
  if (!url.starts_with(kS3Scheme)) {
    return InvalidArgument("store '" + std::string(url) + "': expected file:DIR or s3://BUCKET/PREFIX");
  }
  AKI_ASSIGN_OR_RETURN(const s3::S3Options options, S3OptionsOfStoreUrl(url, s3));
  return options.Validate();
}

Result<OpenedStore> OpenStore(OpContext& ctx, const Environment& env, std::string_view url, const s3::S3Options& s3,
                              const std::string& lock_note, std::shared_ptr<BlockCache> cache) {
  AKI_RETURN_IF_ERROR(ValidateStoreUrl(url, s3));
  OpenedStore opened;
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<ObjectStore> base, url.starts_with(kS3Scheme)
                                                              ? OpenS3(env, url, s3, &opened)
                                                              : OpenDirectory(ctx, env, url, lock_note, &opened));
  auto counted = std::make_unique<MetricsStore>(std::move(base), *env.clock);
  opened.metrics = counted.get();
  if (!opened.shared) {
    opened.store = NewRetryStore(std::move(counted), RetryPolicy{}, *env.random, Sleep);
    return opened;
  }
  // From the inside: what is sent is counted; a store that is away is not trampled; who waits for a slot does not pause
  // in it; a second request for a late read takes a slot of its own; what the cache has costs none of this.
  auto breaker = std::make_unique<BreakerStore>(std::move(counted), BreakerPolicy{}, *env.clock, *env.random);
  opened.breaker = breaker.get();
  auto lanes = std::make_unique<LaneStore>(std::move(breaker), LanePolicy{});
  opened.lanes = lanes.get();
  const HedgePolicy hedging;
  auto whole = std::make_shared<StoreAndThreads>();
  whole->threads = NewThreadExecutor(*env.clock, static_cast<int>(hedging.threads));
  auto hedge = std::make_unique<HedgeStore>(std::move(lanes), hedging, *env.clock, *whole->threads);
  opened.hedge = hedge.get();
  whole->store = NewRetryStore(std::move(hedge), RetryPolicy{}, *env.random, Sleep);
  if (cache) whole->store = NewCachedStore(std::move(whole->store), std::move(cache), IsImmutableObjectKey);
  ObjectStore* const store = whole->store.get();
  opened.store = std::shared_ptr<ObjectStore>(std::move(whole), store);
  return opened;
}

std::string LockNote(std::string_view command) {
  return "process " + std::to_string(::getpid()) + " (akidb " + std::string(command) + ")";
}

}  // namespace akidb
