// A store that writes down what it is asked, a disk that fills up, and a cache over both in a directory of its own.
//
// Threads: RecordingStore and FullDisk are thread-safe; the rest is one test's.
// Errors:  reported through gtest.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/manual_clock_testing.h"
#include "base/random.h"
#include "cache/cached_store.h"
#include "objstore/forwarding_store_testing.h"
#include "objstore/memory/memory_store.h"

namespace akidb {

class RecordingStore final : public ForwardingStore {
 public:
  RecordingStore() : ForwardingStore(NewMemoryStore(RealClock())) {}

  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    {
      const MutexLock lock(mutex_);
      ranges_.push_back(range);
    }
    if (before_range) AKI_RETURN_IF_ERROR(before_range());
    return ForwardingStore::GetRange(ctx, key, range, version_id, out);
  }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    ++gets;
    return ForwardingStore::Get(ctx, key, size_max);
  }
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override {
    ++heads;
    return ForwardingStore::Head(ctx, key);
  }

  // The ranges asked for since the last call, in MiB: "[0,2) [5,5.5)".
  std::string TakeRanges() {
    const MutexLock lock(mutex_);
    std::string out;
    for (const ByteRange range : std::exchange(ranges_, {})) {
      if (!out.empty()) out += ' ';
      out += '[' + InMib(range.begin) + ',' + InMib(range.end) + ')';
    }
    return out;
  }
  size_t range_count() {
    const MutexLock lock(mutex_);
    return ranges_.size();
  }

  std::function<Status()> before_range;
  std::atomic<int> gets = 0;
  std::atomic<int> heads = 0;

 private:
  static std::string InMib(uint64_t bytes) {
    std::string out = std::to_string(static_cast<double>(bytes) / (1u << 20));
    out.erase(out.find_last_not_of('0') + 1);
    if (out.ends_with('.')) out.pop_back();
    return out;
  }

  Mutex mutex_;
  std::vector<ByteRange> ranges_ AKI_GUARDED_BY(mutex_);
};

// The real disk, which can be full.
class FullDisk final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (full && mode != OpenMode::kRead) return std::unexpected(ResourceExhausted("full").WithReason("disk_full"));
    return real_.Open(path, mode);
  }
  Status Rename(const std::string& from, const std::string& to) override { return real_.Rename(from, to); }
  Status Link(const std::string& from, const std::string& to) override { return real_.Link(from, to); }
  Status Remove(const std::string& path) override { return real_.Remove(path); }
  Status MakeDir(const std::string& path) override { return real_.MakeDir(path); }
  Status RemoveDir(const std::string& path) override { return real_.RemoveDir(path); }
  Status SyncDir(const std::string& path) override { return real_.SyncDir(path); }
  Result<std::vector<std::string>> List(const std::string& path) override { return real_.List(path); }
  Result<bool> Exists(const std::string& path) override { return real_.Exists(path); }
  Result<uint64_t> FreeBytes(const std::string&) override { return free_bytes.load(); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, const std::string& note) override {
    return real_.Lock(path, note);
  }

  std::atomic<bool> full = false;
  std::atomic<uint64_t> free_bytes = uint64_t{1} << 40;

 private:
  FileSystem& real_ = PosixFileSystem();
};

class TemporaryDir {
 public:
  TemporaryDir() {
    static std::atomic<int> count = 0;
    path_ = testing::TempDir() + "akidb_cache_" + std::to_string(::getpid()) + "_" + std::to_string(count++);
    std::filesystem::remove_all(path_);
  }
  ~TemporaryDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

  // Of the block files below it, in order.
  std::vector<std::filesystem::path> Files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      if (entry.is_regular_file() && entry.path().filename() != "lock") out.push_back(entry.path());
    }
    std::ranges::sort(out);
    return out;
  }
  uint64_t Bytes() const {
    uint64_t bytes = 0;
    for (const auto& file : Files()) bytes += std::filesystem::file_size(file);
    return bytes;
  }

 private:
  std::string path_;
};

inline std::string RandomBytes(size_t size, uint64_t seed) {
  const auto random = NewSeededRandom(seed);
  std::string out;
  out.reserve(size + 8);
  while (out.size() < size) {
    const uint64_t word = random->Next();
    out.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  out.resize(size);
  return out;
}

inline std::string SegmentName(int number) {
  std::string digits = std::to_string(number);
  return "t/default/c/1/segments/" + std::string(20 - digits.size(), '0') + digits + "-0123456789abcdef.seg";
}

}  // namespace akidb
