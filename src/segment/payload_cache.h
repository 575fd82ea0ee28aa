// Unpacked payload blocks of all segments of a node, least recently used out first, bounded by bytes.
//
// Threads: thread-safe; a block stays alive while someone holds it, evicted or not.
// Errors:  none.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "segment/column_cache.h"

namespace akidb {

// The rows of one block: their lengths, then their bytes, then zeros so that parsers may read ahead.
class PayloadBlock {
 public:
  static constexpr size_t kPaddingBytes = 64;
  PayloadBlock(uint32_t raw_bytes, uint32_t row_count);

  char* raw() { return bytes_.get(); }
  // False unless the lengths add up to the bytes; to be asked once, after raw() was filled.
  bool CutRows();
  // "{}" for a row without payload.
  std::string_view Row(uint32_t row) const;
  uint32_t row_count() const { return row_count_; }
  uint64_t memory_bytes() const;

 private:
  uint32_t raw_bytes_;
  uint32_t row_count_;
  std::unique_ptr<char[]> bytes_;
  // After CutRows the lengths at the front are the rows' ends.
  uint32_t End(uint32_t row) const;
};

class PayloadBlockCache {
 public:
  using BlockPtr = std::shared_ptr<const PayloadBlock>;

  explicit PayloadBlockCache(uint64_t capacity_bytes, uint64_t column_capacity_bytes = 0);
  // A number that no other reader of this cache has.
  uint64_t NewOwner();
  BlockPtr Get(uint64_t owner, uint32_t block_number);
  void Insert(uint64_t owner, uint32_t block_number, const BlockPtr& block);
  // Forgets everything of a reader that closes.
  void Drop(uint64_t owner);
  uint64_t used_bytes() const;
  // What filters unpack has bytes of its own: a column is as large as many blocks.
  const std::shared_ptr<ColumnCache>& columns() const { return columns_; }

 private:
  struct Key {
    uint64_t owner;
    uint32_t block_number;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  using Lru = std::list<std::pair<Key, BlockPtr>>;  // most recent first
  struct Shard {
    mutable Mutex mutex;
    Lru lru AKI_GUARDED_BY(mutex);
    std::unordered_map<Key, Lru::iterator, KeyHash> entries AKI_GUARDED_BY(mutex);
    uint64_t used_bytes AKI_GUARDED_BY(mutex) = 0;
  };

  Shard& ShardOf(const Key& key);
  static void Erase(Shard& shard, Lru::iterator entry) AKI_REQUIRES(shard.mutex);

  const std::shared_ptr<ColumnCache> columns_;
  std::vector<std::unique_ptr<Shard>> shards_;
  uint64_t shard_capacity_bytes_;
  Mutex mutex_;
  uint64_t next_owner_ AKI_GUARDED_BY(mutex_) = 0;
};

}  // namespace akidb
