#include "cache/block_ahead.h"

#include <algorithm>

namespace akidb {

BlockCache::Ahead::Request::Request(OpContext& of, FlightPtr what) : flight(std::move(what)), ctx(of.clock()) {
  ctx.set_deadline(of.deadline());
  ctx.set_priority(of.priority());
  ctx.set_principal(of.principal());
  ctx.set_request_id(of.request_id());
}

// Touches cache and store only if it claims the flight: then the reader waits for it.
class BlockCache::Ahead::FetchTask final : public Task {
 public:
  FetchTask(BlockCache& cache, ObjectStore& store, std::shared_ptr<Request> request)
      : cache_(cache), store_(store), request_(std::move(request)) {}
  std::string_view name() const override { return "cache_fetch"; }
  NextStep Step(OpContext&) override {
    const FlightPtr& flight = request_->flight;
    if (!flight->TryClaim(FlightClaim::kHelper)) return NextStep::Done();
    cache_.CarryOut(request_->ctx, store_, flight);
    // The reader may be gone by now; the cache waits for its helpers.
    if (flight->status.ok()) cache_.QueueFills(flight);
    return NextStep::Done();
  }

 private:
  BlockCache& cache_;
  ObjectStore& store_;
  const std::shared_ptr<Request> request_;
};

BlockCache::Ahead::Ahead(BlockCache& cache, OpContext& ctx, ObjectStore& store, const Object& object, ByteRange range)
    : cache_(cache), ctx_(ctx), store_(store), object_(object), range_(range), next_(range.begin) {}

BlockCache::Ahead::~Ahead() {
  for (const auto& request : requests_) {
    request->ctx.Cancel();
    // Strangers may wait for it already: they try again.
    if (request->flight->TryClaim(FlightClaim::kReader)) {
      cache_.Land(request->flight, Cancelled("the reader gave up"));
    }
  }
  const MutexLock lock(cache_.mutex_);
  for (const auto& request : requests_) {
    Flight& flight = *request->flight;
    while (flight.claim == FlightClaim::kHelper && !flight.done) flight.done_cv.Wait(cache_.mutex_);
  }
}

void BlockCache::Ahead::Advance(uint64_t at) {
  const bool one_block = BlockBegin(range_.begin / kCacheBlockBytes + 1) >= range_.end;
  if (cache_.fetchers_ == nullptr || one_block) return;
  next_ = std::max(next_, at);
  while (true) {
    FlightPtr flight;
    {
      const MutexLock lock(cache_.mutex_);
      // One that was dropped meanwhile, and fetched again, may still be under way: it is waited for at the end.
      const auto is_over = [&](const Flight& each) { return each.range.end <= at && each.done; };
      while (!requests_.empty() && is_over(*requests_.front()->flight)) requests_.pop_front();
      if (requests_.size() >= cache_.options_.requests_at_once) return;
      flight = LaunchNext();
    }
    if (flight == nullptr) return;
    next_ = flight->range.end;
    requests_.push_back(std::make_shared<Request>(ctx_, flight));
    // The one that the reader needs now it carries out itself.
    if (flight->range.begin <= at) continue;
    cache_.fetchers_->Add(std::make_shared<FetchTask>(cache_, store_, requests_.back()));
  }
}

BlockCache::FlightPtr BlockCache::Ahead::LaunchNext() {
  while (next_ < range_.end) {
    const Plan plan = cache_.MakePlan(object_, {next_, range_.end});
    switch (plan.kind) {
      case Plan::Kind::kCached: next_ = plan.part.end; break;
      case Plan::Kind::kJoin: next_ = plan.flight->range.end; break;
      case Plan::Kind::kFetch: return cache_.Launch(object_, {next_, range_.end}, 0, FlightClaim::kNone);
      case Plan::Kind::kLearnSize: return nullptr;  // the reader finds out when it gets there
    }
  }
  return nullptr;
}

}  // namespace akidb
