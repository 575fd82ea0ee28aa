#include "server/store_url.h"

#include <unistd.h>

#include <thread>

#include "objstore/localfs/localfs_store.h"
#include "objstore/retry_store.h"

namespace akidb {

Result<std::string> DirectoryOfStoreUrl(std::string_view url) {
  constexpr std::string_view kScheme = "file:";
  std::string_view path = url;
  if (!path.starts_with(kScheme)) {
    return std::unexpected(InvalidArgument("store '" + std::string(url) + "': expected file:DIR"));
  }
  path.remove_prefix(kScheme.size());
  if (path.starts_with("//")) path.remove_prefix(2);
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (path.empty())
    return std::unexpected(InvalidArgument("store '" + std::string(url) + "': the directory is missing"));
  return std::string(path);
}

Result<OpenedStore> OpenStore(OpContext& ctx, const Environment& env, std::string_view url,
                              const std::string& lock_note) {
  AKI_ASSIGN_OR_RETURN(const std::string root, DirectoryOfStoreUrl(url));
  AKI_RETURN_IF_ERROR(MakeDirs(*env.fs, ParentDir(root)));
  OpenedStore opened;
  // Beside the store and not in it, because a store holds objects only. Taken first: opening a local store removes
  // what interrupted writes left, which must not be the writes of a running server.
  AKI_ASSIGN_OR_RETURN(opened.lock, env.fs->Lock(root + ".lock", lock_note));
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<ObjectStore> local,
                       OpenLocalFsStore(ctx, *env.fs, *env.random, *env.clock, root, env.die));
  auto counted = std::make_unique<MetricsStore>(std::move(local), *env.clock);
  opened.metrics = counted.get();
  opened.store = NewRetryStore(std::move(counted), RetryPolicy{}, *env.random,
                               [](Duration pause) { std::this_thread::sleep_for(pause); });
  return opened;
}

std::string LockNote(std::string_view command) {
  return "process " + std::to_string(::getpid()) + " (akidb " + std::string(command) + ")";
}

}  // namespace akidb
