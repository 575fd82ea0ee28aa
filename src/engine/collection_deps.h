// What all collections of a database share: the world outside, options, and sums over all of them.
//
// Threads: set up before the first collection opens; atomics and what locks itself from then on.
// Errors:  none.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/database.h"
#include "engine/node_leases.h"
#include "engine/node_log.h"
#include "objstore/object_store.h"
#include "segment/segment_reader.h"

namespace akidb {

// Each collection keeps it alive: a request may hold a collection longer than its database lives.
struct CollectionDeps : std::enable_shared_from_this<CollectionDeps> {
  Environment env;
  std::shared_ptr<ObjectStore> store;
  // The node's log. Null while it is being replayed, and on a shared store until something is bound to this node.
  std::atomic<Wal*> wal{nullptr};
  NodeLog node_log;
  EngineOptions options;
  std::shared_ptr<PayloadBlockCache> payload_cache;
  std::string process;                // name of this process in claims and leases
  std::unique_ptr<NodeLeases> nodes;  // null where no other node could be the writer, or none is asked
  std::atomic<uint64_t> claims{0};    // of epochs, so far
  std::atomic<uint64_t> takeovers{0};
  std::atomic<uint64_t> discarded_records{0};
  std::atomic<uint64_t> unflushed_bytes{0};
  // Of graphs over growing rows; readers may keep one longer than its collection.
  std::shared_ptr<std::atomic<uint64_t>> growing_index_bytes = std::make_shared<std::atomic<uint64_t>>(0);
  // Of what only this node's disk has although others share the store: bytes, and since when (-1: nothing). Grows with
  // the writes; what was flushed is taken away within a second.
  std::atomic<uint64_t> at_risk_bytes{0};
  std::atomic<int64_t> at_risk_since_ns{-1};
  std::function<void()> wake_flush = [] {};
  // Only those that flush what somebody waits for.
  std::function<void()> wake_hurried_flush = [] {};
  std::function<void()> wake_follow = [] {};

  // What a flush sets free.
  uint64_t growing_bytes() const {
    return unflushed_bytes.load(std::memory_order_relaxed) + growing_index_bytes->load(std::memory_order_relaxed);
  }

  bool IsHome(const Home& home) const { return home.node == options.node && home.disk == node_log.disk(); }
  // Requires that the node has a log.
  Home SelfAsHome() const;
};

}  // namespace akidb
