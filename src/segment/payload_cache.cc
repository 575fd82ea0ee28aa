#include "segment/payload_cache.h"

#include <algorithm>
#include <cstring>

#include "base/coding.h"
#include "segment/segment_reader.h"

namespace akidb {
namespace {

constexpr uint64_t kShardBytesMin = 4ull << 20;
constexpr uint64_t kShardsMax = 16;
// List node, hash node and control block of one entry.
constexpr uint64_t kBlockOverheadBytes = 160;

// An empty object with the readable bytes after it that a parser may ask for.
constexpr char kEmptyObject[2 + PayloadBlock::kPaddingBytes] = "{}";

}  // namespace

PayloadBlock::PayloadBlock(uint32_t raw_bytes, uint32_t row_count)
    : raw_bytes_(raw_bytes),
      row_count_(row_count),
      bytes_(std::make_unique_for_overwrite<char[]>(raw_bytes + kPaddingBytes)) {
  std::memset(bytes_.get() + raw_bytes, 0, kPaddingBytes);
}

bool PayloadBlock::CutRows() {
  uint64_t end = uint64_t{row_count_} * sizeof(uint32_t);
  if (end > raw_bytes_) return false;
  for (uint32_t row = 0; row < row_count_; ++row) {
    char* const place = bytes_.get() + row * sizeof(uint32_t);
    end += GetLe<uint32_t>(place);
    if (end > raw_bytes_) return false;
    const auto end32 = static_cast<uint32_t>(end);
    std::memcpy(place, &end32, sizeof(end32));
  }
  return end == raw_bytes_;
}

uint32_t PayloadBlock::End(uint32_t row) const { return GetLe<uint32_t>(bytes_.get() + row * sizeof(uint32_t)); }

std::string_view PayloadBlock::Row(uint32_t row) const {
  const uint32_t begin = row == 0 ? row_count_ * static_cast<uint32_t>(sizeof(uint32_t)) : End(row - 1);
  const uint32_t end = End(row);
  return begin == end ? std::string_view(kEmptyObject, 2) : std::string_view(bytes_.get() + begin, end - begin);
}

uint64_t PayloadBlock::memory_bytes() const { return raw_bytes_ + kPaddingBytes + kBlockOverheadBytes; }

PayloadBlockCache::PayloadBlockCache(uint64_t capacity_bytes, uint64_t column_capacity_bytes)
    : columns_(std::make_shared<ColumnCache>(column_capacity_bytes)) {
  const uint64_t shards = std::clamp<uint64_t>(capacity_bytes / kShardBytesMin, 1, kShardsMax);
  for (uint64_t i = 0; i < shards; ++i) shards_.push_back(std::make_unique<Shard>());
  shard_capacity_bytes_ = capacity_bytes / shards;
}

uint64_t PayloadBlockCache::NewOwner() {
  const MutexLock lock(mutex_);
  return next_owner_++;
}

size_t PayloadBlockCache::KeyHash::operator()(const Key& key) const {
  // Odd constants of SplitMix64: neighbouring blocks go to different shards.
  uint64_t h = key.owner * 0x9E3779B97F4A7C15ull + key.block_number;
  h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9ull;
  h = (h ^ h >> 27) * 0x94D049BB133111EBull;
  return h ^ h >> 31;
}

PayloadBlockCache::Shard& PayloadBlockCache::ShardOf(const Key& key) {
  return *shards_[KeyHash()(key) % shards_.size()];
}

PayloadBlockCache::BlockPtr PayloadBlockCache::Get(uint64_t owner, uint32_t block_number) {
  const Key key{owner, block_number};
  Shard& shard = ShardOf(key);
  const MutexLock lock(shard.mutex);
  const auto found = shard.entries.find(key);
  if (found == shard.entries.end()) return nullptr;
  shard.lru.splice(shard.lru.begin(), shard.lru, found->second);
  return found->second->second;
}

void PayloadBlockCache::Insert(uint64_t owner, uint32_t block_number, const BlockPtr& block) {
  const Key key{owner, block_number};
  Shard& shard = ShardOf(key);
  const MutexLock lock(shard.mutex);
  if (block->memory_bytes() > shard_capacity_bytes_ || shard.entries.contains(key)) return;
  while (shard.used_bytes + block->memory_bytes() > shard_capacity_bytes_) Erase(shard, std::prev(shard.lru.end()));
  shard.lru.emplace_front(key, block);
  shard.entries.emplace(key, shard.lru.begin());
  shard.used_bytes += block->memory_bytes();
}

void PayloadBlockCache::Erase(Shard& shard, Lru::iterator entry) {
  shard.used_bytes -= entry->second->memory_bytes();
  shard.entries.erase(entry->first);
  shard.lru.erase(entry);
}

void PayloadBlockCache::Drop(uint64_t owner) {
  for (const auto& shard : shards_) {
    const MutexLock lock(shard->mutex);
    for (auto it = shard->lru.begin(); it != shard->lru.end();) {
      const auto entry = it++;
      if (entry->first.owner == owner) Erase(*shard, entry);
    }
  }
}

uint64_t PayloadBlockCache::used_bytes() const {
  uint64_t sum = 0;
  for (const auto& shard : shards_) {
    const MutexLock lock(shard->mutex);
    sum += shard->used_bytes;
  }
  return sum;
}

std::shared_ptr<PayloadBlockCache> NewPayloadBlockCache(uint64_t capacity_bytes, uint64_t column_capacity_bytes) {
  return std::make_shared<PayloadBlockCache>(capacity_bytes, column_capacity_bytes);
}

uint64_t PayloadBlockCacheBytes(const PayloadBlockCache& cache) { return cache.used_bytes(); }

}  // namespace akidb
