// An object store whose immutable objects are read through a local block cache.
//
// GetRange of a cacheable key takes blocks from the cache, Get takes small objects that were read whole before. A read
// with ReadSource::kStore goes to the store, and cached blocks that say otherwise are dropped. Head, List and all
// writes go to the store; a write or delete of a cacheable key drops what is cached of it.
//
// Cached bytes may outlive their object. So a cacheable key must mean the same bytes for ever, and a proof that the
// store still has an object (before the log is trimmed, before a predecessor is deleted) needs ReadSource::kStore.
//
// Threads: thread-safe if the store below is.
// Errors:  those of the store below.
#pragma once

#include <functional>
#include <memory>

#include "cache/block_cache.h"
#include "objstore/object_store.h"

namespace akidb {

// True for segments, deletion vectors and bases of manifests: their ids are minted once, with 64 random bits.
bool IsImmutableObjectKey(std::string_view key);

std::unique_ptr<ObjectStore> NewCachedStore(std::unique_ptr<ObjectStore> base, std::shared_ptr<BlockCache> cache,
                                            std::function<bool(std::string_view key)> cacheable);

}  // namespace akidb
