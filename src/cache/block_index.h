// Which blocks are cached, and which goes next. Knows nothing of files.
//
// The order is S3-FIFO's (Yang et al., SOSP 2023): new blocks enter a small queue (a tenth of the capacity), and only
// those that were used again before they reach its end move to the main queue; the others leave, and are remembered by
// name for a while so that a second arrival goes to the main queue at once. A scan thus flows through the small queue
// and takes nothing from the rest. One thing is added: uses within `kSameUse` of each other count as one, because a
// scan touches each block many times in a row.
//
// Threads: one at a time; the owner locks.
// Errors:  none.
// Cost:    constant a call, except Evict, which passes each used block at most kUsesMax times.
#pragma once

#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "cache/cache_block.h"

namespace akidb {

class BlockIndex {
 public:
  static constexpr Duration kSameUse = std::chrono::seconds(1);
  static constexpr uint8_t kUsesMax = 3;

  explicit BlockIndex(uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  std::optional<CacheBlockName> Find(const CacheBlockId& id) const;
  // The block was used.
  void Touch(const CacheBlockId& id, MonotonicTime now);
  // `name.id` must not be there.
  void Insert(const CacheBlockName& name, MonotonicTime now);
  // A block found at start: it was worth keeping once, so a scan must not push it out.
  void InsertKept(const CacheBlockName& name, MonotonicTime now);
  void Erase(const CacheBlockId& id);
  // Takes out the block that is worth least.
  std::optional<CacheBlockName> Evict();

  // The highest end of a cached block: up to there the object surely reaches. 0 if nothing is known.
  uint64_t KnownEnd(const CacheObjectId& object) const;
  void LearnEnd(const CacheObjectId& object, uint64_t end);
  std::vector<CacheBlockName> BlocksOf(const CacheObjectId& object) const;

  uint64_t file_bytes() const { return small_.file_bytes + main_.file_bytes; }
  size_t block_count() const { return blocks_.size(); }

  // What a file takes on disk.
  static uint64_t DiskBytes(const CacheBlockName& name);

 private:
  struct Entry {
    CacheBlockName name;
    bool in_main = false;
    uint8_t uses = 0;
    MonotonicTime counted_at{};
  };
  struct Queue {
    std::list<Entry> entries;  // the next to leave is at the front
    uint64_t file_bytes = 0;
  };
  struct ObjectInfo {
    uint64_t known_end = 0;
    uint32_t blocks = 0;
  };
  using Position = std::list<Entry>::iterator;

  Queue& QueueOf(const Entry& entry) { return entry.in_main ? main_ : small_; }
  void Add(Entry entry);
  void Remove(Position entry);
  void MoveToMain(Position entry);
  std::optional<CacheBlockName> EvictSmall();
  std::optional<CacheBlockName> EvictMain();
  void Remember(const CacheBlockId& id);
  bool Forget(const CacheBlockId& id);

  const uint64_t capacity_bytes_;
  Queue small_;
  Queue main_;
  std::unordered_map<CacheBlockId, Position, CacheBlockHash> blocks_;
  std::unordered_map<CacheObjectId, ObjectInfo, CacheBlockHash> objects_;
  // Names of blocks that left the small queue unused, oldest first; as many as there are blocks.
  std::list<CacheBlockId> ghosts_;
  std::unordered_map<CacheBlockId, std::list<CacheBlockId>::iterator, CacheBlockHash> ghost_places_;
};

}  // namespace akidb
