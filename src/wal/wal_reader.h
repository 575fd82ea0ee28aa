// Reads one file of the log group by group, in large reads, and tells a torn tail from corruption.
//
// Threads: one reader, one thread.
// Errors:  I/O errors; Open: kDataLoss for a damaged file header, kFailedPrecondition for a newer format version.
// Format:  docs/formats/wal.md
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/status.h"
#include "format/wal_format.h"

namespace akidb {

class WalReader {
 public:
  static Result<std::unique_ptr<WalReader>> Open(FileSystem& fs, const std::string& path, uint64_t sequence);

  const WalFileHeader& header() const { return header_; }
  uint64_t size_bytes() const { return size_bytes_; }
  // Where the next group would begin: the end of the valid ones once Next said anything but kValid.
  uint64_t offset() const { return offset_; }

  // Reads the group at offset(). On kValid it is in group_header() and group() until the next call, and offset() moves
  // behind it; otherwise offset() stays.
  Result<WalGroupStatus> Next();
  const WalGroupHeader& group_header() const { return group_header_; }
  std::string_view group() const { return group_; }

  // The greatest synced offset that a valid group header behind offset() claims; 0 if there is none.
  // Beyond offset() it proves that the group there was synced once: damage, not a torn tail (I5).
  Result<uint64_t> LaterClaim();

 private:
  WalReader(std::unique_ptr<File> file, uint64_t size_bytes) : file_(std::move(file)), size_bytes_(size_bytes) {}

  // `size` bytes at `offset`, fewer at the file's end; valid until the next call.
  Result<std::string_view> Read(uint64_t offset, uint64_t size);

  std::unique_ptr<File> file_;
  uint64_t size_bytes_;
  WalFileHeader header_;
  uint64_t seed_ = 0;
  uint64_t offset_ = kWalBlockBytes;
  WalGroupHeader group_header_;
  std::string_view group_;

  std::string window_;  // the file's bytes from window_begin_
  uint64_t window_begin_ = 0;
};

}  // namespace akidb
