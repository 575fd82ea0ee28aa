#include "cache/block_files.h"

#include <algorithm>
#include <cstring>

namespace akidb {
namespace {

// Below it, pages are read into a buffer and the asked part is copied; above, whole pages go where they belong.
constexpr uint32_t kCopiedPagesMax = 8;

}  // namespace

std::string BlockFiles::PathOf(const CacheBlockName& name) const {
  const std::string text = FormatCacheBlockName(name);
  return FolderOf(text) + "/" + text;
}

Result<std::unique_ptr<BlockFiles>> BlockFiles::Open(FileSystem& fs, std::string dir,
                                                     std::vector<CacheBlockName>* found) {
  std::unique_ptr<BlockFiles> files(new BlockFiles(fs, std::move(dir)));
  AKI_RETURN_IF_ERROR(MakeDirs(fs, files->dir_ + "/v1"));
  AKI_ASSIGN_OR_RETURN(files->lock_, fs.Lock(files->dir_ + "/lock", "the block cache of an akidb process"));
  AKI_ASSIGN_OR_RETURN(const std::vector<std::string> folders, fs.List(files->dir_ + "/v1"));
  for (const std::string& folder : folders) {
    if (!folder.ends_with('/')) continue;
    AKI_RETURN_IF_ERROR(files->ListFolder(folder.substr(0, folder.size() - 1), found));
  }
  return files;
}

Status BlockFiles::ListFolder(const std::string& folder, std::vector<CacheBlockName>* found) {
  const std::string path = dir_ + "/v1/" + folder;
  AKI_ASSIGN_OR_RETURN(const std::vector<std::string> texts, fs_.List(path));
  for (const std::string& text : texts) {
    const auto name = ParseCacheBlockName(text);
    if (name && text.starts_with(folder)) {
      found->push_back(*name);
    } else if (!text.ends_with('/')) {
      fs_.Remove(path + "/" + text).IgnoreError("it is in the way, but harms nobody");
    }
  }
  return OkStatus();
}

BlockFiles::Outcome BlockFiles::OpenFor(const CacheBlockName& name, const Object& object, OpenBlockPtr* open) {
  Place& place = PlaceOf(name.id);
  uint64_t removals = 0;
  {
    const MutexLock lock(place.mutex);
    if (place.open != nullptr && place.name == name) *open = place.open;
    removals = place.removals;
  }
  if (*open == nullptr) {
    Result<std::unique_ptr<File>> file = fs_.Open(PathOf(name), OpenMode::kRead);
    if (!file) return file.error().code() == StatusCode::kNotFound ? Outcome::kMissing : Outcome::kError;
    std::string header(kCacheHeaderBytes, '\0');
    const Result<size_t> read = (*file)->ReadAt(0, header.size(), header.data());
    if (!read) return Outcome::kError;
    if (*read != header.size()) return Outcome::kBad;
    Result<CacheBlockHeader> decoded = DecodeCacheBlockHeader(header);
    const bool as_named = decoded && decoded->number == name.id.number && decoded->data_bytes == name.data_bytes &&
                          decoded->whole.has_value() == name.whole;
    if (!as_named) return Outcome::kBad;
    *open = std::make_shared<const OpenBlock>(OpenBlock{std::move(*file), std::move(*decoded)});
    const MutexLock lock(place.mutex);
    // A file that was removed meanwhile must not be kept: its space, and another of its name, would stay out of sight.
    if (place.removals == removals) {
      place.name = name;
      place.open = *open;
    }
  }
  const CacheBlockHeader& header = (*open)->header;
  return header.key == object.key && header.version_id == object.version_id ? Outcome::kOk : Outcome::kBad;
}

BlockFiles::Outcome BlockFiles::ReadPages(const OpenBlock& block, uint32_t first, uint32_t end, char* out) {
  const uint64_t begin_byte = uint64_t{first} * kCachePageBytes;
  const uint64_t end_byte = std::min<uint64_t>(uint64_t{end} * kCachePageBytes, block.header.data_bytes);
  const size_t size = end_byte - begin_byte;
  const Result<size_t> read = block.file->ReadAt(kCacheHeaderBytes + begin_byte, size, out);
  if (!read) return Outcome::kError;
  if (*read != size) return Outcome::kBad;
  const CacheBlockId id = block.header.id();
  for (uint32_t page = first; page < end; ++page) {
    const size_t at = (page - first) * size_t{kCachePageBytes};
    const std::string_view bytes(out + at, std::min<size_t>(kCachePageBytes, size - at));
    if (CachePageChecksum(id, page, bytes) != block.header.page_checksums[page]) return Outcome::kBad;
  }
  return Outcome::kOk;
}

BlockFiles::Outcome BlockFiles::ReadRange(const OpenBlock& block, ByteRange range, char* out) {
  const auto first = static_cast<uint32_t>(range.begin / kCachePageBytes);
  const auto end = static_cast<uint32_t>((range.end + kCachePageBytes - 1) / kCachePageBytes);
  const bool head = range.begin % kCachePageBytes != 0;
  const bool tail = range.end % kCachePageBytes != 0 && range.end != block.header.data_bytes;
  if (!head && !tail) return ReadPages(block, first, end, out);
  if (end - first <= kCopiedPagesMax) {
    std::array<char, size_t{kCopiedPagesMax} * kCachePageBytes> pages;  // NOLINT(*-member-init): filled at once
    const Outcome outcome = ReadPages(block, first, end, pages.data());
    if (outcome == Outcome::kOk) {
      std::memcpy(out, pages.data() + (range.begin - uint64_t{first} * kCachePageBytes), range.size());
    }
    return outcome;
  }
  // The pages at the ends that are asked for in part, then all between them.
  uint64_t begin_byte = range.begin;
  uint64_t end_byte = range.end;
  if (head) {
    const uint64_t cut = (uint64_t{first} + 1) * kCachePageBytes;
    const Outcome outcome = ReadRange(block, {range.begin, cut}, out);
    if (outcome != Outcome::kOk) return outcome;
    begin_byte = cut;
  }
  if (tail) {
    const uint64_t cut = (uint64_t{end} - 1) * kCachePageBytes;
    const Outcome outcome = ReadRange(block, {cut, range.end}, out + (cut - range.begin));
    if (outcome != Outcome::kOk) return outcome;
    end_byte = cut;
  }
  return ReadRange(block, {begin_byte, end_byte}, out + (begin_byte - range.begin));
}

BlockFiles::Outcome BlockFiles::Read(const CacheBlockName& name, const Object& object, ByteRange range, char* out) {
  OpenBlockPtr block;
  const Outcome outcome = OpenFor(name, object, &block);
  return outcome == Outcome::kOk ? ReadRange(*block, range, out) : outcome;
}

BlockFiles::Outcome BlockFiles::ReadWhole(const CacheBlockName& name, const Object& object, CachedWhole* whole) {
  OpenBlockPtr block;
  const Outcome outcome = OpenFor(name, object, &block);
  if (outcome == Outcome::kOk) *whole = block->header.whole.value_or(CachedWhole());
  return outcome;
}

Result<std::unique_ptr<File>> BlockFiles::Create(const CacheBlockName& name) {
  const std::string path = PathOf(name);
  Result<std::unique_ptr<File>> file = fs_.Open(path, OpenMode::kCreateOrOpen);
  if (file || file.error().code() != StatusCode::kNotFound) return file;
  // The first block of its folder, or somebody deleted the cache.
  for (const std::string& dir : {dir_, dir_ + "/v1", ParentDir(path)}) {
    fs_.MakeDir(dir).IgnoreError("opening the file tells");
  }
  return fs_.Open(path, OpenMode::kCreateOrOpen);
}

Status BlockFiles::Write(const CacheBlockName& name, std::string_view header, std::string_view data) {
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, Create(name));
  Status status = file->WriteAt(0, header);
  if (status.ok()) status = file->WriteAt(kCacheHeaderBytes, data);
  if (!status.ok()) Remove(name).IgnoreError("the write's failure is what counts");
  return status;
}

Status BlockFiles::Remove(const CacheBlockName& name) {
  Status status = fs_.Remove(PathOf(name));
  // Afterwards, so that whoever opened the file before it went either lost it here or sees the count change.
  Place& place = PlaceOf(name.id);
  const MutexLock lock(place.mutex);
  ++place.removals;
  if (place.name == name) place.open.reset();
  return status.code() == StatusCode::kNotFound ? OkStatus() : std::move(status);
}

}  // namespace akidb
