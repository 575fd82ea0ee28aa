// Files that are ready to become the next file of the log: zero-filled ahead of time, or recycled after a trim.
// It exists so that the write path overwrites blocks that already exist, and a full disk shows before an append.
//
// Threads:    thread-safe. Taking a ready file never waits for one being prepared.
// Errors:     kResourceExhausted (reason "disk_full"); the half-made file is gone then. A failed sync dies (I4).
// Durability: a ready file's blocks and name are synced.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "wal/wal_file.h"

namespace akidb {

class WalSpares {
 public:
  WalSpares(const WalDir& dir, uint64_t file_bytes, uint32_t files_max)
      : dir_(dir), file_bytes_(file_bytes), files_max_(files_max) {}

  // Takes over the spare files among the directory's `names` and removes what cannot be used.
  Status Adopt(const std::vector<std::string>& names) AKI_EXCLUDES(work_mutex_, mutex_);

  // A ready file, or null.
  std::unique_ptr<WalFile> TryTake() AKI_EXCLUDES(mutex_);
  // Returns once a file is ready (another thread may take it first).
  Status PrepareNow() AKI_EXCLUDES(work_mutex_, mutex_);
  // One bounded piece of preparing ahead; false when enough files are ready.
  Result<bool> PrepareStep() AKI_EXCLUDES(work_mutex_, mutex_);
  // Gives back a file whose records nobody needs: keeps it as a spare, or removes it. Its old name is gone for good
  // when this returns OK.
  Status Recycle(std::unique_ptr<WalFile> file) AKI_EXCLUDES(work_mutex_, mutex_);

 private:
  size_t ready_count() AKI_EXCLUDES(mutex_);
  // Zero-fills up to `bytes` more of the file in preparation; makes it ready when it is complete.
  Status Advance(uint64_t bytes) AKI_REQUIRES(work_mutex_) AKI_EXCLUDES(mutex_);
  Status AddReady(std::unique_ptr<WalFile> file) AKI_REQUIRES(work_mutex_) AKI_EXCLUDES(mutex_);

  const WalDir& dir_;
  const uint64_t file_bytes_;
  const uint32_t files_max_;

  Mutex work_mutex_;  // held during I/O; before mutex_
  std::unique_ptr<WalFile> preparing_ AKI_GUARDED_BY(work_mutex_);
  uint64_t next_number_ AKI_GUARDED_BY(work_mutex_) = 1;

  Mutex mutex_;
  std::vector<std::unique_ptr<WalFile>> ready_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
