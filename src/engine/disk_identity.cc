#include "engine/disk_identity.h"

#include <algorithm>

#include "base/file_system.h"
#include "format/disk_id.h"

namespace akidb {
namespace {

Status WrongDirectory(const std::string& wal_dir, const std::string& whose, const std::string& store) {
  return FailedPrecondition(wal_dir + " holds the log of " + whose + ", and this node serves " +
                            (store.empty() ? "another store" : store) + "; give it a data directory of its own")
      .WithReason("wrong_data_dir");
}

}  // namespace

Result<std::optional<std::string>> FindDiskId(FileSystem& fs, const std::string& wal_dir, const std::string& store) {
  const std::string path = wal_dir + "/" + std::string(kDiskIdName);
  AKI_ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  if (!exists) return std::nullopt;
  AKI_ASSIGN_OR_RETURN(const std::string bytes, ReadWholeFile(fs, path, kDiskIdBytesMax));
  const auto disk = DecodeDiskId(bytes);
  if (!disk) return std::unexpected(Status(disk.error()).Annotate(path));
  if (disk->store != store) return std::unexpected(WrongDirectory(wal_dir, disk->store, store));
  return disk->id;
}

Result<std::string> EnsureDiskId(const Environment& env, const std::string& wal_dir, const std::string& store) {
  FileSystem& fs = *env.fs;
  AKI_RETURN_IF_ERROR(MakeDirs(fs, wal_dir));
  AKI_ASSIGN_OR_RETURN(const auto found, FindDiskId(fs, wal_dir, store));
  if (found) return *found;
  AKI_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(wal_dir));
  if (std::ranges::any_of(names, [](const std::string& name) { return name.ends_with(".wal"); })) {
    return std::unexpected(WrongDirectory(wal_dir, "a store on a directory", store));
  }
  const DiskId disk{.id = env.random->Hex(kDiskIdDigits), .store = store};
  const std::string path = wal_dir + "/" + std::string(kDiskIdName);
  const std::string fresh = path + ".new";
  {
    AKI_ASSIGN_OR_RETURN(const auto file, fs.Open(fresh, OpenMode::kCreateOrOpen));
    const std::string bytes = EncodeDiskId(disk);
    AKI_RETURN_IF_ERROR(file->Truncate(0));
    AKI_RETURN_IF_ERROR(file->WriteAt(0, bytes));
    AKI_RETURN_IF_ERROR(file->Sync());
  }
  AKI_RETURN_IF_ERROR(fs.Rename(fresh, path));
  AKI_RETURN_IF_ERROR(fs.SyncDir(wal_dir));
  return disk.id;
}

}  // namespace akidb
