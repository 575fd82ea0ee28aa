#include "segment/column_cache.h"

#include "base/hash.h"

namespace akidb {
namespace {

// List node, hash node and control block of one entry.
constexpr uint64_t kEntryOverheadBytes = 240;

}  // namespace

size_t ColumnCache::KeyHash::operator()(const Key& key) const {
  return Xxh3(key.name, key.owner * 4 + static_cast<uint64_t>(key.kind));
}

std::shared_ptr<const void> ColumnCache::Find(const Key& key) {
  const MutexLock lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  lru_.splice(lru_.begin(), lru_, found->second);
  return found->second->item;
}

void ColumnCache::Insert(const Key& key, std::shared_ptr<const void> item, uint64_t item_bytes) {
  // The name is kept twice, in the list and in the index.
  const uint64_t bytes = item_bytes + 2 * key.name.size() + kEntryOverheadBytes;
  const MutexLock lock(mutex_);
  if (bytes > capacity_bytes_ || entries_.contains(key)) return;
  while (used_bytes_ + bytes > capacity_bytes_) Erase(std::prev(lru_.end()));
  lru_.push_front({key, std::move(item), bytes});
  entries_.emplace(key, lru_.begin());
  used_bytes_ += bytes;
}

void ColumnCache::Erase(Lru::iterator entry) {
  used_bytes_ -= entry->bytes;
  entries_.erase(entry->key);
  lru_.erase(entry);
}

void ColumnCache::Drop(uint64_t owner) {
  const MutexLock lock(mutex_);
  for (auto it = lru_.begin(); it != lru_.end();) {
    const auto entry = it++;
    if (entry->key.owner == owner) Erase(entry);
  }
}

uint64_t ColumnCache::used_bytes() const {
  const MutexLock lock(mutex_);
  return used_bytes_;
}

}  // namespace akidb
