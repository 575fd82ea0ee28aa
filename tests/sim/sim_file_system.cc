// FileSystem over SimDisk: names, handles, locks, and where faults and crashes strike.

#include <algorithm>

#include "sim_disk.h"

namespace akidb::sim {

namespace {

std::string Normal(const std::string& path) {
  std::string out = path;
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  if (out.starts_with("./")) out.erase(0, 2);
  return out;
}

Status InputOutputError(std::string_view what, const std::string& path) {
  return Unavailable(std::string(what) + " " + path + ": input/output error");
}

Status DiskFull(const std::string& path) {
  return ResourceExhausted("write " + path + ": no space left on device").WithReason("disk_full");
}

}  // namespace

class SimFile final : public File {
 public:
  SimFile(SimDisk* disk, std::shared_ptr<Life> life, std::string path, std::shared_ptr<SimInode> inode, bool writable)
      : disk_(disk), life_(std::move(life)), path_(std::move(path)), inode_(std::move(inode)), writable_(writable) {}

  Result<size_t> ReadAt(uint64_t offset, size_t size, char* out) override {
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, disk_->world_->BeginIo(*life_, "read", path_));
    if (phase != CrashPhase::kNone) disk_->world_->CrashNow(*life_);
    if (disk_->Fault(disk_->faults_.read_error_ppm, "fault.read_error"))
      return std::unexpected(InputOutputError("read", path_));
    if (offset >= inode_->current.size()) return size_t{0};
    const size_t count = std::min<size_t>(size, inode_->current.size() - offset);
    inode_->current.copy(out, count, offset);
    if (!inode_->stale.empty() && disk_->Fault(disk_->faults_.stale_read_ppm, "lie.stale_read"))
      ReadStale(offset, count, out);
    return count;
  }

  Status WriteAt(uint64_t offset, std::string_view data) override {
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, disk_->world_->BeginIo(*life_, "write", Place(offset, data.size())));
    if (!writable_) return FailedPrecondition("write " + path_ + ": opened for reading");
    if (disk_->Fault(disk_->faults_.write_error_ppm, "fault.write_error")) return InputOutputError("write", path_);
    if (phase == CrashPhase::kMiddle || disk_->Fault(disk_->faults_.short_write_ppm, "fault.short_write")) {
      inode_->Write(offset, data.substr(0, disk_->dice_.Below(data.size() + 1)));
      if (phase == CrashPhase::kMiddle) disk_->world_->CrashNow(*life_);
      return InputOutputError("write", path_);
    }
    if (disk_->faults_.capacity_bytes != UINT64_MAX) {
      const uint64_t growth = std::max<uint64_t>(offset + data.size(), inode_->current.size()) - inode_->current.size();
      if (growth > 0 && disk_->UsedBytes() + growth > disk_->faults_.capacity_bytes) {
        ++disk_->faults_injected_;
        disk_->world_->coverage().Count("fault.disk_full");
        return DiskFull(path_);
      }
    }
    inode_->Write(offset, data);
    if (phase == CrashPhase::kAfter) disk_->world_->CrashNow(*life_);
    return OkStatus();
  }

  Status Sync() override {
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, disk_->world_->BeginIo(*life_, "sync", path_));
    // Nothing distinguishes a crash in the middle from one before: un-synced sectors survive at random anyway.
    if (phase == CrashPhase::kMiddle) disk_->world_->CrashNow(*life_);
    if (disk_->Fault(disk_->faults_.sync_error_ppm, "fault.sync_error")) {
      disk_->FailSync(inode_.get());
      return InputOutputError("sync", path_);
    }
    if (!disk_->Fault(disk_->faults_.drop_sync_ppm, "lie.drop_sync")) {
      inode_->MakeDurable(disk_->faults_.stale_read_ppm != 0);
    }
    if (phase == CrashPhase::kAfter) disk_->world_->CrashNow(*life_);
    return OkStatus();
  }

  Result<uint64_t> Size() override {
    if (!life_->alive) AKI_RETURN_IF_ERROR(disk_->world_->BeginIo(*life_, "size", path_));
    return inode_->current.size();
  }

  Status Truncate(uint64_t size) override {
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, disk_->world_->BeginIo(*life_, "truncate", path_));
    if (!writable_) return FailedPrecondition("truncate " + path_ + ": opened for reading");
    if (phase == CrashPhase::kMiddle) disk_->world_->CrashNow(*life_);
    inode_->Resize(size);
    if (phase == CrashPhase::kAfter) disk_->world_->CrashNow(*life_);
    return OkStatus();
  }

 private:
  std::string Place(uint64_t offset, uint64_t size) const {
    return path_ + " " + std::to_string(offset) + "+" + std::to_string(size);
  }
  void ReadStale(uint64_t offset, size_t count, char* out) const {
    for (const auto& [sector, content] : inode_->stale) {
      std::string old = content;
      old.resize(kSectorBytes, '\0');
      const uint64_t begin = std::max(offset, sector * kSectorBytes);
      const uint64_t end = std::min(offset + count, (sector + 1) * kSectorBytes);
      if (begin < end) old.copy(out + (begin - offset), end - begin, begin - sector * kSectorBytes);
    }
  }

  SimDisk* disk_;
  std::shared_ptr<Life> life_;
  std::string path_;
  std::shared_ptr<SimInode> inode_;
  bool writable_;
};

class SimLock final : public FileLock {
 public:
  SimLock(SimDisk* disk, std::shared_ptr<Life> life, std::string path)
      : disk_(disk), life_(std::move(life)), path_(std::move(path)) {}
  ~SimLock() override {
    if (life_->alive) disk_->locks_.erase(path_);
  }

 private:
  SimDisk* disk_;
  std::shared_ptr<Life> life_;
  std::string path_;
};

class SimFileSystem final : public FileSystem {
 public:
  SimFileSystem(SimDisk* disk, std::shared_ptr<Life> life) : disk_(disk), life_(std::move(life)) {}

  Result<std::unique_ptr<File>> Open(const std::string& raw, OpenMode mode) override {
    const std::string path = Normal(raw);
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, disk_->world_->BeginIo(*life_, "open", path));
    const auto it = disk_->names_.find(path);
    std::shared_ptr<SimInode> inode = it == disk_->names_.end() ? nullptr : it->second;
    const bool creates = mode == OpenMode::kCreateNew || mode == OpenMode::kCreateOrOpen;
    if (inode == nullptr && !creates) return std::unexpected(NotFound("open " + path + ": no such file"));
    if (inode != nullptr && mode == OpenMode::kCreateNew)
      return std::unexpected(AlreadyExists("open " + path + ": file exists"));
    if (inode != nullptr && inode->is_dir)
      return std::unexpected(FailedPrecondition("open " + path + ": is a directory"));
    if (phase == CrashPhase::kMiddle) disk_->world_->CrashNow(*life_);
    if (inode == nullptr) {
      AKI_RETURN_IF_ERROR(CheckParent(path));
      inode = std::make_shared<SimInode>();
      disk_->Change({{{path, inode}}});
    }
    if (phase == CrashPhase::kAfter) disk_->world_->CrashNow(*life_);
    return std::make_unique<SimFile>(disk_, life_, path, std::move(inode), mode != OpenMode::kRead);
  }

  Status Rename(const std::string& raw_from, const std::string& raw_to) override {
    const std::string from = Normal(raw_from);
    const std::string to = Normal(raw_to);
    return ChangeNames("rename", from + " " + to, [&]() -> Result<SimDisk::NameChange> {
      AKI_ASSIGN_OR_RETURN(std::shared_ptr<SimInode> inode, Find("rename", from));
      if (inode->is_dir) return std::unexpected(Unimplemented("rename of the directory " + from));
      AKI_RETURN_IF_ERROR(CheckParent(to));
      if (from == to) return SimDisk::NameChange{};
      return SimDisk::NameChange{{{from, nullptr}, {to, std::move(inode)}}};
    });
  }

  Status Link(const std::string& raw_from, const std::string& raw_to) override {
    const std::string from = Normal(raw_from);
    const std::string to = Normal(raw_to);
    return ChangeNames("link", from + " " + to, [&]() -> Result<SimDisk::NameChange> {
      AKI_ASSIGN_OR_RETURN(std::shared_ptr<SimInode> inode, Find("link", from));
      AKI_RETURN_IF_ERROR(CheckParent(to));
      if (disk_->names_.contains(to)) return std::unexpected(AlreadyExists("link " + to + ": file exists"));
      return SimDisk::NameChange{{{to, std::move(inode)}}};
    });
  }

  Status Remove(const std::string& raw) override {
    const std::string path = Normal(raw);
    return ChangeNames(kRemove, path, [&]() -> Result<SimDisk::NameChange> {
      AKI_ASSIGN_OR_RETURN(const std::shared_ptr<SimInode> inode, Find("remove", path));
      if (inode->is_dir) return std::unexpected(FailedPrecondition("remove " + path + ": is a directory"));
      return SimDisk::NameChange{{{path, nullptr}}};
    });
  }

  Status MakeDir(const std::string& raw) override {
    const std::string path = Normal(raw);
    return ChangeNames("mkdir", path, [&]() -> Result<SimDisk::NameChange> {
      if (disk_->names_.contains(path)) return std::unexpected(AlreadyExists("mkdir " + path + ": file exists"));
      AKI_RETURN_IF_ERROR(CheckParent(path));
      auto inode = std::make_shared<SimInode>();
      inode->is_dir = true;
      return SimDisk::NameChange{{{path, std::move(inode)}}};
    });
  }

  Status RemoveDir(const std::string& raw) override {
    const std::string path = Normal(raw);
    return ChangeNames("rmdir", path, [&]() -> Result<SimDisk::NameChange> {
      AKI_ASSIGN_OR_RETURN(const std::shared_ptr<SimInode> inode, Find("rmdir", path));
      if (!inode->is_dir) return std::unexpected(FailedPrecondition("rmdir " + path + ": not a directory"));
      const auto child = disk_->names_.lower_bound(path + "/");
      if (child != disk_->names_.end() && child->first.starts_with(path + "/")) {
        return std::unexpected(FailedPrecondition("rmdir " + path + ": directory not empty"));
      }
      return SimDisk::NameChange{{{path, nullptr}}};
    });
  }

  Status SyncDir(const std::string& raw) override {
    const std::string path = Normal(raw);
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, disk_->world_->BeginIo(*life_, "syncdir", path));
    AKI_ASSIGN_OR_RETURN(const std::shared_ptr<SimInode> inode, Find("syncdir", path));
    if (!inode->is_dir) return FailedPrecondition("syncdir " + path + ": not a directory");
    if (phase == CrashPhase::kMiddle) disk_->world_->CrashNow(*life_);
    if (disk_->Fault(disk_->faults_.dir_sync_error_ppm, "fault.dir_sync_error"))
      return InputOutputError("syncdir", path);
    if (!disk_->Fault(disk_->faults_.forget_names_ppm, "lie.forget_names")) disk_->SyncNames(path);
    if (phase == CrashPhase::kAfter) disk_->world_->CrashNow(*life_);
    return OkStatus();
  }

  Result<std::vector<std::string>> List(const std::string& raw) override {
    const std::string path = Normal(raw);
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, disk_->world_->BeginIo(*life_, "list", path));
    if (phase != CrashPhase::kNone) disk_->world_->CrashNow(*life_);
    AKI_ASSIGN_OR_RETURN(const std::shared_ptr<SimInode> inode, Find("list", path));
    if (!inode->is_dir) return std::unexpected(FailedPrecondition("list " + path + ": not a directory"));
    const std::string prefix = path == "/" ? "/" : path + "/";
    std::vector<std::string> out;
    for (auto it = disk_->names_.upper_bound(prefix); it != disk_->names_.end() && it->first.starts_with(prefix);
         ++it) {
      std::string name = it->first.substr(prefix.size());
      if (name.find('/') != std::string::npos) continue;
      if (it->second->is_dir) name += '/';
      out.push_back(std::move(name));
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  Result<bool> Exists(const std::string& raw) override {
    const std::string path = Normal(raw);
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, disk_->world_->BeginIo(*life_, "exists", path));
    if (phase != CrashPhase::kNone) disk_->world_->CrashNow(*life_);
    return disk_->names_.contains(path);
  }

  Result<uint64_t> FreeBytes(const std::string& path) override {
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, disk_->world_->BeginIo(*life_, "statfs", path));
    if (phase != CrashPhase::kNone) disk_->world_->CrashNow(*life_);
    if (disk_->faults_.capacity_bytes == UINT64_MAX) return uint64_t{1} << 40;
    const uint64_t used = disk_->UsedBytes();
    return used >= disk_->faults_.capacity_bytes ? 0 : disk_->faults_.capacity_bytes - used;
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& raw, const std::string& note) override {
    const std::string path = Normal(raw);
    AKI_ASSIGN_OR_RETURN(std::unique_ptr<File> file, Open(path, OpenMode::kCreateOrOpen));
    const auto held = disk_->locks_.find(path);
    if (held != disk_->locks_.end()) {
      return std::unexpected(Unavailable(path + " is locked by " + held->second).WithReason("locked"));
    }
    AKI_RETURN_IF_ERROR(file->Truncate(0));
    AKI_RETURN_IF_ERROR(file->WriteAt(0, note));
    disk_->locks_[path] = note;
    return std::make_unique<SimLock>(disk_, life_, path);
  }

 private:
  Result<std::shared_ptr<SimInode>> Find(std::string_view what, const std::string& path) {
    const auto it = disk_->names_.find(path);
    if (it == disk_->names_.end()) return std::unexpected(NotFound(std::string(what) + " " + path + ": no such file"));
    return it->second;
  }
  Status CheckParent(const std::string& path) {
    AKI_ASSIGN_OR_RETURN(const std::shared_ptr<SimInode> parent, Find("open", ParentDir(path)));
    if (!parent->is_dir) return FailedPrecondition(ParentDir(path) + " is not a directory");
    return OkStatus();
  }
  template <class Make>
  Status ChangeNames(std::string_view what, const std::string& where, const Make& make) {
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, disk_->world_->BeginIo(*life_, what, where));
    AKI_ASSIGN_OR_RETURN(SimDisk::NameChange change, make());
    if (phase == CrashPhase::kMiddle) return Crash(what);
    if (disk_->Fault(disk_->faults_.write_error_ppm, "fault.name_error")) return InputOutputError(what, where);
    if (!change.sets.empty()) disk_->Change(std::move(change));
    return phase == CrashPhase::kAfter ? Crash(what) : OkStatus();
  }

  Status Crash(std::string_view what) {
    if (what != kRemove) disk_->world_->CrashNow(*life_);
    disk_->world_->CrashSoon(*life_);
    return Unavailable("the simulated process is dead");
  }

  SimDisk* disk_;
  std::shared_ptr<Life> life_;
};

std::unique_ptr<FileSystem> SimDisk::Mount(std::shared_ptr<Life> life) {
  return std::make_unique<SimFileSystem>(this, std::move(life));
}

}  // namespace akidb::sim
