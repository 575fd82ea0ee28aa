#include "engine/discarded_log.h"

#include <algorithm>

#include "base/file_system.h"

namespace akidb {
namespace {

// Its presence says that the records before it are all there.
constexpr std::string_view kComplete = "complete";
// Records that are made durable together.
constexpr uint64_t kDiscardedBytes = 1u << 20;

Status RemoveFiles(FileSystem& fs, const std::string& dir, const std::function<bool(const std::string&)>& which) {
  AKI_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(dir));
  for (const std::string& name : names) {
    if (which(name)) AKI_RETURN_IF_ERROR(fs.Remove(dir + "/" + name));
  }
  return OkStatus();
}

void CommitAll(OpContext& ctx, Wal& log) {
  while (log.CommitStep(ctx)) {
  }
}

}  // namespace

Result<std::optional<DiscardedRecords>> PutAside(OpContext& ctx, const Environment& env, Wal& log,
                                                 CollectionId collection, const std::function<bool(Epoch, Lsn)>& lost,
                                                 const std::string& data_dir, uint64_t file_bytes) {
  DiscardedRecords found;
  uint64_t longest = 0;
  const auto is_lost = [&](const WalRecord& record) {
    return record.collection == collection && lost(record.epoch, record.lsn);
  };
  AKI_RETURN_IF_ERROR(log.Walk(ctx, [&](const WalRecord& record) {
    if (!is_lost(record)) return OkStatus();
    if (found.count == 0) found.first = record.lsn;
    found.last = record.lsn;
    ++found.count;
    found.bytes += record.body.size();
    longest = std::max<uint64_t>(longest, record.body.size());
    return OkStatus();
  }));
  if (found.count == 0) return std::nullopt;
  FileSystem& fs = *env.fs;
  found.dir = data_dir + "/wal-discarded/" + std::to_string(collection.value()) + "." +
              std::to_string(found.first.value()) + "-" + std::to_string(found.last.value());
  const std::string complete = found.dir + "/" + std::string(kComplete);
  AKI_ASSIGN_OR_RETURN(const bool done, fs.Exists(complete));
  if (done) return found;
  found.fresh = true;
  AKI_RETURN_IF_ERROR(MakeDirs(fs, found.dir));
  AKI_RETURN_IF_ERROR(RemoveFiles(fs, found.dir, [](const std::string&) { return true; }));
  WalOptions options;
  options.dir = found.dir;
  // A record, its group and the file's header must fit; the log's own files had room for it.
  const uint64_t needed = (WalGroupBytes(WalRecordBytes(longest)) / kWalBlockBytes + 2) * kWalBlockBytes;
  options.file_bytes = std::clamp(std::max(file_bytes, needed), kWalFileBytesMin, kWalFileBytesMax);
  options.spare_files_max = 1;
  options.wal_bytes_max = UINT64_MAX / 2;
  {
    AKI_ASSIGN_OR_RETURN(const auto aside, Wal::Open(ctx, env, options, [](const WalRecord&) { return OkStatus(); }));
    uint64_t pending = 0;
    AKI_RETURN_IF_ERROR(log.Walk(ctx, [&](const WalRecord& record) -> Status {
      if (!is_lost(record) || record.lsn > found.last) return OkStatus();
      aside->AdvanceLsn(Lsn(record.lsn.value() - 1));  // under the LSN that it was acknowledged with
      AKI_RETURN_IF_ERROR(
          internal::ToStatus(aside->Append(ctx, record.collection, record.epoch, record.type, record.body)));
      pending += record.body.size();
      if (pending < kDiscardedBytes) return OkStatus();
      pending = 0;
      CommitAll(ctx, *aside);
      return OkStatus();
    }));
    CommitAll(ctx, *aside);
  }
  AKI_RETURN_IF_ERROR(RemoveFiles(fs, found.dir, [](const std::string& name) { return name.ends_with(".spare"); }));
  {
    AKI_ASSIGN_OR_RETURN(const auto marker, fs.Open(complete, OpenMode::kCreateOrOpen));
    AKI_RETURN_IF_ERROR(marker->Sync());
  }
  AKI_RETURN_IF_ERROR(fs.SyncDir(found.dir));
  return found;
}

}  // namespace akidb
