#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/file_system.h"

namespace akidb {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirMode = 0750;
constexpr size_t kLockNoteBytesMax = 256;
// Most servers' kernels give the processor to nobody else within a call, and copy 10 GB/s: a search that is answered
// beside a write of 4 MB would wait for half a millisecond.
constexpr size_t kPieceBytes = 128u << 10;

Status ErrnoStatus(int error, std::string_view action, const std::string& path) {
  std::string message(action);
  message += " " + path + ": " + std::generic_category().message(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR: return NotFound(std::move(message));
    case EEXIST: return AlreadyExists(std::move(message));
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ResourceExhausted(std::move(message)).WithReason("disk_full");
    case EACCES:
    case EPERM:
    case EROFS: return PermissionDenied(std::move(message));
    case ENOTEMPTY: return FailedPrecondition(std::move(message)).WithReason("not_empty");
    case ENAMETOOLONG:
    case EINVAL: return InvalidArgument(std::move(message));
    default: return Unavailable(std::move(message)).WithReason("io_error");
  }
}

template <class Call>
auto RetryInterrupted(const Call& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);  // linux frees the descriptor even when close says EINTR
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> OpenDescriptor(const std::string& path, int flags) {
  const int fd = RetryInterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFileMode); });
  if (fd < 0) return std::unexpected(ErrnoStatus(errno, "open", path));
  return Descriptor(fd);
}

Status WriteFully(int fd, uint64_t offset, std::string_view data, const std::string& path) {
  while (!data.empty()) {
    const size_t piece = std::min(data.size(), kPieceBytes);
    const ssize_t n = RetryInterrupted([&] { return ::pwrite(fd, data.data(), piece, static_cast<off_t>(offset)); });
    if (n <= 0) return ErrnoStatus(n < 0 ? errno : EIO, "write", path);
    data.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return OkStatus();
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Result<size_t> ReadAt(uint64_t offset, size_t size, char* out) override {
    size_t done = 0;
    while (done < size) {
      const size_t piece = std::min(size - done, kPieceBytes);
      const ssize_t n =
          RetryInterrupted([&] { return ::pread(fd_.get(), out + done, piece, static_cast<off_t>(offset + done)); });
      if (n < 0) return std::unexpected(ErrnoStatus(errno, "read", path_));
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status WriteAt(uint64_t offset, std::string_view data) override { return WriteFully(fd_.get(), offset, data, path_); }

  // Never repeated, not even when interrupted: after a failure the kernel may have dropped the dirty pages (I4).
  Status Sync() override { return ::fdatasync(fd_.get()) == 0 ? OkStatus() : ErrnoStatus(errno, "fdatasync", path_); }

  Result<uint64_t> Size() override {
    struct stat st{};
    if (::fstat(fd_.get(), &st) != 0) return std::unexpected(ErrnoStatus(errno, "stat", path_));
    return static_cast<uint64_t>(st.st_size);
  }

  Status Truncate(uint64_t size) override {
    const int rc = RetryInterrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); });
    return rc == 0 ? OkStatus() : ErrnoStatus(errno, "truncate", path_);
  }

 private:
  const std::string path_;
  const Descriptor fd_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  const Descriptor fd_;  // the lock lives as long as its open file
};

// What the holder wrote, made safe to print: whoever wrote the file may not be us.
std::string ReadLockNote(int fd) {
  std::string note(kLockNoteBytesMax, '\0');
  const ssize_t n = RetryInterrupted([&] { return ::pread(fd, note.data(), note.size(), 0); });
  note.resize(n > 0 ? static_cast<size_t>(n) : 0);
  for (char& c : note) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  return note.empty() ? "a process that left no note" : note;
}

Result<bool> IsDirectory(int dir_fd, const dirent& entry, const std::string& path) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat st{};
  if (::fstatat(dir_fd, entry.d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) return S_ISDIR(st.st_mode);
  if (errno == ENOENT) return false;  // removed meanwhile
  return std::unexpected(ErrnoStatus(errno, "stat", path + "/" + entry.d_name));
}

class PosixFileSystemImpl final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    AKI_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, Flags(mode)));
    struct stat st{};
    if (::fstat(fd.get(), &st) != 0) return std::unexpected(ErrnoStatus(errno, "stat", path));
    if (!S_ISREG(st.st_mode)) return std::unexpected(NotFound("open " + path + ": not a regular file"));
    return std::make_unique<PosixFile>(path, std::move(fd));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    return Outcome(::rename(from.c_str(), to.c_str()), "rename " + from + " to", to);
  }
  Status Link(const std::string& from, const std::string& to) override {
    return Outcome(::link(from.c_str(), to.c_str()), "link " + from + " to", to);
  }
  Status Remove(const std::string& path) override { return Outcome(::unlink(path.c_str()), "remove", path); }
  Status MakeDir(const std::string& path) override { return Outcome(::mkdir(path.c_str(), kDirMode), "mkdir", path); }
  Status RemoveDir(const std::string& path) override { return Outcome(::rmdir(path.c_str()), "rmdir", path); }

  Status SyncDir(const std::string& path) override {
    AKI_ASSIGN_OR_RETURN(const Descriptor fd, OpenDescriptor(path, O_RDONLY | O_DIRECTORY));
    return Outcome(::fsync(fd.get()), "fsync directory", path);
  }

  Result<std::vector<std::string>> List(const std::string& path) override {
    DIR* const dir = ::opendir(path.c_str());
    if (dir == nullptr) return std::unexpected(ErrnoStatus(errno, "list", path));
    const std::unique_ptr<DIR, int (*)(DIR*)> closer(dir, [](DIR* d) { return ::closedir(d); });
    std::vector<std::string> names;
    while (true) {
      errno = 0;
      const dirent* const entry = ::readdir(dir);
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      AKI_ASSIGN_OR_RETURN(const bool is_directory, IsDirectory(::dirfd(dir), *entry, path));
      if (is_directory) name += '/';
      names.push_back(std::move(name));
    }
    if (errno != 0) return std::unexpected(ErrnoStatus(errno, "list", path));
    std::ranges::sort(names);
    return names;
  }

  Result<bool> Exists(const std::string& path) override {
    struct stat st{};
    if (::stat(path.c_str(), &st) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return std::unexpected(ErrnoStatus(errno, "stat", path));
  }

  Result<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs st{};
    if (RetryInterrupted([&] { return ::statvfs(path.c_str(), &st); }) != 0) {
      return std::unexpected(ErrnoStatus(errno, "statvfs", path));
    }
    return uint64_t{st.f_bavail} * st.f_frsize;
  }

  // flock, because it belongs to the open file: a second lock in this process is refused as well, and closing some
  // other descriptor of the file does not drop it.
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, const std::string& note) override {
    AKI_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, O_RDWR | O_CREAT));
    if (RetryInterrupted([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) return std::unexpected(ErrnoStatus(errno, "lock", path));
      return std::unexpected(Unavailable(path + ": locked by " + ReadLockNote(fd.get())).WithReason("locked"));
    }
    if (::ftruncate(fd.get(), 0) != 0) return std::unexpected(ErrnoStatus(errno, "truncate", path));
    AKI_RETURN_IF_ERROR(WriteFully(fd.get(), 0, std::string_view(note).substr(0, kLockNoteBytesMax), path));
    return std::make_unique<PosixLock>(std::move(fd));
  }

 private:
  static int Flags(OpenMode mode) {
    switch (mode) {
      case OpenMode::kRead: return O_RDONLY;
      case OpenMode::kReadWrite: return O_RDWR;
      case OpenMode::kCreateNew: return O_RDWR | O_CREAT | O_EXCL;
      case OpenMode::kCreateOrOpen: return O_RDWR | O_CREAT;
    }
    return O_RDONLY;
  }
  static Status Outcome(int rc, std::string_view action, const std::string& path) {
    return rc == 0 ? OkStatus() : ErrnoStatus(errno, action, path);
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static PosixFileSystemImpl file_system;
  return file_system;
}

}  // namespace akidb
