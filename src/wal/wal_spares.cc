#include "wal/wal_spares.h"

#include <algorithm>
#include <optional>

namespace akidb {
namespace {

// A step's share: a few milliseconds of a slow disk.
constexpr uint64_t kStepBytes = 4 << 20;
// Two, so that one is left while the other's successor is being made.
constexpr uint32_t kReadyTarget = 2;

}  // namespace

Status WalSpares::Adopt(const std::vector<std::string>& names) {
  MutexLock work(work_mutex_);
  for (const std::string& name : names) {
    if (name.ends_with(kWalTempSuffix)) AKI_RETURN_IF_ERROR(dir_.fs().Remove(dir_.PathOf(name)));
    const std::optional<uint64_t> number = ParseWalName(name, kWalSpareSuffix);
    if (!number) continue;
    next_number_ = std::max(next_number_, *number + 1);
    AKI_ASSIGN_OR_RETURN(auto file, WalFile::Open(dir_, name));
    if (file->size_bytes() != file_bytes_ || ready_count() >= files_max_) {
      AKI_RETURN_IF_ERROR(file->Remove());
      continue;
    }
    MutexLock lock(mutex_);
    ready_.push_back(std::move(file));
  }
  return OkStatus();
}

std::unique_ptr<WalFile> WalSpares::TryTake() {
  MutexLock lock(mutex_);
  if (ready_.empty()) return nullptr;
  std::unique_ptr<WalFile> file = std::move(ready_.back());
  ready_.pop_back();
  return file;
}

Status WalSpares::PrepareNow() {
  MutexLock work(work_mutex_);
  while (ready_count() == 0) AKI_RETURN_IF_ERROR(Advance(file_bytes_));
  return OkStatus();
}

Result<bool> WalSpares::PrepareStep() {
  MutexLock work(work_mutex_);
  if (ready_count() >= std::min(kReadyTarget, files_max_)) return false;
  AKI_RETURN_IF_ERROR(Advance(kStepBytes));
  return true;
}

Status WalSpares::Recycle(std::unique_ptr<WalFile> file) {
  MutexLock work(work_mutex_);
  if (file->size_bytes() == file_bytes_ && ready_count() < files_max_) return AddReady(std::move(file));
  AKI_RETURN_IF_ERROR(file->Remove());
  dir_.SyncOrDie();
  return OkStatus();
}

size_t WalSpares::ready_count() {
  MutexLock lock(mutex_);
  return ready_.size();
}

Status WalSpares::Advance(uint64_t bytes) {
  if (!preparing_) {
    AKI_ASSIGN_OR_RETURN(preparing_, WalFile::Create(dir_, WalName(next_number_++, kWalTempSuffix)));
  }
  Status status = preparing_->AppendZeros(std::min(bytes, file_bytes_ - preparing_->size_bytes()));
  if (!status.ok()) {
    // What was written so far is given back: others need a full disk's last bytes more than a half-made spare does.
    preparing_->Remove().IgnoreError("the file is removed at the next start");
    preparing_.reset();
    return status;
  }
  return preparing_->size_bytes() == file_bytes_ ? AddReady(std::move(preparing_)) : OkStatus();
}

Status WalSpares::AddReady(std::unique_ptr<WalFile> file) {
  AKI_RETURN_IF_ERROR(file->Rename(WalName(next_number_++, kWalSpareSuffix)));
  // Before anything is written into it: a lost rename would bring back the old name over new bytes.
  dir_.SyncOrDie();
  MutexLock lock(mutex_);
  ready_.push_back(std::move(file));
  return OkStatus();
}

}  // namespace akidb
