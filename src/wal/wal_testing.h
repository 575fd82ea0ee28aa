// A disk in memory that forgets what was not synced, and a log on it with everything a test wants to look at.
// It exists so that a test can crash the log at every single operation and choose what survived.
//
// Threads: CrashDisk is thread-safe except for Crash; the rest is one test, one thread.
// Errors:  those of FileSystem; `before_op` may add its own or throw.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/environment.h"
#include "base/mutex.h"
#include "wal/wal.h"

namespace akidb {

enum class DiskOp : uint8_t { kOpen, kWrite, kSync, kRename, kRemove, kSyncDir };

// Thrown by the die function of WalFixture.
struct Died {
  Status status;
};
// Thrown by a test's before_op to stop the log dead.
struct Crashed {};

class CrashDisk final : public FileSystem {
 public:
  static constexpr uint64_t kSectorBytes = 512;

  // Runs before every changing operation; an error fails it without effect.
  std::function<Status(DiskOp, const std::string& path)> before_op;
  uint64_t capacity_bytes = UINT64_MAX;
  // kSync or kSyncDir: answered with OK and not done.
  std::optional<DiskOp> dropped_op;

  // Power loss: every un-synced sector and directory change survives if `keep` says so. Open files are dead.
  void Crash(const std::function<bool()>& keep);
  // The current bytes of a file, to look at and to damage. Damage is durable at once.
  std::string ReadAll(const std::string& path);
  void Overwrite(const std::string& path, std::string bytes);
  // Sectors of the file that a crash may lose.
  std::vector<uint64_t> DirtySectors(const std::string& path);
  std::vector<std::string> Paths();
  std::unique_ptr<CrashDisk> Clone();

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  Result<bool> Exists(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& path) override;
  // The log has no use for these.
  Status Link(const std::string&, const std::string&) override { return Unimplemented("link"); }
  Status MakeDir(const std::string&) override { return Unimplemented("mkdir"); }
  Status RemoveDir(const std::string&) override { return Unimplemented("rmdir"); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string&, const std::string&) override {
    return std::unexpected(Unimplemented("lock"));
  }

 private:
  friend class CrashFile;
  struct Inode {
    std::string data;
    std::string durable;
    std::set<uint64_t> dirty;  // sector numbers
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  struct NameChange {
    std::string from;  // removed
    std::string to;    // set to inode
    std::shared_ptr<Inode> inode;
  };
  static void Apply(const NameChange& change, Names* names);

  Status Before(DiskOp op, const std::string& path) { return before_op ? before_op(op, path) : OkStatus(); }
  void ChangeLocked(NameChange change) AKI_REQUIRES(mutex_);

  Mutex mutex_;
  Names names_ AKI_GUARDED_BY(mutex_);
  Names durable_names_ AKI_GUARDED_BY(mutex_);
  std::vector<NameChange> changes_ AKI_GUARDED_BY(mutex_);
};

// A log on a CrashDisk. Bodies are strings the test chooses; every record has collection 7 and epoch 3.
struct WalFixture {
  WalFixture();

  Environment Env();
  // Opens the log; what survived is in `replayed`.
  Status Open();
  Lsn MustAppend(const std::string& body);
  // Appends and makes durable.
  Lsn MustWrite(const std::string& body);
  void CommitAll();
  // Drops the open log as a killed process would, then loses what `keep` says.
  void Crash(const std::function<bool()>& keep);
  // The disk's .wal files in order.
  std::vector<std::string> WalPaths();

  std::unique_ptr<CrashDisk> disk = std::make_unique<CrashDisk>();
  std::unique_ptr<Random> random;
  WalOptions options;
  OpContext ctx;
  std::vector<std::pair<Lsn, std::string>> replayed;
  std::unique_ptr<Wal> wal;
};

}  // namespace akidb
