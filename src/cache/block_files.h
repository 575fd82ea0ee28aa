// The directory that holds the blocks: one file each, below 256 folders. The names alone say what is there, so nothing
// is synced and nothing has to be: what a crash tore or somebody deleted is found out when it is read.
//
//   <dir>/lock            held while the cache is open
//   <dir>/v1/<xx>/<name>  xx: the first two digits of the name (cache_block.h)
//
// Threads: thread-safe; writing and removing one name at a time is the caller's care.
// Errors:  Open: kUnavailable (reason "locked") if another process has the directory, or what the disk says. Afterwards
//          a read says what became of it, and a failed write leaves nothing.
// Cost:    a read of a block that was read lately: one pread of the pages asked for. Else also an open and a pread of
// the
//          header.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "cache/cache_block.h"

namespace akidb {

class BlockFiles {
 public:
  // Whose bytes a caller expects.
  struct Object {
    std::string_view key;
    std::string_view version_id;
  };
  enum class Outcome : uint8_t {
    kOk,
    kMissing,
    kBad,    // not the bytes that were written
    kError,  // the disk does not say
  };

  // `found` gets the names of all blocks; whatever else lies in the folders is removed.
  static Result<std::unique_ptr<BlockFiles>> Open(FileSystem& fs, std::string dir, std::vector<CacheBlockName>* found);

  // Bytes `range` of the block, counted from its begin, each page of them verified.
  Outcome Read(const CacheBlockName& name, const Object& object, ByteRange range, char* out);
  // What the header says of a block of a whole object.
  Outcome ReadWhole(const CacheBlockName& name, const Object& object, CachedWhole* whole);
  Status Write(const CacheBlockName& name, std::string_view header, std::string_view data);
  // OK if it was not there.
  Status Remove(const CacheBlockName& name);
  Result<uint64_t> FreeBytes() const { return fs_.FreeBytes(dir_); }

 private:
  struct OpenBlock {
    std::unique_ptr<File> file;
    CacheBlockHeader header;
  };
  using OpenBlockPtr = std::shared_ptr<const OpenBlock>;
  // Files read lately stay open; a block has one place where it can, which the next of that place takes from it.
  struct Place {
    Mutex mutex;
    CacheBlockName name AKI_GUARDED_BY(mutex);
    OpenBlockPtr open AKI_GUARDED_BY(mutex);
    uint64_t removals AKI_GUARDED_BY(mutex) = 0;
  };
  static constexpr size_t kPlaces = 256;

  BlockFiles(FileSystem& fs, std::string dir) : fs_(fs), dir_(std::move(dir)) {}

  Status ListFolder(const std::string& folder, std::vector<CacheBlockName>* found);
  Outcome OpenFor(const CacheBlockName& name, const Object& object, OpenBlockPtr* open);
  static Outcome ReadPages(const OpenBlock& block, uint32_t first, uint32_t end, char* out);
  static Outcome ReadRange(const OpenBlock& block, ByteRange range, char* out);
  Result<std::unique_ptr<File>> Create(const CacheBlockName& name);
  std::string FolderOf(std::string_view name) const { return dir_ + "/v1/" + std::string(name.substr(0, 2)); }
  std::string PathOf(const CacheBlockName& name) const;
  Place& PlaceOf(const CacheBlockId& id) { return places_[CacheBlockHash()(id) % kPlaces]; }

  FileSystem& fs_;
  const std::string dir_;
  std::unique_ptr<FileLock> lock_;
  std::array<Place, kPlaces> places_;
};

}  // namespace akidb
