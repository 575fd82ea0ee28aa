// What the probe can try only with help of the implementation, because ObjectStore has no words for it.
//
// Threads: one.
// Errors:  those of ObjectStore; kUnimplemented or kFailedPrecondition where the store, or the bucket, does not have
// it.
#pragma once

#include <string>
#include <string_view>

#include "base/context.h"

namespace akidb {

class ProbeExtensions {
 public:
  virtual ~ProbeExtensions() = default;

  // Puts `body` under the checksum of other bytes. OK if the store took it.
  virtual Status PutWithWrongChecksum(OpContext& ctx, const std::string& key, std::string_view body) = 0;

  // Puts a version that is free, or one that may be neither deleted nor freed earlier; returns its id.
  virtual Result<std::string> PutUnlocked(OpContext& ctx, const std::string& key, std::string_view body) = 0;
  virtual Result<std::string> PutLocked(OpContext& ctx, const std::string& key, std::string_view body) = 0;
  virtual Status ShortenLock(OpContext& ctx, const std::string& key, const std::string& version_id) = 0;
  virtual Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) = 0;
  // Removes what PutLocked put, by rights that go beyond the lock.
  virtual Status RemoveLocked(OpContext& ctx, const std::string& key, const std::string& version_id) = 0;

  // Removes what deletes left below `prefix`: old versions and delete markers.
  virtual Status PurgeVersions(OpContext& ctx, const std::string& prefix) = 0;
};

}  // namespace akidb
