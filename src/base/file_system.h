// The local disk, injected so that tests can forget un-synced bytes, tear writes, fill up or lie.
// Only wal/, objstore/localfs/, caches and command-line tools see it.
//
// Threads:    FileSystem is thread-safe. A File may be read from many threads; writes need one writer at a time.
// Errors:     kNotFound, kAlreadyExists, kResourceExhausted (no space, reason "disk_full"), kUnavailable (I/O error).
//             After a failed Sync or SyncDir nothing is known about what is on disk: the caller must die (I4).
// Durability: bytes written survive a crash only after Sync; a created, renamed, linked or removed name survives only
//             after SyncDir of its directory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace akidb {

enum class OpenMode : uint8_t {
  kRead,          // must exist
  kReadWrite,     // must exist
  kCreateNew,     // must not exist; read and write
  kCreateOrOpen,  // read and write
};

class File {
 public:
  virtual ~File() = default;  // closes, does not sync
  // Reads up to `size` bytes at `offset` into `out`; fewer only at the end of the file. Returns the count.
  virtual Result<size_t> ReadAt(uint64_t offset, size_t size, char* out) = 0;
  // Writes all of `data` or fails; a failed write may have written a part.
  virtual Status WriteAt(uint64_t offset, std::string_view data) = 0;
  // fdatasync: contents and length.
  virtual Status Sync() = 0;
  virtual Result<uint64_t> Size() = 0;
  virtual Status Truncate(uint64_t size) = 0;
};

// An exclusive lock on a file, held until destroyed or the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  // Atomic; kAlreadyExists if `to` exists.
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;  // kNotFound if absent
  // Creates one directory; kAlreadyExists if there.
  virtual Status MakeDir(const std::string& path) = 0;
  virtual Status RemoveDir(const std::string& path) = 0;  // must be empty
  virtual Status SyncDir(const std::string& path) = 0;
  // Entry names without "." and "..", sorted bytewise. A directory's name ends in '/'.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  // Free bytes an unprivileged process can still write at `path`.
  virtual Result<uint64_t> FreeBytes(const std::string& path) = 0;
  // kUnavailable (reason "locked") with the holder's note when another process holds it. `note` is written into the
  // file.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path, const std::string& note) = 0;
};

// The operating system's files. The object lives for ever.
FileSystem& PosixFileSystem();

// Creates `path` and every missing parent, each synced in its parent directory.
Status MakeDirs(FileSystem& fs, const std::string& path);
// Whole file; kResourceExhausted above `size_max`.
Result<std::string> ReadWholeFile(FileSystem& fs, const std::string& path, uint64_t size_max);
// Parent of "a/b/c" is "a/b"; of "c" is ".".
std::string ParentDir(const std::string& path);

}  // namespace akidb
