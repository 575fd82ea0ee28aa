#include "segment/payload_cache.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "segment/segment_reader.h"

namespace akidb {
namespace {

constexpr uint64_t kShardBytesMin = 4ull << 20;
constexpr uint64_t kShardsMax = 16;
// Two to four places in the table, one in the queue, and the control block.
constexpr uint64_t kBlockOverheadBytes = 160;
constexpr size_t kEntriesMin = 16;

// An empty object with the readable bytes after it that a parser may ask for.
constexpr char kEmptyObject[2 + PayloadBlock::kPaddingBytes] = "{}";

// The low bits of a hash have chosen the shard.
size_t HomeOf(uint64_t hash, uint64_t mask) { return hash >> 32 & mask; }

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
  for (uint64_t i = 0; i < shards; ++i) {
    shards_.push_back(std::make_unique<Shard>());
    const MutexLock lock(shards_.back()->mutex);
    Resize(*shards_.back(), kEntriesMin);
  }
  shard_capacity_bytes_ = capacity_bytes / shards;
}

uint64_t PayloadBlockCache::NewOwner() {
  const MutexLock lock(mutex_);
  return next_owner_++;
}

uint64_t PayloadBlockCache::Hash(const Key& key) {
  // Odd constants of SplitMix64: neighbouring blocks go to different shards.
  uint64_t h = key.owner * 0x9E3779B97F4A7C15ull + key.block_number;
  h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9ull;
  h = (h ^ h >> 27) * 0x94D049BB133111EBull;
  return h ^ h >> 31;
}

PayloadBlockCache::Entry& PayloadBlockCache::Find(Shard& shard, const Key& key, uint64_t hash) {
  const size_t mask = shard.entries.size() - 1;
  size_t at = HomeOf(hash, mask);
  while (true) {
    Entry& entry = shard.entries[at];
    if (entry.block == nullptr || Key{entry.owner, entry.block_number} == key) return entry;
    at = (at + 1) & mask;
  }
}

PayloadBlockCache::BlockPtr PayloadBlockCache::Get(uint64_t owner, uint32_t block_number) {
  BlockPtr block;
  GetMany(owner, {&block_number, 1}, {&block, 1});
  return block;
}

void PayloadBlockCache::GetMany(uint64_t owner, std::span<const uint32_t> block_numbers, std::span<BlockPtr> out) {
  AKI_CHECK(block_numbers.size() <= kBlocksAtOnce && out.size() == block_numbers.size());
  std::array<uint64_t, kBlocksAtOnce> hashes;
  for (size_t i = 0; i < block_numbers.size(); ++i) {
    hashes[i] = Hash({owner, block_numbers[i]});
    const Shard& shard = ShardOf(hashes[i]);
    const size_t home = HomeOf(hashes[i], shard.mask.load(std::memory_order_relaxed));
    const uintptr_t address = shard.address.load(std::memory_order_relaxed) + home * sizeof(Entry);
    __builtin_prefetch(reinterpret_cast<const void*>(address));  // NOLINT(performance-no-int-to-ptr)
  }
  // A reference is counted in memory that is mostly far away. So each block is looked up twice: to bring that nearer,
  // and to take it.
  for (size_t i = 0; i < block_numbers.size() && block_numbers.size() > 1; ++i) {
    Shard& shard = ShardOf(hashes[i]);
    const MutexLock lock(shard.mutex);
    __builtin_prefetch(Find(shard, {owner, block_numbers[i]}, hashes[i]).block.get(), 1);
  }
  for (size_t i = 0; i < block_numbers.size(); ++i) {
    Shard& shard = ShardOf(hashes[i]);
    const MutexLock lock(shard.mutex);
    Entry& entry = Find(shard, {owner, block_numbers[i]}, hashes[i]);
    out[i] = entry.block;
    // Not written where it is true already: other threads have the line, too.
    if (entry.block != nullptr && !entry.used) entry.used = true;
  }
}

void PayloadBlockCache::Insert(uint64_t owner, uint32_t block_number, const BlockPtr& block) {
  const Key key{owner, block_number};
  const uint64_t hash = Hash(key);
  Shard& shard = ShardOf(hash);
  const MutexLock lock(shard.mutex);
  if (block->memory_bytes() > shard_capacity_bytes_ || Find(shard, key, hash).block != nullptr) return;
  while (shard.used_bytes + block->memory_bytes() > shard_capacity_bytes_) EvictOne(shard);
  if ((shard.entry_count + 1) * 2 > shard.entries.size()) Resize(shard, shard.entries.size() * 2);
  Find(shard, key, hash) = {owner, block_number, false, block};
  ++shard.entry_count;
  shard.queue.push_back(key);
  shard.used_bytes += block->memory_bytes();
}

void PayloadBlockCache::Resize(Shard& shard, size_t size) {
  std::vector<Entry> before = std::exchange(shard.entries, std::vector<Entry>(size));
  for (Entry& entry : before) {
    if (entry.block == nullptr) continue;
    const Key key{entry.owner, entry.block_number};
    Find(shard, key, Hash(key)) = std::move(entry);
  }
  shard.address.store(reinterpret_cast<uintptr_t>(shard.entries.data()), std::memory_order_relaxed);
  shard.mask.store(size - 1, std::memory_order_relaxed);
}

void PayloadBlockCache::Erase(Shard& shard, Entry* entry) {
  shard.used_bytes -= entry->block->memory_bytes();
  --shard.entry_count;
  // Entries behind it that a free place would hide move up.
  const size_t mask = shard.entries.size() - 1;
  auto free = static_cast<size_t>(entry - shard.entries.data());
  for (size_t at = (free + 1) & mask; shard.entries[at].block != nullptr; at = (at + 1) & mask) {
    const size_t home = HomeOf(Hash({shard.entries[at].owner, shard.entries[at].block_number}), mask);
    if (((at - home) & mask) < ((at - free) & mask)) continue;
    shard.entries[free] = std::move(shard.entries[at]);
    free = at;
  }
  shard.entries[free] = {};
}

void PayloadBlockCache::EvictOne(Shard& shard) {
  while (true) {
    const Key key = shard.queue.front();
    shard.queue.pop_front();
    Entry& entry = Find(shard, key, Hash(key));
    if (entry.block == nullptr) continue;
    if (!entry.used) return Erase(shard, &entry);
    entry.used = false;
    shard.queue.push_back(key);
  }
}

void PayloadBlockCache::Drop(uint64_t owner, uint32_t block_count) {
  for (uint32_t number = 0; number < block_count; ++number) {
    const Key key{owner, number};
    const uint64_t hash = Hash(key);
    Shard& shard = ShardOf(hash);
    const MutexLock lock(shard.mutex);
    Entry& entry = Find(shard, key, hash);
    if (entry.block == nullptr) continue;
    Erase(shard, &entry);
    if (shard.queue.size() > 2 * shard.entry_count + kEntriesMin) ForgetDropped(shard);
  }
}

void PayloadBlockCache::ForgetDropped(Shard& shard) {
  std::erase_if(shard.queue,
                [&](const Key& key) AKI_REQUIRES(shard.mutex) { return Find(shard, key, Hash(key)).block == nullptr; });
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
