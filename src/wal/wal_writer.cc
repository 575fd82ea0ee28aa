#include "wal/wal_writer.h"

#include <utility>

#include "base/check.h"

namespace akidb {

void WalWriter::Start(std::shared_ptr<WalTarget> target, Lsn first_lsn) {
  const bool has_prev = end_ > kWalBlockBytes;
  WalFileHeader header{.sequence = target->sequence, .salt = dir_.random().Next(), .first_lsn = first_lsn};
  if (has_prev) {
    header.prev_sequence = header_.sequence;
    header.prev_salt = header_.salt;
    header.prev_end = end_;
  }
  WalFile& file = *target->file;
  file.WriteOrDie(0, EncodeWalFileHeader(header));
  file.SyncOrDie();
  dir_.CheckOrDie(file.Rename(WalName(target->sequence, kWalSuffix)), "rename of " + file.name());
  dir_.SyncOrDie();
  header_ = header;
  seed_ = WalGroupSeed(header);
  end_ = kWalBlockBytes;
  current_ = std::move(target);
}

void WalWriter::Write(WalGroup& group) {
  if (group.target != current_) Start(group.target, group.first_lsn);
  AKI_CHECK(group.offset == end_);
  const WalGroupHeader header{.sequence = current_->sequence,
                              .offset = group.offset,
                              .synced_offset = end_,
                              .record_count = group.record_count,
                              .first_lsn = group.first_lsn};
  SealWalGroup(header, seed_, &group.bytes);
  current_->file->WriteOrDie(group.offset, group.bytes);
  current_->file->SyncOrDie();
  end_ += group.bytes.size();
}

}  // namespace akidb
