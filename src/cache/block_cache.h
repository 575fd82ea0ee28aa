// Bytes of immutable objects on the local disk, in aligned blocks of 1 MiB, so that a bucket is asked once.
//
// A read takes from cached blocks what they have. Neighbouring blocks that are missing are fetched in one request of up
// to `request_bytes_max`, and several such requests of one read at once where there are threads for it; of several
// readers that miss the same block one fetches, and the others wait for its bytes.
// Fetched blocks are written behind the reader's back, by a task if there is an executor. The cache never makes a read
// fail: a block that is torn, changed or gone is dropped and fetched again, and when the disk is full nothing is cached
// for a while. The directory may be deleted at any time.
//
// The size of an object need not be known: fetches end where the object is known to reach (by this or an earlier read),
// so a first read of the last bytes, the footer, makes all later fetches whole blocks.
//
// Why these rules: docs/adr/0006-block-cache.md
// Threads: thread-safe. A reader may wait for another's fetch, never beyond ctx.deadline().
// Errors:  those of the store; kCancelled and kDeadlineExceeded of a reader that waits.
// Invariants:
//   1. Files on disk, those being written and those not removed yet included, never take more than `size_max`.
//   2. What is answered was fetched from the store for this key and version, or passed its checksum under their name.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/environment.h"
#include "base/mutex.h"
#include "cache/block_files.h"
#include "cache/block_index.h"
#include "objstore/object_store.h"

namespace akidb {

struct BlockCacheOptions {
  std::string dir;
  uint64_t size_max = 0;
  // Of the file system; below it the cache shrinks, so that the log beside it does not run out of space.
  uint64_t free_bytes_min = 1ull << 30;
  uint64_t request_bytes_max = 4ull << 20;
  uint32_t requests_at_once = 8;  // of one read
  // Fetched and not yet written; what does not fit is not cached.
  uint64_t pending_bytes_max = 64ull << 20;
  // How long nothing is cached after a write failed.
  Duration pause_after_error = std::chrono::seconds(30);
};

struct BlockCacheStats {
  uint64_t hits = 0;        // blocks read from disk
  uint64_t misses = 0;      // blocks that had to be fetched
  uint64_t joined = 0;      // reads that waited for another's fetch
  uint64_t hit_bytes = 0;   // answered from disk
  uint64_t read_bytes = 0;  // fetched from the store
  uint64_t written_bytes = 0;
  uint64_t evictions = 0;
  uint64_t corruptions = 0;  // blocks dropped because a checksum, a name or a size was wrong
  uint64_t lost = 0;         // blocks whose file somebody removed
  uint64_t io_errors = 0;
  uint64_t skipped = 0;     // blocks fetched but not cached
  uint64_t used_bytes = 0;  // of `size_max`
  uint64_t blocks = 0;
  uint64_t size_max = 0;
};

class BlockCache {
 public:
  using Object = BlockFiles::Object;

  // `env.executor` may be null: then readers write what they fetched. `fetchers` should have no other work, because
  // requests block; without it a read sends one request after the other.
  static Result<std::unique_ptr<BlockCache>> Open(OpContext& ctx, const Environment& env,
                                                  const BlockCacheOptions& options,
                                                  std::unique_ptr<Executor> fetchers = nullptr);
  ~BlockCache();

  // `range` of the object, from here or from `store`.
  Status Read(OpContext& ctx, ObjectStore& store, const Object& object, ByteRange range, char* out);
  // The object if it was added whole.
  std::optional<ObjectBody> FindWhole(const Object& object);
  // Remembers a body that the store answered, if it fits one block.
  void AddWhole(const Object& object, const ObjectBody& body);
  // The store just said that `range` is `bytes`: forgets blocks that say otherwise, and what is being fetched.
  void Reconcile(const Object& object, ByteRange range, const char* bytes);
  // Forgets what is cached or being fetched of `range`.
  void Drop(const Object& object, ByteRange range);

  BlockCacheStats Stats() const;
  // Writes one block that waits to be; false if none does.
  bool FillStep();

 private:
  class FillTask;
  class Ahead;
  enum class FlightClaim : uint8_t { kNone, kReader, kHelper };  // who carries a flight out
  struct Flight;
  using FlightPtr = std::shared_ptr<Flight>;
  struct Plan;

  BlockCache(const Environment& env, const BlockCacheOptions& options, std::unique_ptr<BlockFiles> files,
             std::unique_ptr<Executor> fetchers);

  // Reads a first part of `range`; returns its end, or the begin of the range if it has to be tried again.
  Result<uint64_t> ReadSome(OpContext& ctx, ObjectStore& store, const Object& object, ByteRange range, char* out);
  Plan MakePlan(const Object& object, ByteRange range) AKI_REQUIRES(mutex_);
  // `known_end` besides what the index knows.
  FlightPtr Launch(const Object& object, ByteRange range, uint64_t known_end, FlightClaim claim) AKI_REQUIRES(mutex_);
  bool ReadCached(const CacheBlockName& name, const Object& object, ByteRange range, char* out);
  // Waits for the flight, or carries it out if nobody has begun to.
  Result<uint64_t> Join(OpContext& ctx, ObjectStore& store, const FlightPtr& flight, ByteRange range, char* out);
  Result<uint64_t> Fetch(OpContext& ctx, ObjectStore& store, const FlightPtr& flight, ByteRange range, char* out);
  // The request itself, by whoever claimed the flight. Its bytes are not on the way to the disk yet.
  void CarryOut(OpContext& ctx, ObjectStore& store, const FlightPtr& flight);
  void Land(const FlightPtr& flight, Status status);

  void QueueFills(const FlightPtr& flight);
  void Fill(const FlightPtr& flight, uint32_t number);
  // `flight`: where the data come from; null for a whole object.
  void WriteBlock(CacheBlockHeader header, std::string_view data, const Flight* flight);
  bool MakeRoom(uint64_t bytes) AKI_REQUIRES(mutex_);
  // Lets go of the mutex meanwhile, as do those who call it.
  void RemoveFile(const CacheBlockName& name) AKI_REQUIRES(mutex_);
  void DropFlights(const CacheObjectId& object, ByteRange range) AKI_REQUIRES(mutex_);
  void ForgetFlight(const Flight& flight, uint32_t number) AKI_REQUIRES(mutex_);
  void DropBad(const CacheBlockName& name, BlockFiles::Outcome outcome);
  uint64_t UsedBytes() const AKI_REQUIRES(mutex_) { return index_.file_bytes() + busy_bytes_; }

  const Environment env_;
  const BlockCacheOptions options_;
  const std::unique_ptr<BlockFiles> files_;
  mutable Mutex mutex_;
  BlockIndex index_ AKI_GUARDED_BY(mutex_);
  // Being fetched, or fetched and not yet on disk.
  std::unordered_map<CacheBlockId, FlightPtr, CacheBlockHash> flights_ AKI_GUARDED_BY(mutex_);
  std::deque<std::pair<FlightPtr, uint32_t>> fills_ AKI_GUARDED_BY(mutex_);
  uint64_t pending_bytes_ AKI_GUARDED_BY(mutex_) = 0;
  // On disk but not in the index: files being written, being removed, or that would not go.
  uint64_t busy_bytes_ AKI_GUARDED_BY(mutex_) = 0;
  MonotonicTime paused_until_ AKI_GUARDED_BY(mutex_) = MonotonicTime::min();
  BlockCacheStats stats_ AKI_GUARDED_BY(mutex_);
  std::optional<TaskId> fill_task_;
  std::unique_ptr<Executor> fetchers_;  // may be null
};

}  // namespace akidb
