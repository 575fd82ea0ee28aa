#include "base/file_system.h"

namespace akidb {
namespace {

// "a//b/" and "a/b" name the same directory; only "/" itself keeps its slash.
std::string_view WithoutTrailingSlashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

}  // namespace

std::string ParentDir(const std::string& path) {
  const std::string_view name = WithoutTrailingSlashes(path);
  const size_t slash = name.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(WithoutTrailingSlashes(name.substr(0, slash == 0 ? 1 : slash)));
}

Status MakeDirs(FileSystem& fs, const std::string& path) {
  std::vector<std::string> missing;  // deepest first
  std::string existing(WithoutTrailingSlashes(path.empty() ? "." : std::string_view(path)));
  while (true) {
    AKI_ASSIGN_OR_RETURN(const bool exists, fs.Exists(existing));
    if (exists || ParentDir(existing) == existing) break;
    missing.push_back(existing);
    existing = ParentDir(existing);
  }
  // Whoever made the deepest existing directory may have died, or may still be on its way, before syncing its name.
  // Names are made and synced from the top, so no other one can be in that state.
  if (ParentDir(existing) != existing && existing != ".") {
    Status status = fs.SyncDir(ParentDir(existing));
    // Without the right to read the parent we cannot have made the name, so it is not ours to make durable.
    if (!status.ok() && status.code() != StatusCode::kPermissionDenied) return status;
  }
  for (auto it = missing.rbegin(); it != missing.rend(); ++it) {
    Status status = fs.MakeDir(*it);
    if (!status.ok() && status.code() != StatusCode::kAlreadyExists) return status;
    AKI_RETURN_IF_ERROR(fs.SyncDir(ParentDir(*it)));
  }
  return OkStatus();
}

Result<std::string> ReadWholeFile(FileSystem& fs, const std::string& path, uint64_t size_max) {
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, fs.Open(path, OpenMode::kRead));
  AKI_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > size_max) {
    return std::unexpected(ResourceExhausted(path + ": " + std::to_string(size) + " bytes are more than the limit of " +
                                             std::to_string(size_max))
                               .WithRetry(Retry::kNever)
                               .WithReason("too_large"));
  }
  std::string bytes(size, '\0');
  AKI_ASSIGN_OR_RETURN(const size_t count, file->ReadAt(0, size, bytes.data()));
  bytes.resize(count);
  return bytes;
}

}  // namespace akidb
