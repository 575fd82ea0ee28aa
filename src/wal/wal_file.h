// One preallocated file of the log, and the directory it lives in.
// Names say what a crash left: `<20 digits>.wal` has a synced header and may hold records; `<20 digits>.spare` is
// full-size and holds nothing; `*.tmp` was never finished.
//
// Threads: WalDir is thread-safe; a WalFile has one writer at a time.
// Errors:  methods named ...OrDie call Environment::die on any failure and never return then (I4).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/environment.h"
#include "base/status.h"

namespace akidb {

inline constexpr std::string_view kWalSuffix = ".wal";
inline constexpr std::string_view kWalSpareSuffix = ".spare";
inline constexpr std::string_view kWalTempSuffix = ".tmp";

std::string WalName(uint64_t number, std::string_view suffix);
// The number of a name that WalName made with this suffix.
std::optional<uint64_t> ParseWalName(std::string_view name, std::string_view suffix);

class WalDir {
 public:
  WalDir(const Environment& env, std::string path) : env_(env), path_(std::move(path)) {}

  FileSystem& fs() const { return *env_.fs; }
  Random& random() const { return *env_.random; }
  const std::string& path() const { return path_; }
  std::string PathOf(std::string_view name) const { return path_ + "/" + std::string(name); }

  void SyncOrDie() const;
  // Ends the process if `status` is an error.
  void CheckOrDie(Status status, std::string_view what) const;

 private:
  Environment env_;
  std::string path_;
};

class WalFile {
 public:
  static Result<std::unique_ptr<WalFile>> Create(const WalDir& dir, std::string name);
  static Result<std::unique_ptr<WalFile>> Open(const WalDir& dir, std::string name);

  const std::string& name() const { return name_; }
  uint64_t size_bytes() const { return size_bytes_; }

  // Appends up to `bytes` zeros and syncs them: written blocks, unlike merely allocated ones, take later writes without
  // a metadata update. kResourceExhausted when the disk is full.
  Status AppendZeros(uint64_t bytes);
  // The new name survives a crash only after WalDir::SyncOrDie.
  Status Rename(std::string name);
  Status Remove();

  void WriteOrDie(uint64_t offset, std::string_view data);
  // Writes [begin, end) again as it reads now: after a failed fsync the kernel may hold pages that differ from the disk
  // but count as clean (fsyncgate), and a sync alone would not write them.
  Status Rewrite(uint64_t begin, uint64_t end);
  void SyncOrDie();

 private:
  WalFile(const WalDir& dir, std::string name, std::unique_ptr<File> file, uint64_t size_bytes)
      : dir_(dir), name_(std::move(name)), file_(std::move(file)), size_bytes_(size_bytes) {}

  const WalDir& dir_;
  std::string name_;
  std::unique_ptr<File> file_;
  uint64_t size_bytes_;
};

}  // namespace akidb
