#include "objstore/hedge_store.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace akidb {
namespace {

// A caller looks at its context this often, because Cancel() wakes nobody.
constexpr Duration kCancelSeenWithin = std::chrono::milliseconds(20);
// What a whole object is taken for before its size is known.
constexpr uint64_t kGuessedBytesMax = 64u << 10;
constexpr size_t kAttemptsMax = 2;
// Of any object; keeps times computed from a caller's limit within what a Duration can hold.
constexpr uint64_t kRatedBytesMax = 1ull << 40;
// Larger ranges are not worth their bytes twice, in memory and on the wire.
constexpr uint64_t kHedgedBytesMax = 16u << 20;

// Another request of the same may have more luck.
bool SaysNothing(const Status& status) {
  return status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kDeadlineExceeded ||
         status.code() == StatusCode::kCancelled;
}

}  // namespace

struct HedgeStore::Attempt {
  explicit Attempt(Clock& clock) : ctx(clock), start(clock.Now()) {}
  OpContext ctx;
  const MonotonicTime start;
  bool ended = false;
  Answer answer;
};

struct HedgeStore::Race {
  Request request;
  uint64_t bytes = 0;  // expected
  Duration patience{};
  Duration timeout{};
  Mutex mutex;
  CondVar changed;
  size_t started AKI_GUARDED_BY(mutex) = 0;
  std::array<std::unique_ptr<Attempt>, kAttemptsMax> attempts AKI_GUARDED_BY(mutex);
};

class HedgeStore::AttemptTask final : public Task {
 public:
  AttemptTask(HedgeStore& store, RacePtr race, size_t number)
      : store_(store), race_(std::move(race)), number_(number) {}
  std::string_view name() const override { return "hedged_read"; }
  NextStep Step(OpContext&) override {
    store_.RunAttempt(race_, number_);
    return NextStep::Done();
  }

 private:
  HedgeStore& store_;
  const RacePtr race_;
  const size_t number_;
};

HedgeStore::HedgeStore(std::unique_ptr<ObjectStore> base, const HedgePolicy& policy, Clock& clock, Executor& executor)
    : base_(std::move(base)),
      policy_(policy),
      clock_(clock),
      executor_(executor),
      estimate_(policy.quantile, policy.samples_min),
      extra_(policy.extra_burst) {}

HedgeStore::~HedgeStore() {
  const MutexLock lock(mutex_);
  while (running_ > 0) idle_.Wait(mutex_);
}

HedgeSnapshot HedgeStore::Snapshot() const {
  const MutexLock lock(mutex_);
  HedgeSnapshot snapshot = counters_;
  snapshot.latency_seconds = estimate_.latency_seconds();
  snapshot.seconds_per_byte = estimate_.seconds_per_byte();
  return snapshot;
}

HedgeStore::RacePtr HedgeStore::BeginRace(OpContext& ctx, uint64_t bytes, uint64_t bytes_max, Request request) {
  auto race = std::make_shared<Race>();
  {
    const MutexLock lock(mutex_);
    ++counters_.requests;
    extra_ = std::min(extra_ + policy_.extra_share, policy_.extra_burst);
    const std::optional<Duration> usual = estimate_.Quantile(bytes);
    if (!usual || running_ >= policy_.threads) return nullptr;
    ++running_;
    race->request = std::move(request);
    race->bytes = bytes;
    race->patience = std::max(*usual, policy_.wait_min);
    const double timeout = policy_.timeout_factor * static_cast<double>(race->patience.count());
    race->timeout = std::clamp(Duration(static_cast<Duration::rep>(timeout)), policy_.timeout_min,
                               std::max(policy_.timeout_min, policy_.timeout_max));
    const std::chrono::duration<double> slowest(static_cast<double>(std::min(bytes_max, kRatedBytesMax)) /
                                                static_cast<double>(policy_.bytes_per_second_min));
    race->timeout = std::max(race->timeout, policy_.timeout_min + std::chrono::duration_cast<Duration>(slowest));
  }
  StartAttempt(ctx, race);
  return race;
}

// The caller has counted it as running.
void HedgeStore::StartAttempt(OpContext& ctx, const RacePtr& race) {
  auto attempt = std::make_unique<Attempt>(clock_);
  const MonotonicTime start = attempt->start;
  attempt->ctx.set_deadline(ctx.deadline() - start > race->timeout ? start + race->timeout : ctx.deadline());
  attempt->ctx.set_priority(ctx.priority());
  attempt->ctx.set_read_source(ctx.read_source());
  attempt->ctx.set_principal(ctx.principal());
  attempt->ctx.set_request_id(ctx.request_id());
  size_t number = 0;
  {
    const MutexLock lock(race->mutex);
    number = race->started++;
    race->attempts[number] = std::move(attempt);
  }
  executor_.Add(std::make_shared<AttemptTask>(*this, race, number));
}

void HedgeStore::RunAttempt(const RacePtr& race, size_t number) {
  Attempt* attempt = nullptr;
  {
    const MutexLock lock(race->mutex);
    attempt = race->attempts[number].get();
  }
  // Whatever way it ends, the caller and the destructor must hear of it.
  struct Ending {
    HedgeStore& store;
    const RacePtr& race;
    Attempt& attempt;
    Answer answer{.status = Internal("a read threw"), .body = {}, .bytes = nullptr, .byte_count = 0};
    ~Ending() {
      store.Learn(answer.status, answer.byte_count, attempt.start, race->patience);
      {
        const MutexLock lock(race->mutex);
        attempt.answer = std::move(answer);
        attempt.ended = true;
        race->changed.NotifyAll();
      }
      const MutexLock lock(store.mutex_);
      if (--store.running_ == 0) store.idle_.NotifyAll();
    }
  } ending{*this, race, *attempt};
  ending.answer = race->request(*base_, attempt->ctx);
}

bool HedgeStore::TakeExtra() {
  const MutexLock lock(mutex_);
  if (extra_ < 1 || running_ >= policy_.threads) {
    ++counters_.withheld;
    return false;
  }
  extra_ -= 1;
  ++running_;
  ++counters_.hedged;
  return true;
}

HedgeStore::Answer HedgeStore::AwaitWinner(OpContext& ctx, const RacePtr& race) {
  bool patient = true;
  race->mutex.Lock();
  while (true) {
    // An answer, or the last of the failures once all have failed.
    std::optional<size_t> winner;
    size_t ended = 0;
    for (size_t i = 0; i < race->started; ++i) {
      if (!race->attempts[i]->ended) continue;
      ++ended;
      if (!winner || !SaysNothing(race->attempts[i]->answer.status)) winner = i;
    }
    const bool answered = winner && !SaysNothing(race->attempts[*winner]->answer.status);
    const Status status = ctx.Check();
    if (answered || ended == race->started || !status.ok()) {
      Answer answer;
      answer.status = status;
      if (answered || ended == race->started) answer = std::move(race->attempts[*winner]->answer);
      for (size_t i = 0; i < race->started; ++i) race->attempts[i]->ctx.Cancel();
      race->mutex.Unlock();
      if (winner == 1 && answered) {
        const MutexLock lock(mutex_);
        ++counters_.won;
      }
      return answer;
    }
    const Duration left = race->attempts[0]->start + race->patience - clock_.Now();
    if (patient && left <= Duration(0)) {
      patient = false;
      race->mutex.Unlock();
      if (TakeExtra()) StartAttempt(ctx, race);
      race->mutex.Lock();
      continue;
    }
    Duration wait = std::min(kCancelSeenWithin, ctx.deadline() - clock_.Now());
    if (patient) wait = std::min(wait, left);
    if (policy_.wait) {
      policy_.wait(race->changed, race->mutex, wait);
    } else {
      race->changed.WaitFor(race->mutex, wait);
    }
  }
}

void HedgeStore::Learn(const Status& status, uint64_t bytes, MonotonicTime start, Duration patience) {
  const Duration took = clock_.Now() - start;
  const MutexLock lock(mutex_);
  if (status.ok()) {
    estimate_.Record(bytes, took);
  } else if (SaysNothing(status) && took >= patience) {
    estimate_.RecordBeyond();  // given up; a fast refusal says nothing
  }
}

Result<ObjectBody> HedgeStore::Get(OpContext& ctx, const std::string& key, uint64_t size_max) {
  const RacePtr race = BeginRace(ctx, std::min(size_max, kGuessedBytesMax), size_max,
                                 [key, size_max](ObjectStore& store, OpContext& own) {
                                   Answer answer;
                                   Result<ObjectBody> body = store.Get(own, key, size_max);
                                   if (!body) {
                                     answer.status = std::move(body).error();
                                     return answer;
                                   }
                                   answer.byte_count = body->bytes.size();
                                   answer.body = *std::move(body);
                                   return answer;
                                 });
  if (race == nullptr) {
    const MonotonicTime start = clock_.Now();
    Result<ObjectBody> body = base_->Get(ctx, key, size_max);
    if (body) Learn(OkStatus(), body->bytes.size(), start, Duration::max());
    return body;
  }
  Answer answer = AwaitWinner(ctx, race);
  if (!answer.status.ok()) return std::unexpected(std::move(answer.status));
  return std::move(answer.body);
}

Status HedgeStore::GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                            char* out) {
  const bool sound = range.begin < range.end && range.size() <= kHedgedBytesMax;
  const RacePtr race =
      !sound ? nullptr
             : BeginRace(ctx, range.size(), range.size(), [key, range, version_id](ObjectStore& store, OpContext& own) {
                 Answer answer;
                 answer.bytes = std::make_unique_for_overwrite<char[]>(range.size());
                 answer.byte_count = range.size();
                 answer.status = store.GetRange(own, key, range, version_id, answer.bytes.get());
                 return answer;
               });
  if (race == nullptr) {
    const MonotonicTime start = clock_.Now();
    Status status = base_->GetRange(ctx, key, range, version_id, out);
    if (sound) Learn(status, range.size(), start, Duration::max());
    return status;
  }
  const Answer answer = AwaitWinner(ctx, race);
  if (answer.status.ok()) std::memcpy(out, answer.bytes.get(), range.size());
  return answer.status;
}

}  // namespace akidb
