// Makes names below a root durable, and dies when the disk cannot promise it.
// It exists because a name that an earlier process made without syncing is visible yet not durable: whoever reads it
// and builds on it would lose both at a power loss.
//
// Threads: thread-safe.
// Errors:  those of FileSystem; a failed fsync calls `die` and then has effect unknown (I4).
#pragma once

#include <functional>
#include <string>
#include <unordered_set>

#include "base/file_system.h"
#include "base/mutex.h"

namespace akidb {

class DirectorySyncer {
 public:
  // `root` exists, and its own name is durable.
  DirectorySyncer(FileSystem& fs, std::string root, std::function<void(const Status&)> die)
      : fs_(fs), root_(std::move(root)), die_(std::move(die)) {}

  // Makes the names in `dir` durable.
  Status Sync(const std::string& dir) { return Checked(fs_.SyncDir(dir)); }

  // Passes `status` of an fsync on; dies if it failed.
  Status Checked(Status status) const;

  // Makes what earlier processes left in `dir` durable, once. `dir` is the root or below it. kNotFound if absent.
  Status Adopt(const std::string& dir) AKI_EXCLUDES(mutex_);

  // Adopts `dir`, made durably with its parents if absent. kFailedPrecondition if a file is in the way.
  Status Make(const std::string& dir) AKI_EXCLUDES(mutex_);

 private:
  enum class IfAbsent : uint8_t { kFail, kMake };
  Status AdoptLocked(const std::string& dir, IfAbsent if_absent) AKI_REQUIRES(mutex_);

  FileSystem& fs_;
  const std::string root_;
  const std::function<void(const Status&)> die_;
  Mutex mutex_;
  std::unordered_set<std::string> adopted_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
