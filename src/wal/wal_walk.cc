// Reading the log beside its writer.
#include "wal/wal_impl.h"
#include "wal/wal_reader.h"

namespace akidb {

Status WalImpl::Walk(OpContext& ctx, const ReplayVisitor& visit) {
  MutexLock trim(trim_mutex_);
  std::vector<LiveFile> files;
  {
    MutexLock lock(mutex_);
    files.assign(files_.begin(), files_.end());
  }
  for (const LiveFile& file : files) {
    if (file.last_lsn.value() == 0) continue;  // nothing is durable in it
    const std::string name = WalName(file.sequence, kWalSuffix);
    AKI_ASSIGN_OR_RETURN(const auto reader, WalReader::Open(dir_.fs(), dir_.PathOf(name), file.sequence));
    Lsn seen;
    while (seen < file.last_lsn) {
      AKI_RETURN_IF_ERROR(ctx.Check());
      AKI_ASSIGN_OR_RETURN(const WalGroupStatus group, reader->Next());
      if (group != WalGroupStatus::kValid) {
        return DataLoss("log file " + name + " offset " + std::to_string(reader->offset()) + ": " +
                        std::string(WalGroupStatusName(group)) + ", although LSN " +
                        std::to_string(file.last_lsn.value()) + " is durable");
      }
      AKI_RETURN_IF_ERROR(DecodeWalRecords(reader->group_header(), reader->group(), [&](const WalRecord& record) {
        // What lies behind is not durable yet, or was not believed when the log was opened.
        if (record.lsn > file.last_lsn) return OkStatus();
        seen = record.lsn;
        return visit(record);
      }));
    }
  }
  return OkStatus();
}

}  // namespace akidb
