#include "wal/wal_file.h"

#include <algorithm>
#include <cstdlib>

namespace akidb {
namespace {

constexpr size_t kDigits = 20;
constexpr uint64_t kZeroChunkBytes = 1 << 20;

}  // namespace

std::string WalName(uint64_t number, std::string_view suffix) {
  const std::string digits = std::to_string(number);
  return std::string(kDigits - digits.size(), '0') + digits + std::string(suffix);
}

std::optional<uint64_t> ParseWalName(std::string_view name, std::string_view suffix) {
  if (name.size() != kDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  uint64_t number = 0;
  for (const char c : name.substr(0, kDigits)) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(number, 10u, &number)) return std::nullopt;
    if (__builtin_add_overflow(number, static_cast<uint64_t>(c - '0'), &number)) return std::nullopt;
  }
  // The greatest number has no successor, and 0 means "none".
  if (number == 0 || number == UINT64_MAX) return std::nullopt;
  return number;
}

void WalDir::SyncOrDie() const { CheckOrDie(fs().SyncDir(path_), "sync of the log's directory " + path_); }

void WalDir::CheckOrDie(Status status, std::string_view what) const {
  if (status.ok()) return;
  env_.die(std::move(status).Annotate(what));
  std::abort();
}

Result<std::unique_ptr<WalFile>> WalFile::Create(const WalDir& dir, std::string name) {
  AKI_ASSIGN_OR_RETURN(auto file, dir.fs().Open(dir.PathOf(name), OpenMode::kCreateNew));
  return std::unique_ptr<WalFile>(new WalFile(dir, std::move(name), std::move(file), 0));
}

Result<std::unique_ptr<WalFile>> WalFile::Open(const WalDir& dir, std::string name) {
  AKI_ASSIGN_OR_RETURN(auto file, dir.fs().Open(dir.PathOf(name), OpenMode::kReadWrite));
  AKI_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  return std::unique_ptr<WalFile>(new WalFile(dir, std::move(name), std::move(file), size));
}

Status WalFile::AppendZeros(uint64_t bytes) {
  static const std::string zeros(kZeroChunkBytes, '\0');
  while (bytes > 0) {
    const uint64_t chunk = std::min(bytes, kZeroChunkBytes);
    AKI_RETURN_IF_ERROR(file_->WriteAt(size_bytes_, std::string_view(zeros).substr(0, chunk)));
    size_bytes_ += chunk;
    bytes -= chunk;
  }
  // A file system that allocates late reports the full disk here. Nothing in this file matters yet, so that one error
  // is not fatal; the caller throws the file away.
  Status status = file_->Sync();
  if (status.code() == StatusCode::kResourceExhausted) return status;
  dir_.CheckOrDie(std::move(status), "sync of " + dir_.PathOf(name_));
  return OkStatus();
}

Status WalFile::Rename(std::string name) {
  AKI_RETURN_IF_ERROR(dir_.fs().Rename(dir_.PathOf(name_), dir_.PathOf(name)));
  name_ = std::move(name);
  return OkStatus();
}

Status WalFile::Remove() { return dir_.fs().Remove(dir_.PathOf(name_)); }

void WalFile::WriteOrDie(uint64_t offset, std::string_view data) {
  dir_.CheckOrDie(file_->WriteAt(offset, data), "write of " + dir_.PathOf(name_));
}

Status WalFile::Rewrite(uint64_t begin, uint64_t end) {
  std::string bytes(end - begin, '\0');
  AKI_ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(begin, bytes.size(), bytes.data()));
  if (got != bytes.size())
    return DataLoss("log file " + name_ + " has become shorter than " + std::to_string(end) + " bytes");
  WriteOrDie(begin, bytes);
  return OkStatus();
}

void WalFile::SyncOrDie() { dir_.CheckOrDie(file_->Sync(), "sync of " + dir_.PathOf(name_)); }

}  // namespace akidb
