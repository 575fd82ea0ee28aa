#include "cache/block_index.h"

#include <algorithm>

#include "base/check.h"

namespace akidb {
namespace {

// Share of the capacity that the small queue may take before it has to give.
constexpr uint64_t kSmallShare = 10;
// How file systems round up.
constexpr uint64_t kDiskBlockBytes = 4096;
constexpr size_t kGhostsMin = 16;

}  // namespace

uint64_t BlockIndex::DiskBytes(const CacheBlockName& name) {
  return (name.file_bytes() + kDiskBlockBytes - 1) / kDiskBlockBytes * kDiskBlockBytes;
}

std::optional<CacheBlockName> BlockIndex::Find(const CacheBlockId& id) const {
  const auto it = blocks_.find(id);
  return it == blocks_.end() ? std::nullopt : std::optional(it->second->name);
}

void BlockIndex::Touch(const CacheBlockId& id, MonotonicTime now) {
  const auto it = blocks_.find(id);
  if (it == blocks_.end() || now - it->second->counted_at < kSameUse) return;
  it->second->counted_at = now;
  it->second->uses = std::min<uint8_t>(it->second->uses + 1, kUsesMax);
}

void BlockIndex::Insert(const CacheBlockName& name, MonotonicTime now) {
  const bool came_back = Forget(name.id);
  Add({.name = name, .in_main = came_back, .uses = 0, .counted_at = now});
}

void BlockIndex::InsertKept(const CacheBlockName& name, MonotonicTime now) {
  Add({.name = name, .in_main = true, .uses = 0, .counted_at = now});
}

void BlockIndex::Add(Entry entry) {
  const CacheBlockName name = entry.name;
  Queue& queue = QueueOf(entry);
  queue.entries.push_back(std::move(entry));
  queue.file_bytes += DiskBytes(name);
  const bool added = blocks_.emplace(name.id, std::prev(queue.entries.end())).second;
  AKI_CHECK(added);
  ObjectInfo& object = objects_[name.id.object];
  ++object.blocks;
  object.known_end = std::max(object.known_end, uint64_t{name.id.number} * kCacheBlockBytes + name.data_bytes);
}

void BlockIndex::Remove(Position entry) {
  const auto object = objects_.find(entry->name.id.object);
  if (--object->second.blocks == 0) objects_.erase(object);
  blocks_.erase(entry->name.id);
  Queue& queue = QueueOf(*entry);
  queue.file_bytes -= DiskBytes(entry->name);
  queue.entries.erase(entry);
}

void BlockIndex::Erase(const CacheBlockId& id) {
  const auto it = blocks_.find(id);
  if (it != blocks_.end()) Remove(it->second);
}

std::optional<CacheBlockName> BlockIndex::Evict() {
  const bool from_small = small_.file_bytes > capacity_bytes_ / kSmallShare || main_.entries.empty();
  std::optional<CacheBlockName> out = from_small ? EvictSmall() : EvictMain();
  // Everything in the small queue was used: it moved over, and the main queue has to give.
  return out ? out : EvictMain();
}

std::optional<CacheBlockName> BlockIndex::EvictSmall() {
  while (!small_.entries.empty()) {
    const Position first = small_.entries.begin();
    if (first->uses == 0) {
      const CacheBlockName name = first->name;
      Remove(first);
      Remember(name.id);
      return name;
    }
    MoveToMain(first);
  }
  return std::nullopt;
}

void BlockIndex::MoveToMain(Position entry) {
  const uint64_t bytes = DiskBytes(entry->name);
  small_.file_bytes -= bytes;
  main_.file_bytes += bytes;
  entry->in_main = true;
  entry->uses = 0;
  main_.entries.splice(main_.entries.end(), small_.entries, entry);
}

std::optional<CacheBlockName> BlockIndex::EvictMain() {
  while (!main_.entries.empty()) {
    const Position first = main_.entries.begin();
    if (first->uses == 0) {
      const CacheBlockName name = first->name;
      Remove(first);
      return name;
    }
    --first->uses;
    main_.entries.splice(main_.entries.end(), main_.entries, first);
  }
  return std::nullopt;
}

void BlockIndex::Remember(const CacheBlockId& id) {
  Forget(id);
  ghosts_.push_back(id);
  ghost_places_[id] = std::prev(ghosts_.end());
  while (ghosts_.size() > std::max(blocks_.size(), kGhostsMin)) {
    ghost_places_.erase(ghosts_.front());
    ghosts_.pop_front();
  }
}

bool BlockIndex::Forget(const CacheBlockId& id) {
  const auto it = ghost_places_.find(id);
  if (it == ghost_places_.end()) return false;
  ghosts_.erase(it->second);
  ghost_places_.erase(it);
  return true;
}

uint64_t BlockIndex::KnownEnd(const CacheObjectId& object) const {
  const auto it = objects_.find(object);
  return it == objects_.end() ? 0 : it->second.known_end;
}

void BlockIndex::LearnEnd(const CacheObjectId& object, uint64_t end) {
  const auto it = objects_.find(object);
  if (it != objects_.end()) it->second.known_end = std::max(it->second.known_end, end);
}

std::vector<CacheBlockName> BlockIndex::BlocksOf(const CacheObjectId& object) const {
  std::vector<CacheBlockName> out;
  const uint64_t end = KnownEnd(object);
  for (uint64_t number = 0; number * kCacheBlockBytes < end; ++number) {
    const auto it = blocks_.find({object, static_cast<uint32_t>(number)});
    if (it != blocks_.end()) out.push_back(it->second->name);
  }
  return out;
}

}  // namespace akidb
