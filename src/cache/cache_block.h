// One cached block as a file: a header of 4 KiB that says whose bytes they are and carries a checksum for each page of
// 4 KiB, then the bytes. And the file's name, from which the index is rebuilt without opening anything.
// Pages are small so that a read verifies little more than it asked for, and lie where they lie in the object.
//
// Format:  docs/formats/cache_block.md
// Threads: values and pure functions.
// Errors:  decoding: kDataLoss saying what is wrong; kUnimplemented for the version of a newer writer.
// Invariants:
//   1. Every byte of the file is under the header's checksum, under a page's, or is the header's checksum.
//   2. A page's checksum is seeded with object, block and page, so that bytes in the wrong place do not pass.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace akidb {

inline constexpr uint32_t kCacheBlockBytes = 1u << 20;
inline constexpr uint32_t kCachePageBytes = 4096;
inline constexpr uint32_t kCachePagesMax = kCacheBlockBytes / kCachePageBytes;
inline constexpr uint32_t kCacheHeaderBytes = 4096;

// Key and version id of an object, hashed to 128 bits. The header has them in full.
struct CacheObjectId {
  uint64_t high = 0;
  uint64_t low = 0;

  static CacheObjectId Of(std::string_view key, std::string_view version_id);
  auto operator<=>(const CacheObjectId&) const = default;
};

struct CacheBlockId {
  CacheObjectId object;
  uint32_t number = 0;  // the block begins at byte number * kCacheBlockBytes of the object

  auto operator<=>(const CacheBlockId&) const = default;
};

struct CacheBlockHash {
  size_t operator()(const CacheObjectId& id) const { return id.low; }
  size_t operator()(const CacheBlockId& id) const { return id.object.low + 0x9E3779B97F4A7C15u * id.number; }
};

// A block that is a whole object and was read as one: what a later Get has to answer besides the bytes.
struct CachedWhole {
  std::string etag;
  std::string version_id;
  WallTime modified_at{};

  bool operator==(const CachedWhole&) const = default;
};

struct CacheBlockHeader {
  std::string key;
  std::string version_id;  // as asked for; empty for the current one
  uint32_t number = 0;
  uint32_t data_bytes = 0;  // fewer than a block only at the end of what is known of the object
  std::optional<CachedWhole> whole;
  std::vector<uint64_t> page_checksums;

  CacheBlockId id() const { return {CacheObjectId::Of(key, version_id), number}; }
  // Fails too for names that are too long together for a header.
  Status Validate() const;
  bool operator==(const CacheBlockHeader&) const = default;
};

constexpr uint32_t CachePageCount(uint32_t data_bytes) { return (data_bytes + kCachePageBytes - 1) / kCachePageBytes; }
uint64_t CachePageChecksum(const CacheBlockId& id, uint32_t page, std::string_view bytes);
std::vector<uint64_t> CachePageChecksums(const CacheBlockId& id, std::string_view data);

// kCacheHeaderBytes bytes.
std::string EncodeCacheBlockHeader(const CacheBlockHeader& header);
Result<CacheBlockHeader> DecodeCacheBlockHeader(std::string_view bytes);

struct CacheBlockName {
  CacheBlockId id;
  uint32_t data_bytes = 0;
  bool whole = false;

  uint64_t file_bytes() const { return kCacheHeaderBytes + uint64_t{data_bytes}; }
  bool operator==(const CacheBlockName&) const = default;
};
std::string FormatCacheBlockName(const CacheBlockName& name);
// Nullopt for anything that FormatCacheBlockName does not make.
std::optional<CacheBlockName> ParseCacheBlockName(std::string_view text);

}  // namespace akidb
