#include "cache/block_cache.h"

#include <algorithm>
#include <cstring>

#include "cache/block_ahead.h"
#include "cache/block_flight.h"

namespace akidb {
namespace {

// A reader that waits looks at its context this often, because Cancel() wakes nobody.
constexpr Duration kCancelSeenWithin = std::chrono::milliseconds(20);

using ReadOutcome = BlockFiles::Outcome;

// Lets go of a mutex for a while, whatever way the while ends.
class Unlocked {
 public:
  explicit Unlocked(Mutex& mutex) AKI_NO_THREAD_SAFETY_ANALYSIS : mutex_(mutex) { mutex_.Unlock(); }
  ~Unlocked() AKI_NO_THREAD_SAFETY_ANALYSIS { mutex_.Lock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace

class BlockCache::FillTask final : public Task {
 public:
  explicit FillTask(BlockCache& cache) : cache_(cache) {}
  std::string_view name() const override { return "cache_fill"; }
  NextStep Step(OpContext&) override { return cache_.FillStep() ? NextStep::Now() : NextStep::OnWake(); }

 private:
  BlockCache& cache_;
};

BlockCache::BlockCache(const Environment& env, const BlockCacheOptions& options, std::unique_ptr<BlockFiles> files,
                       std::unique_ptr<Executor> fetchers)
    : env_(env),
      options_(options),
      files_(std::move(files)),
      index_(options.size_max),
      fetchers_(std::move(fetchers)) {}

Result<std::unique_ptr<BlockCache>> BlockCache::Open(OpContext& ctx, const Environment& env,
                                                     const BlockCacheOptions& options,
                                                     std::unique_ptr<Executor> fetchers) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  std::vector<CacheBlockName> found;
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<BlockFiles> files, BlockFiles::Open(*env.fs, options.dir, &found));
  std::unique_ptr<BlockCache> cache(new BlockCache(env, options, std::move(files), std::move(fetchers)));
  {
    const MutexLock lock(cache->mutex_);
    for (const CacheBlockName& name : found) {
      const auto other = cache->index_.Find(name.id);  // the process died between writing the longer and removing it
      if (other && other->data_bytes >= name.data_bytes) {
        cache->RemoveFile(name);
        continue;
      }
      if (other) {
        cache->index_.Erase(name.id);
        cache->RemoveFile(*other);
      }
      cache->index_.InsertKept(name, env.clock->Now());
    }
    while (cache->UsedBytes() > options.size_max) {
      const auto victim = cache->index_.Evict();
      if (!victim) break;
      ++cache->stats_.evictions;
      cache->RemoveFile(*victim);
    }
  }
  if (env.executor != nullptr) cache->fill_task_ = env.executor->Add(std::make_shared<FillTask>(*cache));
  return cache;
}

BlockCache::~BlockCache() {
  fetchers_.reset();  // what helpers fetched last is handed to the fill task
  if (fill_task_) env_.executor->Remove(*fill_task_);
}

Status BlockCache::Read(OpContext& ctx, ObjectStore& store, const Object& object, ByteRange range, char* out) {
  Ahead ahead(*this, ctx, store, object, range);
  for (uint64_t at = range.begin; at < range.end;) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    ahead.Advance(at);
    Result<uint64_t> end = ReadSome(ctx, store, object, {at, range.end}, out + (at - range.begin));
    if (end) {
      at = *end;
    } else if (end.error().code() == StatusCode::kOutOfRange) {
      // Either the caller asks for too much, or the object is not the one that was cached.
      Drop(object, {0, UINT64_MAX});
      return store.GetRange(ctx, std::string(object.key), range, std::string(object.version_id), out);
    } else {
      return std::move(end).error();
    }
  }
  return OkStatus();
}

Result<uint64_t> BlockCache::ReadSome(OpContext& ctx, ObjectStore& store, const Object& object, ByteRange range,
                                      char* out) {
  Plan plan;
  {
    const MutexLock lock(mutex_);
    plan = MakePlan(object, range);
    if (plan.kind == Plan::Kind::kFetch) plan.flight = Launch(object, range, 0, FlightClaim::kReader);
  }
  switch (plan.kind) {
    case Plan::Kind::kCached: return ReadCached(plan.name, object, plan.part, out) ? plan.part.end : plan.part.begin;
    case Plan::Kind::kJoin: return Join(ctx, store, plan.flight, range, out);
    case Plan::Kind::kFetch: break;
    case Plan::Kind::kLearnSize: {
      const Result<ObjectMeta> meta = store.Head(ctx, std::string(object.key));
      const MutexLock lock(mutex_);
      // A size that is not to be had only makes the fetch shorter.
      if (meta) index_.LearnEnd(CacheObjectId::Of(object.key, object.version_id), meta->size_bytes);
      plan.flight = Launch(object, range, meta ? meta->size_bytes : 0, FlightClaim::kReader);
      break;
    }
  }
  return Fetch(ctx, store, plan.flight, range, out);
}

BlockCache::Plan BlockCache::MakePlan(const Object& object, ByteRange range) {
  const CacheBlockId id{CacheObjectId::Of(object.key, object.version_id),
                        static_cast<uint32_t>(range.begin / kCacheBlockBytes)};
  Plan plan;
  plan.part = {range.begin, std::min(range.end, BlockBegin(id.number + uint64_t{1}))};
  const auto cached = index_.Find(id);
  if (cached && BlockBegin(id.number) + cached->data_bytes >= plan.part.end) {
    index_.Touch(id, env_.clock->Now());
    plan.kind = Plan::Kind::kCached;
    plan.name = *cached;
    return plan;
  }
  const auto flight = flights_.find(id);
  if (flight != flights_.end() && flight->second->range.end >= plan.part.end) {
    plan.kind = Plan::Kind::kJoin;
    plan.flight = flight->second;
    return plan;
  }
  // A beginning of the block was fetched before. Without its size, a reader that goes on in small steps would fetch it
  // again and again, each time a little longer.
  const bool grows = cached || flight != flights_.end();
  if (grows && index_.KnownEnd(id.object) < plan.part.end) plan.kind = Plan::Kind::kLearnSize;
  return plan;
}

BlockCache::FlightPtr BlockCache::Launch(const Object& object, ByteRange range, uint64_t known_end, FlightClaim claim) {
  auto flight = std::make_shared<Flight>();
  flight->claim = claim;
  flight->key = object.key;
  flight->version_id = object.version_id;
  flight->object = CacheObjectId::Of(object.key, object.version_id);
  const uint64_t first = range.begin / kCacheBlockBytes;
  uint64_t end = first + 1;
  const auto missing = [&](uint64_t number) AKI_REQUIRES(mutex_) {
    const CacheBlockId id{flight->object, static_cast<uint32_t>(number)};
    const auto cached = index_.Find(id);
    const bool enough =
        cached && BlockBegin(number) + cached->data_bytes >= std::min(range.end, BlockBegin(number + 1));
    return !enough && !flights_.contains(id);
  };
  while (BlockBegin(end) < range.end && BlockBegin(end + 1 - first) <= options_.request_bytes_max && missing(end))
    ++end;
  const uint64_t known = std::max(known_end, index_.KnownEnd(flight->object));
  const uint64_t asked_end = std::min(range.end, BlockBegin(end));
  flight->range = {BlockBegin(first), std::max(asked_end, std::min(known, BlockBegin(end)))};
  for (uint32_t number = flight->first(); number < flight->end(); ++number) flights_[{flight->object, number}] = flight;
  return flight;
}

bool BlockCache::ReadCached(const CacheBlockName& name, const Object& object, ByteRange range, char* out) {
  const uint64_t begin = BlockBegin(name.id.number);
  const auto outcome = files_->Read(name, object, {range.begin - begin, range.end - begin}, out);
  if (outcome != ReadOutcome::kOk) {
    DropBad(name, outcome);
    return false;
  }
  const MutexLock lock(mutex_);
  ++stats_.hits;
  stats_.hit_bytes += range.size();
  return true;
}

void BlockCache::DropBad(const CacheBlockName& name, BlockFiles::Outcome outcome) {
  const MutexLock lock(mutex_);
  if (index_.Find(name.id) != name) return;  // evicted or replaced while it was read
  index_.Erase(name.id);
  switch (outcome) {
    case ReadOutcome::kOk: break;
    case ReadOutcome::kMissing: ++stats_.lost; break;
    case ReadOutcome::kBad: ++stats_.corruptions; break;
    case ReadOutcome::kError: ++stats_.io_errors; break;
  }
  RemoveFile(name);
}

Result<uint64_t> BlockCache::Join(OpContext& ctx, ObjectStore& store, const FlightPtr& flight, ByteRange range,
                                  char* out) {
  if (flight->TryClaim(FlightClaim::kReader)) return Fetch(ctx, store, flight, range, out);
  {
    const MutexLock lock(mutex_);
    while (!flight->done) {
      AKI_RETURN_IF_ERROR(ctx.Check());
      flight->done_cv.WaitFor(mutex_, std::min(ctx.deadline() - ctx.clock().Now(), kCancelSeenWithin));
    }
    const StatusCode code = flight->status.code();
    // The one who fetched had no more time or interest; that is nothing to those who waited.
    if (code == StatusCode::kCancelled || code == StatusCode::kDeadlineExceeded) return range.begin;
    if (code != StatusCode::kOk) return std::unexpected(flight->status);
    ++stats_.joined;
  }
  const uint64_t end = std::min(range.end, flight->range.end);
  std::memcpy(out, flight->bytes.get() + (range.begin - flight->range.begin), end - range.begin);
  return end;
}

Result<uint64_t> BlockCache::Fetch(OpContext& ctx, ObjectStore& store, const FlightPtr& flight, ByteRange range,
                                   char* out) {
  CarryOut(ctx, store, flight);
  if (!flight->status.ok()) return std::unexpected(flight->status);
  const uint64_t end = std::min(range.end, flight->range.end);
  std::memcpy(out, flight->bytes.get() + (range.begin - flight->range.begin), end - range.begin);
  QueueFills(flight);
  return end;
}

void BlockCache::CarryOut(OpContext& ctx, ObjectStore& store, const FlightPtr& flight) {
  // Whatever way the request ends, those who wait for it must hear of it.
  struct Landing {
    BlockCache& cache;
    const FlightPtr& flight;
    Status status = Cancelled("the request was abandoned");
    ~Landing() { cache.Land(flight, status); }
  } landing{*this, flight};
  flight->bytes = std::make_unique_for_overwrite<char[]>(flight->range.size());
  landing.status = store.GetRange(ctx, flight->key, flight->range, flight->version_id, flight->bytes.get());
}

void BlockCache::Land(const FlightPtr& flight, Status status) {
  const MutexLock lock(mutex_);
  flight->done = true;
  flight->status = std::move(status);
  if (flight->status.ok()) {
    stats_.misses += flight->end() - flight->first();
    stats_.read_bytes += flight->range.size();
  } else {
    for (uint32_t number = flight->first(); number < flight->end(); ++number) ForgetFlight(*flight, number);
  }
  flight->done_cv.NotifyAll();
}

void BlockCache::ForgetFlight(const Flight& flight, uint32_t number) {
  const auto it = flights_.find({flight.object, number});
  if (it != flights_.end() && it->second.get() == &flight) flights_.erase(it);
}

std::optional<ObjectBody> BlockCache::FindWhole(const Object& object) {
  std::optional<CacheBlockName> name;
  {
    const MutexLock lock(mutex_);
    const CacheBlockId id{CacheObjectId::Of(object.key, object.version_id), 0};
    name = index_.Find(id);
    if (!name || !name->whole) return std::nullopt;
    index_.Touch(id, env_.clock->Now());
  }
  CachedWhole whole;
  ObjectBody body;
  body.bytes.resize(name->data_bytes);
  const auto outcome = files_->ReadWhole(*name, object, &whole);
  if (outcome != ReadOutcome::kOk) {
    DropBad(*name, outcome);
    return std::nullopt;
  }
  if (!ReadCached(*name, object, {0, name->data_bytes}, body.bytes.data())) return std::nullopt;
  body.meta = {.key = std::string(object.key),
               .size_bytes = name->data_bytes,
               .etag = std::move(whole.etag),
               .version_id = std::move(whole.version_id),
               .modified_at = whole.modified_at};
  return body;
}

void BlockCache::DropFlights(const CacheObjectId& object, ByteRange range) {
  for (const auto& [block, flight] : flights_) {
    if (block.object == object && flight->range.begin < range.end && range.begin < flight->range.end) {
      flight->dropped = true;
    }
  }
  std::erase_if(flights_, [](const auto& entry) { return entry.second->dropped; });
}

void BlockCache::Reconcile(const Object& object, ByteRange range, const char* bytes) {
  const CacheObjectId id = CacheObjectId::Of(object.key, object.version_id);
  {
    const MutexLock lock(mutex_);
    DropFlights(id, range);
  }
  std::string copy;
  for (uint64_t number = range.begin / kCacheBlockBytes; BlockBegin(number) < range.end; ++number) {
    std::optional<CacheBlockName> name;
    {
      const MutexLock lock(mutex_);
      name = index_.Find({id, static_cast<uint32_t>(number)});
    }
    if (!name) continue;
    const uint64_t begin = BlockBegin(number);
    const ByteRange part{std::max(range.begin, begin), std::min(range.end, begin + name->data_bytes)};
    if (part.begin >= part.end) continue;
    copy.resize(part.size());
    const auto outcome = files_->Read(*name, object, {part.begin - begin, part.end - begin}, copy.data());
    if (outcome != ReadOutcome::kOk) {
      DropBad(*name, outcome);
    } else if (copy != std::string_view(bytes + (part.begin - range.begin), part.size())) {
      DropBad(*name, ReadOutcome::kBad);
    }
  }
}

void BlockCache::Drop(const Object& object, ByteRange range) {
  const CacheObjectId id = CacheObjectId::Of(object.key, object.version_id);
  const MutexLock lock(mutex_);
  DropFlights(id, range);
  for (const CacheBlockName& name : index_.BlocksOf(id)) {
    const uint64_t begin = BlockBegin(name.id.number);
    if (begin >= range.end || range.begin >= begin + name.data_bytes) continue;
    index_.Erase(name.id);
    RemoveFile(name);
  }
}

BlockCacheStats BlockCache::Stats() const {
  const MutexLock lock(mutex_);
  BlockCacheStats stats = stats_;
  stats.used_bytes = UsedBytes();
  stats.blocks = index_.block_count();
  stats.size_max = options_.size_max;
  return stats;
}

void BlockCache::RemoveFile(const CacheBlockName& name) {
  const uint64_t bytes = BlockIndex::DiskBytes(name);
  busy_bytes_ += bytes;
  Status removed;
  {
    const Unlocked unlocked(mutex_);
    removed = files_->Remove(name);
  }
  // What would not go stays counted: it does take the space.
  removed.ok() ? busy_bytes_ -= bytes : ++stats_.io_errors;
}

}  // namespace akidb
