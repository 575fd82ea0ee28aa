// Unpacked payload blocks of all segments of a node, bounded by bytes. What was not used since it came or was last
// looked at goes first.
//
// Threads: thread-safe; a block stays alive while someone holds it, evicted or not.
// Errors:  none.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
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
  // Brings what Row reads nearer.
  void PrefetchRow(uint32_t row) const { __builtin_prefetch(bytes_.get() + row * sizeof(uint32_t)); }
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
  // Get of at most kBlocksAtOnce blocks, whose cache misses overlap.
  static constexpr size_t kBlocksAtOnce = 16;
  void GetMany(uint64_t owner, std::span<const uint32_t> block_numbers, std::span<BlockPtr> out);
  void Insert(uint64_t owner, uint32_t block_number, const BlockPtr& block);
  // Forgets the blocks below `block_count` of a reader that closes: it inserts none any more.
  void Drop(uint64_t owner, uint32_t block_count);
  uint64_t used_bytes() const;
  // What filters unpack has bytes of its own: a column is as large as many blocks.
  const std::shared_ptr<ColumnCache>& columns() const { return columns_; }

 private:
  struct Key {
    uint64_t owner;
    uint32_t block_number;
    bool operator==(const Key&) const = default;
  };
  // Two to a cache line: looking up costs one miss, where a list and a map would cost five.
  struct alignas(32) Entry {
    uint64_t owner = 0;
    uint32_t block_number = 0;
    bool used = false;  // since it came or was last looked at
    BlockPtr block;     // null: the place is free
  };
  struct alignas(64) Shard {
    mutable Mutex mutex;
    // Linear probing over a power of two, at most half full.
    std::vector<Entry> entries AKI_GUARDED_BY(mutex);
    size_t entry_count AKI_GUARDED_BY(mutex) = 0;
    // In the order in which they are looked at when room is needed; holds each entry once, and some that were dropped.
    std::deque<Key> queue AKI_GUARDED_BY(mutex);
    uint64_t used_bytes AKI_GUARDED_BY(mutex) = 0;
    // Where the entries lie, for prefetches without the lock: an address of before is harmless.
    std::atomic<uintptr_t> address{0};
    std::atomic<uint64_t> mask{0};
  };

  static uint64_t Hash(const Key& key);
  Shard& ShardOf(uint64_t hash) { return *shards_[hash % shards_.size()]; }
  // Where the key is, or the free place where it would be.
  static Entry& Find(Shard& shard, const Key& key, uint64_t hash) AKI_REQUIRES(shard.mutex);
  static void Resize(Shard& shard, size_t size) AKI_REQUIRES(shard.mutex);
  static void Erase(Shard& shard, Entry* entry) AKI_REQUIRES(shard.mutex);
  // Takes out the next entry that was not used, and lets the used ones before it go round once more.
  static void EvictOne(Shard& shard) AKI_REQUIRES(shard.mutex);
  static void ForgetDropped(Shard& shard) AKI_REQUIRES(shard.mutex);

  const std::shared_ptr<ColumnCache> columns_;
  std::vector<std::unique_ptr<Shard>> shards_;
  uint64_t shard_capacity_bytes_;
  Mutex mutex_;
  uint64_t next_owner_ AKI_GUARDED_BY(mutex_) = 0;
};

}  // namespace akidb
