#include "wal/wal_reader.h"

#include <algorithm>

namespace akidb {
namespace {

constexpr uint64_t kReadBytes = 1 << 20;

}  // namespace

Result<std::unique_ptr<WalReader>> WalReader::Open(FileSystem& fs, const std::string& path, uint64_t sequence) {
  AKI_ASSIGN_OR_RETURN(auto file, fs.Open(path, OpenMode::kRead));
  AKI_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::unique_ptr<WalReader> reader(new WalReader(std::move(file), std::min(size, kWalFileBytesMax)));
  AKI_ASSIGN_OR_RETURN(const std::string_view block, reader->Read(0, kWalBlockBytes));
  AKI_ASSIGN_OR_RETURN(reader->header_, DecodeWalFileHeader(block, sequence));
  reader->seed_ = WalGroupSeed(reader->header_);
  return reader;
}

Result<WalGroupStatus> WalReader::Next() {
  AKI_ASSIGN_OR_RETURN(std::string_view bytes, Read(offset_, kWalBlockBytes));
  WalGroupHeader header;
  WalGroupStatus status = DecodeWalGroupHeader(bytes, seed_, header_.sequence, offset_, &header);
  if (status != WalGroupStatus::kValid) return status;
  if (header.end() > size_bytes_) return WalGroupStatus::kTruncated;
  AKI_ASSIGN_OR_RETURN(bytes, Read(offset_, header.end() - offset_));
  status = CheckWalGroupPayload(header, seed_, bytes);
  if (status != WalGroupStatus::kValid) return status;
  group_header_ = header;
  group_ = bytes;
  offset_ = header.end();
  return status;
}

Result<uint64_t> WalReader::LaterClaim() {
  uint64_t claim = 0;
  for (uint64_t offset = offset_ + kWalBlockBytes; offset < size_bytes_; offset += kWalBlockBytes) {
    AKI_ASSIGN_OR_RETURN(const std::string_view bytes, Read(offset, kWalBlockBytes));
    WalGroupHeader header;
    if (DecodeWalGroupHeader(bytes, seed_, header_.sequence, offset, &header) == WalGroupStatus::kValid) {
      claim = std::max(claim, header.synced_offset);
    }
  }
  return claim;
}

Result<std::string_view> WalReader::Read(uint64_t offset, uint64_t size) {
  size = offset < size_bytes_ ? std::min(size, size_bytes_ - offset) : 0;
  if (offset < window_begin_ || offset + size > window_begin_ + window_.size()) {
    const uint64_t want = std::min(std::max(size, kReadBytes), size_bytes_ - std::min(offset, size_bytes_));
    // The length came from a header whose checksum passed, or is ours; it never exceeds the file.
    window_.resize(want);
    AKI_ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(offset, want, window_.data()));
    window_.resize(got);
    window_begin_ = offset;
    size = std::min<uint64_t>(size, got);
  }
  return std::string_view(window_).substr(offset - window_begin_, size);
}

}  // namespace akidb
