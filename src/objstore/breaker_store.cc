#include "objstore/breaker_store.h"

#include <algorithm>

#include "base/check.h"
#include "objstore/kept_bytes.h"

namespace akidb {
namespace {

Status StatusOf(const Status& status) { return status; }
template <class T>
Status StatusOf(const Result<T>& result) {
  return result ? OkStatus() : result.error();
}

}  // namespace

std::string_view BreakerStateName(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed: return "closed";
    case BreakerState::kOpen: return "open";
    case BreakerState::kHalfOpen: return "half_open";
  }
  return "unknown";
}

BreakerStore::BreakerStore(std::unique_ptr<ObjectStore> base, const BreakerPolicy& policy, Clock& clock, Random& random)
    : base_(std::move(base)), policy_(policy), clock_(clock), random_(random), open_for_(policy.open_first) {
  AKI_CHECK(policy_.probes > 0 && policy_.window >= Duration(kParts) && policy_.open_first >= Duration(2));
}

BreakerSnapshot BreakerStore::Snapshot() const {
  const MutexLock lock(mutex_);
  BreakerSnapshot snapshot{.state = state_, .retry_after = {}, .opened = opened_, .refused = refused_};
  if (state_ == BreakerState::kOpen) {
    snapshot.retry_after = std::max(Duration(0), open_until_ - clock_.Now());
    // The next call will find it so; the metric does not wait for one.
    if (snapshot.retry_after == Duration(0)) snapshot.state = BreakerState::kHalfOpen;
  }
  return snapshot;
}

void BreakerStore::BeginTerm(BreakerState state) {
  state_ = state;
  ++term_;
  window_.fill({});
  probing_ = 0;
  probes_succeeded_ = 0;
}

void BreakerStore::Open() {
  BeginTerm(BreakerState::kOpen);
  ++opened_;
  const Duration half = open_for_ / 2;
  open_until_ = clock_.Now() + half + Duration(random_.Below(static_cast<uint64_t>((open_for_ - half).count()) + 1));
  open_for_ = std::min(open_for_ * 2, std::max(policy_.open_max, policy_.open_first));
}

Result<uint64_t> BreakerStore::Enter() {
  const MutexLock lock(mutex_);
  if (state_ == BreakerState::kClosed) return term_;
  if (state_ == BreakerState::kOpen) {
    const Duration left = open_until_ - clock_.Now();
    if (left > Duration(0)) {
      ++refused_;
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      return std::unexpected(Unavailable("the object store failed too often; next try in " + std::to_string(ms) + " ms")
                                 .WithReason("circuit_open"));
    }
    BeginTerm(BreakerState::kHalfOpen);
  }
  if (probing_ + probes_succeeded_ >= policy_.probes) {
    ++refused_;
    return std::unexpected(
        Unavailable("the object store failed too often; others are finding out whether it is back just now")
            .WithReason("circuit_open"));
  }
  ++probing_;
  return term_;
}

void BreakerStore::Leave(uint64_t term, Answer answer) {
  const MutexLock lock(mutex_);
  if (term != term_) return;
  if (state_ == BreakerState::kClosed) {
    if (answer != Answer::kSaysNothing) CountInWindow(answer == Answer::kFailure);
    return;
  }
  --probing_;
  if (answer == Answer::kFailure) {
    Open();
  } else if (answer == Answer::kSuccess && ++probes_succeeded_ >= policy_.probes) {
    open_for_ = policy_.open_first;
    BeginTerm(BreakerState::kClosed);
  }
}

void BreakerStore::CountInWindow(bool failed) {
  const int64_t number = clock_.Now().time_since_epoch() / (policy_.window / kParts);
  Part& part = window_[static_cast<size_t>(number) % kParts];
  if (part.number != number) part = {.number = number, .calls = 0, .failures = 0};
  ++part.calls;
  part.failures += failed ? 1 : 0;
  if (!failed) return;
  uint64_t calls = 0;
  uint64_t failures = 0;
  for (const Part& each : window_) {
    if (each.number <= number - static_cast<int64_t>(kParts)) continue;
    calls += each.calls;
    failures += each.failures;
  }
  const bool opens = calls >= policy_.calls_min &&
                     static_cast<double>(failures) >= policy_.failures_share * static_cast<double>(calls);
  if (opens) Open();
}

BreakerStore::Answer BreakerStore::Judge(const Status& status, Duration took) const {
  switch (status.code()) {
    case StatusCode::kUnavailable: return Answer::kFailure;
    case StatusCode::kDeadlineExceeded: return took >= policy_.deadline_min ? Answer::kFailure : Answer::kSaysNothing;
    case StatusCode::kCancelled:
    case StatusCode::kInvalidArgument: return Answer::kSaysNothing;  // was perhaps never sent
    default: return Answer::kSuccess;
  }
}

template <class Call>
auto BreakerStore::Guarded(const Call& call) -> decltype(call()) {
  AKI_ASSIGN_OR_RETURN(const uint64_t term, Enter());
  const MonotonicTime start = clock_.Now();
  // A call that throws (a simulated crash does) must not stay a probe for ever.
  struct Ending {
    BreakerStore& store;
    uint64_t term;
    Answer answer = Answer::kSaysNothing;
    ~Ending() { store.Leave(term, answer); }
  } ending{*this, term};
  auto result = call();
  ending.answer = Judge(StatusOf(result), clock_.Now() - start);
  return result;
}

class BreakerStore::Writer final : public ObjectWriter, public KeptBytesWriter {
 public:
  Writer(BreakerStore& store, std::unique_ptr<ObjectWriter> base) : store_(store), base_(std::move(base)) {}

  Status Append(OpContext& ctx, std::string_view bytes) override {
    return store_.Guarded([&] { return base_->Append(ctx, bytes); });
  }
  Status AppendKept(OpContext& ctx, const KeptBytes& kept) override {
    return store_.Guarded([&] { return akidb::AppendKept(ctx, *base_, kept); });
  }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    return store_.Guarded([&] { return base_->Commit(ctx, condition); });
  }

 private:
  BreakerStore& store_;
  const std::unique_ptr<ObjectWriter> base_;
};

Result<ObjectBody> BreakerStore::Get(OpContext& ctx, const std::string& key, uint64_t size_max) {
  return Guarded([&] { return base_->Get(ctx, key, size_max); });
}

Status BreakerStore::GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                              char* out) {
  return Guarded([&] { return base_->GetRange(ctx, key, range, version_id, out); });
}

Result<ObjectMeta> BreakerStore::Head(OpContext& ctx, const std::string& key) {
  return Guarded([&] { return base_->Head(ctx, key); });
}

Result<ObjectMeta> BreakerStore::Put(OpContext& ctx, const std::string& key, std::string_view body,
                                     const PutCondition& condition) {
  return Guarded([&] { return base_->Put(ctx, key, body, condition); });
}

Result<std::unique_ptr<ObjectWriter>> BreakerStore::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer, Guarded([&] { return base_->OpenWriter(ctx, key); }));
  return std::make_unique<Writer>(*this, std::move(writer));
}

Result<ListPage> BreakerStore::List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                                    uint32_t keys_max) {
  return Guarded([&] { return base_->List(ctx, prefix, start_after, keys_max); });
}

Status BreakerStore::Delete(OpContext& ctx, const std::string& key) {
  return Guarded([&] { return base_->Delete(ctx, key); });
}

Status BreakerStore::DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) {
  return Guarded([&] { return base_->DeleteVersion(ctx, key, version_id); });
}

}  // namespace akidb
