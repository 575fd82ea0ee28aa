// A request of the block cache to its store, shared by the files that implement the cache.
//
// Threads: `key` to `range` are constant; `bytes` belong to the one who claimed it until `done`, and are constant then;
//          the rest is under the cache's mutex.
// Errors:  none.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "cache/block_cache.h"

namespace akidb {

inline uint64_t BlockBegin(uint64_t number) { return number * kCacheBlockBytes; }

// One request to the store, and its bytes until they are on disk.
struct BlockCache::Flight {
  std::string key;
  std::string version_id;
  CacheObjectId object;
  ByteRange range;  // of the object; begins with a block
  std::atomic<FlightClaim> claim = FlightClaim::kNone;
  std::unique_ptr<char[]> bytes;
  bool done = false;
  bool dropped = false;  // must not be cached any more
  Status status;
  CondVar done_cv;

  bool TryClaim(FlightClaim by) {
    FlightClaim none = FlightClaim::kNone;
    return claim.compare_exchange_strong(none, by);
  }
  uint32_t first() const { return static_cast<uint32_t>(range.begin / kCacheBlockBytes); }
  uint32_t end() const { return static_cast<uint32_t>((range.end + kCacheBlockBytes - 1) / kCacheBlockBytes); }
  std::string_view Block(uint32_t number) const {
    const uint64_t begin = BlockBegin(number);
    return {bytes.get() + (begin - range.begin), std::min(range.end, begin + kCacheBlockBytes) - begin};
  }
};

// How the first part of a range is to be had.
struct BlockCache::Plan {
  enum class Kind : uint8_t { kCached, kJoin, kFetch, kLearnSize };
  Kind kind = Kind::kFetch;
  CacheBlockName name{};
  FlightPtr flight{};
  ByteRange part{};
};

}  // namespace akidb
