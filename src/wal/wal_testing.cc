#include "wal/wal_testing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace akidb {

class CrashFile final : public File {
 public:
  CrashFile(CrashDisk& disk, std::string path, std::shared_ptr<CrashDisk::Inode> inode)
      : disk_(disk), path_(std::move(path)), inode_(std::move(inode)) {}

  Result<size_t> ReadAt(uint64_t offset, size_t size, char* out) override {
    MutexLock lock(disk_.mutex_);
    const std::string& data = inode_->data;
    if (offset >= data.size()) return size_t{0};
    const size_t count = std::min<uint64_t>(size, data.size() - offset);
    std::memcpy(out, data.data() + offset, count);
    return count;
  }

  Status WriteAt(uint64_t offset, std::string_view bytes) override {
    AKI_RETURN_IF_ERROR(disk_.Before(DiskOp::kWrite, path_));
    MutexLock lock(disk_.mutex_);
    const uint64_t end = offset + bytes.size();
    uint64_t used = 0;
    for (const auto& [name, inode] : disk_.names_) used += inode->data.size();
    if (end > inode_->data.size()) {
      if (used + end - inode_->data.size() > disk_.capacity_bytes) {
        return ResourceExhausted("no space left on device").WithReason("disk_full");
      }
      inode_->data.resize(end, '\0');
    }
    std::memcpy(inode_->data.data() + offset, bytes.data(), bytes.size());
    for (uint64_t s = offset / CrashDisk::kSectorBytes; s * CrashDisk::kSectorBytes < end; ++s) inode_->dirty.insert(s);
    return OkStatus();
  }

  Status Sync() override {
    AKI_RETURN_IF_ERROR(disk_.Before(DiskOp::kSync, path_));
    if (disk_.dropped_op == DiskOp::kSync) return OkStatus();
    MutexLock lock(disk_.mutex_);
    inode_->durable.resize(inode_->data.size(), '\0');
    for (const uint64_t s : inode_->dirty) {
      const uint64_t at = s * CrashDisk::kSectorBytes;
      inode_->durable.replace(at, CrashDisk::kSectorBytes, inode_->data, at, CrashDisk::kSectorBytes);
    }
    inode_->dirty.clear();
    return OkStatus();
  }

  Result<uint64_t> Size() override {
    MutexLock lock(disk_.mutex_);
    return inode_->data.size();
  }
  Status Truncate(uint64_t) override { return Unimplemented("truncate"); }

 private:
  CrashDisk& disk_;
  const std::string path_;
  const std::shared_ptr<CrashDisk::Inode> inode_;
};

void CrashDisk::Apply(const NameChange& change, Names* names) {
  if (!change.from.empty()) names->erase(change.from);
  if (!change.to.empty()) (*names)[change.to] = change.inode;
}

void CrashDisk::ChangeLocked(NameChange change) {
  Apply(change, &names_);
  changes_.push_back(std::move(change));
}

void CrashDisk::Crash(const std::function<bool()>& keep) {
  MutexLock lock(mutex_);
  for (const NameChange& change : changes_) {
    if (keep()) Apply(change, &durable_names_);
  }
  changes_.clear();
  // New inodes, so that files the dead process still holds change nothing any more.
  for (auto& [name, inode] : durable_names_) {
    auto survivor = std::make_shared<Inode>();
    survivor->durable = inode->durable;
    for (const uint64_t s : inode->dirty) {
      if (!keep()) continue;
      const uint64_t begin = s * kSectorBytes;
      const uint64_t end = std::min<uint64_t>(begin + kSectorBytes, inode->data.size());
      if (end > survivor->durable.size()) survivor->durable.resize(end, '\0');
      survivor->durable.replace(begin, end - begin, inode->data, begin, end - begin);
    }
    survivor->data = survivor->durable;
    inode = std::move(survivor);
  }
  names_ = durable_names_;
}

std::string CrashDisk::ReadAll(const std::string& path) {
  MutexLock lock(mutex_);
  return names_.at(path)->data;
}

void CrashDisk::Overwrite(const std::string& path, std::string bytes) {
  MutexLock lock(mutex_);
  auto inode = std::make_shared<Inode>();
  inode->data = inode->durable = std::move(bytes);
  names_[path] = inode;
  durable_names_[path] = inode;
}

std::vector<uint64_t> CrashDisk::DirtySectors(const std::string& path) {
  MutexLock lock(mutex_);
  const std::set<uint64_t>& dirty = names_.at(path)->dirty;
  return {dirty.begin(), dirty.end()};
}

std::vector<std::string> CrashDisk::Paths() {
  MutexLock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, inode] : names_) out.push_back(name);
  return out;
}

std::unique_ptr<CrashDisk> CrashDisk::Clone() {
  auto out = std::make_unique<CrashDisk>();
  for (const std::string& path : Paths()) out->Overwrite(path, ReadAll(path));
  return out;
}

Result<std::unique_ptr<File>> CrashDisk::Open(const std::string& path, OpenMode mode) {
  const bool may_create = mode == OpenMode::kCreateNew || mode == OpenMode::kCreateOrOpen;
  if (may_create) AKI_RETURN_IF_ERROR(Before(DiskOp::kOpen, path));
  MutexLock lock(mutex_);
  const auto it = names_.find(path);
  if (it == names_.end() && !may_create) return std::unexpected(NotFound(path));
  if (it != names_.end() && mode == OpenMode::kCreateNew) return std::unexpected(AlreadyExists(path));
  if (it == names_.end()) ChangeLocked({.from = "", .to = path, .inode = std::make_shared<Inode>()});
  return std::make_unique<CrashFile>(*this, path, names_.at(path));
}

Status CrashDisk::Rename(const std::string& from, const std::string& to) {
  AKI_RETURN_IF_ERROR(Before(DiskOp::kRename, from));
  MutexLock lock(mutex_);
  if (!names_.contains(from)) return NotFound(from);
  ChangeLocked({.from = from, .to = to, .inode = names_.at(from)});
  return OkStatus();
}

Status CrashDisk::Remove(const std::string& path) {
  AKI_RETURN_IF_ERROR(Before(DiskOp::kRemove, path));
  MutexLock lock(mutex_);
  if (!names_.contains(path)) return NotFound(path);
  ChangeLocked({.from = path, .to = "", .inode = nullptr});
  return OkStatus();
}

Status CrashDisk::SyncDir(const std::string& path) {
  AKI_RETURN_IF_ERROR(Before(DiskOp::kSyncDir, path));
  if (dropped_op == DiskOp::kSyncDir) return OkStatus();
  MutexLock lock(mutex_);
  durable_names_ = names_;
  changes_.clear();
  return OkStatus();
}

Result<std::vector<std::string>> CrashDisk::List(const std::string& path) {
  std::vector<std::string> out;
  for (const std::string& name : Paths()) {
    if (name.starts_with(path + "/")) out.push_back(name.substr(path.size() + 1));
  }
  return out;
}

Result<bool> CrashDisk::Exists(const std::string& path) {
  MutexLock lock(mutex_);
  return names_.contains(path);
}

Result<uint64_t> CrashDisk::FreeBytes(const std::string&) { return capacity_bytes; }

WalFixture::WalFixture() : random(NewSeededRandom(1)), ctx(RealClock()) {
  options.dir = "wal";
  options.file_bytes = kWalFileBytesMin;
  options.spare_files_max = 2;
}

Environment WalFixture::Env() {
  return {.clock = &RealClock(),
          .random = random.get(),
          .fs = disk.get(),
          .executor = nullptr,
          .die = [](const Status& status) { throw Died{status}; }};
}

Status WalFixture::Open() {
  replayed.clear();
  AKI_ASSIGN_OR_RETURN(wal, Wal::Open(ctx, Env(), options, [this](const WalRecord& record) {
                         EXPECT_EQ(record.collection, CollectionId(7));
                         EXPECT_EQ(record.epoch, Epoch(3));
                         replayed.emplace_back(record.lsn, record.body);
                         return OkStatus();
                       }));
  return OkStatus();
}

Lsn WalFixture::MustAppend(const std::string& body) {
  Result<Lsn> lsn = wal->Append(ctx, CollectionId(7), Epoch(3), WalRecordType::kUpsert, body);
  EXPECT_TRUE(lsn) << lsn.error().ToString();
  return lsn ? *lsn : Lsn(0);
}

Lsn WalFixture::MustWrite(const std::string& body) {
  const Lsn lsn = MustAppend(body);
  CommitAll();
  return lsn;
}

void WalFixture::CommitAll() {
  while (wal->CommitStep(ctx)) {
  }
}

void WalFixture::Crash(const std::function<bool()>& keep) {
  disk->before_op = nullptr;
  wal.reset();
  disk->Crash(keep);
}

std::vector<std::string> WalFixture::WalPaths() {
  std::vector<std::string> out = disk->Paths();
  std::erase_if(out, [](const std::string& path) { return !path.ends_with(".wal"); });
  return out;
}

}  // namespace akidb
