// Opening the log: replay, then a fresh file that says where the old ones ended.
#include <utility>

#include "wal/wal_impl.h"

namespace akidb {

Status WalImpl::Recover(const ReplayVisitor& visit, OpContext& ctx) {
  AKI_ASSIGN_OR_RETURN(const std::vector<std::string> names, dir_.fs().List(dir_.path()));
  WalScanOptions scan_options;
  scan_options.on_record = [&](const WalRecord& record) -> Status {
    AKI_RETURN_IF_ERROR(ctx.Check());
    return visit(record);
  };
  AKI_ASSIGN_OR_RETURN(const WalScan scan, ScanWal(dir_.fs(), dir_.path(), names, scan_options));
  AKI_RETURN_IF_ERROR(scan.status());
  // A process may have died between a rename and its sync: no file is written under a name that could still change.
  dir_.SyncOrDie();
  AKI_RETURN_IF_ERROR(spares_.Adopt(names));
  AKI_RETURN_IF_ERROR(StartFirstFile(scan));
  return RecycleEmptyFiles(scan);
}

Status WalImpl::StartFirstFile(const WalScan& scan) {
  const WalFileScan* last = scan.last_with_records();
  if (last) {
    // The last group may be in the page cache only, when a process and not the machine ended. It was replayed, and is
    // about to be claimed as synced.
    AKI_ASSIGN_OR_RETURN(auto file, WalFile::Open(dir_, last->name));
    AKI_RETURN_IF_ERROR(file->Rewrite(last->last_group_offset, last->end));
    file->SyncOrDie();
  }
  AKI_RETURN_IF_ERROR(spares_.PrepareNow());
  auto target = std::make_shared<WalTarget>(WalTarget{.sequence = scan.max_sequence() + 1, .file = spares_.TryTake()});
  writer_ = std::make_unique<WalWriter>(dir_, last ? *last->header : WalFileHeader{}, last ? last->end : 0);
  writer_->Start(target, scan.next_lsn);

  MutexLock lock(mutex_);
  for (const WalFileScan& file : scan.files) {
    if (file.records == 0) continue;
    files_.push_back({.sequence = file.sequence, .size_bytes = file.size_bytes, .last_lsn = file.last_lsn});
    stats_.live_bytes += file.size_bytes;
  }
  files_.push_back({.sequence = target->sequence, .size_bytes = target->file->size_bytes()});
  stats_.live_bytes += target->file->size_bytes();
  stats_.replayed_records = scan.records;
  next_ = scan.next_lsn;
  next_sequence_ = target->sequence + 1;
  tail_ = std::move(target);
  tail_offset_ = kWalBlockBytes;
  durable_.store(next_.value() - 1, std::memory_order_release);
  return OkStatus();
}

// Starts that wrote nothing leave files without records. The new file's link passes over them, so they may go; else a
// server that is restarted in a loop would fill the disk.
Status WalImpl::RecycleEmptyFiles(const WalScan& scan) {
  for (const WalFileScan& scanned : scan.files) {
    if (scanned.records > 0) continue;
    AKI_ASSIGN_OR_RETURN(auto file, WalFile::Open(dir_, scanned.name));
    AKI_RETURN_IF_ERROR(spares_.Recycle(std::move(file)));
  }
  return OkStatus();
}

}  // namespace akidb
