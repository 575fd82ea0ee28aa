// What a read of many blocks asks for while it waits for the first of them: requests that helpers carry out, and that
// the reader carries out itself where no helper is free.
//
// Threads: belongs to the reader's. Its destructor waits for the helpers of its own requests, after cancelling them.
// Errors:  none; what a request came to is in its flight.
#pragma once

#include <deque>

#include "cache/block_cache.h"
#include "cache/block_flight.h"

namespace akidb {

class BlockCache::Ahead {
 public:
  // `object` outlives it.
  Ahead(BlockCache& cache, OpContext& ctx, ObjectStore& store, const Object& object, ByteRange range);
  ~Ahead();
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

  // The reader has everything before `at`: launches as many requests for what is missing after it as may be under way.
  void Advance(uint64_t at);

 private:
  // A flight of this read, and the context of the helper that may carry it out.
  struct Request {
    Request(OpContext& of, FlightPtr what);
    const FlightPtr flight;
    OpContext ctx;
  };
  class FetchTask;

  // The next flight at or after `next_`, if one has to be launched.
  FlightPtr LaunchNext() AKI_REQUIRES(cache_.mutex_);

  BlockCache& cache_;
  OpContext& ctx_;
  ObjectStore& store_;
  const Object& object_;
  const ByteRange range_;
  uint64_t next_;  // everything before it is cached, or somebody's flight
  std::deque<std::shared_ptr<Request>> requests_;
};

}  // namespace akidb
