// Damages a sound two-file log as the input says and walks it: never a crash, never a record that was not written.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "wal/wal_file.h"
#include "wal/wal_recovery.h"

namespace akidb {
namespace {

using Files = std::map<std::string, std::string>;

class BytesFile final : public File {
 public:
  explicit BytesFile(const std::string& bytes) : bytes_(bytes) {}
  Result<size_t> ReadAt(uint64_t offset, size_t size, char* out) override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t count = std::min<uint64_t>(size, bytes_.size() - offset);
    std::memcpy(out, bytes_.data() + offset, count);
    return count;
  }
  Status WriteAt(uint64_t, std::string_view) override { std::abort(); }
  Status Sync() override { std::abort(); }
  Result<uint64_t> Size() override { return bytes_.size(); }
  Status Truncate(uint64_t) override { std::abort(); }

 private:
  const std::string& bytes_;
};

// Only opens; the walk does nothing else.
class BytesFileSystem final : public FileSystem {
 public:
  explicit BytesFileSystem(const Files& files) : files_(files) {}
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode) override {
    return std::make_unique<BytesFile>(files_.at(path));
  }
  Status Rename(const std::string&, const std::string&) override { std::abort(); }
  Status Link(const std::string&, const std::string&) override { std::abort(); }
  Status Remove(const std::string&) override { std::abort(); }
  Status MakeDir(const std::string&) override { std::abort(); }
  Status RemoveDir(const std::string&) override { std::abort(); }
  Status SyncDir(const std::string&) override { std::abort(); }
  Result<std::vector<std::string>> List(const std::string&) override { std::abort(); }
  Result<bool> Exists(const std::string&) override { std::abort(); }
  Result<uint64_t> FreeBytes(const std::string&) override { std::abort(); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string&, const std::string&) override { std::abort(); }

 private:
  const Files& files_;
};

std::string Body(uint64_t lsn) { return "body of " + std::to_string(lsn); }

std::string MakeFile(const WalFileHeader& header, uint64_t groups) {
  std::string out = EncodeWalFileHeader(header);
  for (uint64_t i = 0; i < groups; ++i) {
    const Lsn lsn(header.first_lsn.value() + i);
    const std::string body = Body(lsn.value());
    std::string group(kWalGroupHeaderBytes, '\0');
    AppendWalRecord({.collection = CollectionId(1), .epoch = Epoch(1), .lsn = lsn, .body = body}, &group);
    SealWalGroup({.sequence = header.sequence,
                  .offset = out.size(),
                  .synced_offset = out.size(),
                  .payload_bytes = 0,
                  .record_count = 1,
                  .first_lsn = lsn,
                  .payload_checksum = 0},
                 WalGroupSeed(header), &group);
    out += group;
  }
  return out + std::string(kWalBlockBytes, '\0');
}

Files SoundLog() {
  const WalFileHeader first{.sequence = 1, .salt = 11, .first_lsn = Lsn(1)};
  const WalFileHeader second{.sequence = 2,
                             .salt = 22,
                             .first_lsn = Lsn(4),
                             .prev_sequence = 1,
                             .prev_salt = 11,
                             .prev_end = 4 * kWalBlockBytes};
  return {{"wal/" + WalName(1, kWalSuffix), MakeFile(first, 3)},
          {"wal/" + WalName(2, kWalSuffix), MakeFile(second, 3)}};
}

}  // namespace
}  // namespace akidb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace akidb;
  static const Files sound = SoundLog();
  Files files = sound;
  ByteReader in(std::string_view(reinterpret_cast<const char*>(data), size));
  while (in.remaining() >= 6) {
    std::string& bytes = in.Read<uint8_t>() % 2 == 0 ? files.begin()->second : files.rbegin()->second;
    const auto what = in.Read<uint8_t>();
    const auto at = in.Read<uint16_t>();
    const auto value = in.Read<uint16_t>();
    if (bytes.empty()) continue;
    if (what % 8 == 0) {
      bytes.resize(at % (bytes.size() + 1));
    } else if (what % 8 == 1 && bytes.size() >= 2 * kWalBlockBytes) {
      // A block moves: what a stale or misdirected read looks like.
      const uint64_t blocks = bytes.size() / kWalBlockBytes;
      std::memmove(bytes.data() + at % blocks * kWalBlockBytes, bytes.data() + value % blocks * kWalBlockBytes,
                   kWalBlockBytes);
    } else {
      bytes[at % bytes.size()] = static_cast<char>(value);
    }
  }
  BytesFileSystem fs(files);
  std::vector<std::string> names;
  for (const auto& [path, bytes] : files) names.push_back(path.substr(4));
  WalScanOptions options;
  options.on_record = [](const WalRecord& record) {
    if (record.body != Body(record.lsn.value())) std::abort();
    return OkStatus();
  };
  options.after_error = size % 2 == 0 ? WalScanOptions::AfterError::kStop : WalScanOptions::AfterError::kGoOn;
  const Result<WalScan> scan = ScanWal(fs, "wal", names, options);
  if (!scan) std::abort();
  // The first file's three records are claimed by the second file: none may be missing silently.
  if (scan->status().ok() && scan->files[0].records != 3) std::abort();
  return 0;
}
