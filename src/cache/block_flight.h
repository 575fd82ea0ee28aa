// A request of the block cache to its store, shared by the files that implement the cache.
//
// Threads: `key` to `range` are constant; `bytes` belong to the one who fetches until `done`, and are constant then;
//          the rest is under the cache's mutex.
// Errors:  none.
#pragma once

#include <algorithm>
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
  std::unique_ptr<char[]> bytes;
  bool done = false;
  bool dropped = false;  // must not be cached any more
  Status status;
  CondVar done_cv;

  uint32_t first() const { return static_cast<uint32_t>(range.begin / kCacheBlockBytes); }
  uint32_t end() const { return static_cast<uint32_t>((range.end + kCacheBlockBytes - 1) / kCacheBlockBytes); }
  std::string_view Block(uint32_t number) const {
    const uint64_t begin = BlockBegin(number);
    return {bytes.get() + (begin - range.begin), std::min(range.end, begin + kCacheBlockBytes) - begin};
  }
};

}  // namespace akidb
