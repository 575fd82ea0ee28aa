// What filters asked for of the segments of a node: unpacked payload columns, and the rows that matched whole filters.
// Least recently used out first, bounded by bytes.
//
// Threads: thread-safe; an item stays alive while someone holds it, evicted or not.
// Errors:  none.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"

namespace akidb {

class ColumnCache {
 public:
  // One kind for each type of item.
  enum class Kind : uint8_t { kColumn, kRows };
  // Of one reader; `name` tells its items of one kind apart.
  struct Key {
    uint64_t owner = 0;
    Kind kind = Kind::kColumn;
    std::string name;
    bool operator==(const Key&) const = default;
  };

  explicit ColumnCache(uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}
  // A number that no other reader has.
  uint64_t NewOwner() { return next_owner_.fetch_add(1, std::memory_order_relaxed); }

  // Null if it is not there. T is the type that this kind of item was inserted as.
  template <class T>
  std::shared_ptr<const T> Get(const Key& key) {
    return std::static_pointer_cast<const T>(Find(key));
  }
  void Insert(const Key& key, std::shared_ptr<const void> item, uint64_t item_bytes);
  // Forgets everything of a reader that closes.
  void Drop(uint64_t owner);
  uint64_t used_bytes() const;

 private:
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  struct Entry {
    Key key;
    std::shared_ptr<const void> item;
    uint64_t bytes;
  };
  using Lru = std::list<Entry>;  // most recent first

  std::shared_ptr<const void> Find(const Key& key);
  void Erase(Lru::iterator entry) AKI_REQUIRES(mutex_);

  const uint64_t capacity_bytes_;
  std::atomic<uint64_t> next_owner_{0};
  mutable Mutex mutex_;
  Lru lru_ AKI_GUARDED_BY(mutex_);
  std::unordered_map<Key, Lru::iterator, KeyHash> entries_ AKI_GUARDED_BY(mutex_);
  uint64_t used_bytes_ AKI_GUARDED_BY(mutex_) = 0;
};

}  // namespace akidb
