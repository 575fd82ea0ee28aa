// From "file:DIR" to an object store with the decorators every store gets.
//
// Threads: pure functions; the store is thread-safe.
// Errors:  kInvalidArgument for another kind of URL; kUnavailable (reason "locked") naming the process that has it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/environment.h"
#include "base/status.h"
#include "objstore/metrics_store.h"

namespace akidb {

// The directory of "file:DIR" or "file:///DIR".
Result<std::string> DirectoryOfStoreUrl(std::string_view url);

// A store that repeats what failed for the moment, over one that counts every request; and the lock that keeps other
// processes from it.
struct OpenedStore {
  std::unique_ptr<FileLock> lock;
  std::shared_ptr<ObjectStore> store;
  const MetricsStore* metrics = nullptr;  // inside `store`
};
Result<OpenedStore> OpenStore(OpContext& ctx, const Environment& env, std::string_view url,
                              const std::string& lock_note);

// "process 123 (akidb serve)": what the second process is told.
std::string LockNote(std::string_view command);

}  // namespace akidb
