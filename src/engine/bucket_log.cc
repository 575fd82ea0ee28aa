#include "engine/bucket_log.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/log.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

// More than this goes into the next object, unless a single record is larger.
constexpr uint64_t kObjectBytes = 16ull << 20;
// A group is given up whole when all of it was published, so it is small.
constexpr uint64_t kGroupBytes = 256ull << 10;
// Between two tries while the store does not answer.
constexpr Duration kRetryPause = std::chrono::milliseconds(100);
// How long one try may take before the waiters' deadlines are looked at again.
constexpr Duration kTryTimeout = std::chrono::seconds(5);
constexpr uint32_t kListKeys = 1000;

// A stream's objects are numbered as versions are.
ManifestVersion Link(WalSequence sequence) { return ManifestVersion(sequence.value()); }

VersionChain StreamChain(ObjectStore& store, CollectionId collection, Epoch epoch) {
  // The name is in the object, so whole and well-formed says little without it: readers check it again.
  return VersionChain(
      store, WalPrefix(collection, epoch),
      [=](ManifestVersion sequence) { return WalObjectKey(collection, epoch, WalSequence(sequence.value())); },
      [=](std::string_view bytes) { return internal::ToStatus(DecodeWalObject(bytes, collection, epoch)); },
      kWalObjectBytesMax);
}

class SendTask final : public Task {
 public:
  explicit SendTask(std::weak_ptr<BucketLog> log) : log_(std::move(log)) {}
  std::string_view name() const override { return "log"; }
  NextStep Step(OpContext& ctx) override {
    const auto log = log_.lock();
    if (!log || log->fenced()) return NextStep::Done();
    const auto more = log->SendStep(ctx);
    if (!more) return NextStep::After(kRetryPause);
    return *more ? NextStep::Now() : NextStep::OnWake();
  }

 private:
  std::weak_ptr<BucketLog> log_;
};

}  // namespace

BucketLog::BucketLog(const Environment& env, std::shared_ptr<ObjectStore> store, CollectionId collection, Epoch epoch,
                     Lsn newest)
    : env_(env),
      store_(std::move(store)),
      collection_(collection),
      epoch_(epoch),
      durable_(newest.value()),
      chain_(StreamChain(*store_, collection, epoch)),
      next_(newest.Next()) {
  PutUnderWay({{}, Lsn(0), newest, 0});
}

BucketLog::~BucketLog() {
  LsnWaiters::Finished finished;
  waiters_.TakeAll(Unavailable("this node stopped writing before the store confirmed the write").WithEffectUnknown(),
                   &finished);
  LsnWaiters::RunAll(std::move(finished));
}

std::shared_ptr<BucketLog> BucketLog::New(const Environment& env, std::shared_ptr<ObjectStore> store,
                                          CollectionId collection, Epoch epoch, Lsn newest) {
  return std::shared_ptr<BucketLog>(new BucketLog(env, std::move(store), collection, epoch, newest));
}

Status BucketLog::Begin(OpContext& ctx) {
  AKI_RETURN_IF_ERROR(SendStep(ctx));
  if (fenced()) return NotTheWriter();
  task_ = env_.executor->Add(std::make_shared<SendTask>(weak_from_this()));
  return OkStatus();
}

Status BucketLog::NotTheWriter() const {
  return Unavailable("another node took over the writing of collection " + std::to_string(collection_.value()))
      .WithReason("not_the_writer");
}

Status BucketLog::LostRecord(Lsn lsn) const {
  return lsn <= publishing_ ? NotTheWriter().WithEffectUnknown() : NotTheWriter();
}

Lsn BucketLog::last_lsn() const {
  MutexLock lock(mutex_);
  return Lsn(next_.value() - 1);
}

void BucketLog::PutUnderWay(const Group& group) {
  WalObjectHeader header;
  header.collection = collection_;
  header.epoch = epoch_;
  header.sequence = next_sequence_;
  header.durable_sequence = WalSequence(next_sequence_.value() - 1);
  header.attempt = env_.random->Next();
  header.first_lsn = group.first;
  header.record_count = group.count;
  under_way_ = Object{next_sequence_, group.last};
  under_way_bytes_ = EncodeWalObject(header, group.payload);
  next_sequence_ = next_sequence_.Next();
}

Result<Lsn> BucketLog::Append(OpContext& ctx, WalRecordType type, std::string_view body) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  MutexLock lock(mutex_);
  if (fenced()) return std::unexpected(NotTheWriter());
  if (WalRecordBytes(body.size()) > kWalObjectBytesMax - kWalObjectHeaderBytes) {
    return std::unexpected(ResourceExhausted("a write of " + std::to_string(body.size()) +
                                             " bytes does not fit into one log object of " +
                                             std::to_string(kWalObjectBytesMax) + " bytes")
                               .WithRetry(Retry::kNever)
                               .WithReason("write_too_large"));
  }
  const Lsn lsn = next_;
  if (groups_.empty() || groups_.back().payload.size() + body.size() > kGroupBytes)
    groups_.push_back({{}, lsn, lsn, 0});
  Group& group = groups_.back();
  AppendWalRecord({collection_, epoch_, lsn, type, body}, &group.payload);
  group.last = lsn;
  ++group.count;
  next_ = next_.Next();
  return lsn;
}

void BucketLog::NotifyDurable(OpContext& ctx, Lsn lsn, Done done) {
  Status verdict;
  {
    MutexLock lock(mutex_);
    if (lsn > durable_lsn() && !fenced()) {
      asked_ = std::max(asked_, lsn);
      waiters_.Add(lsn, ctx.deadline(), std::move(done));
      env_.executor->Wake(task_);
      return;
    }
    if (lsn > durable_lsn()) verdict = LostRecord(lsn);
  }
  done(verdict);
}

Status BucketLog::WaitDurable(OpContext& ctx, Lsn lsn) {
  while (true) {
    {
      MutexLock lock(mutex_);
      if (lsn <= durable_lsn()) return OkStatus();
      if (fenced()) return LostRecord(lsn);
      asked_ = std::max(asked_, lsn);
      if (Status alive = ctx.Check(); !alive.ok()) return std::move(alive).WithEffectUnknown();
      if (sending_) {
        // Bounded, because the thread that sends may be given up on: another then goes on.
        sent_.WaitFor(mutex_, std::min<Duration>(kTryTimeout, ctx.deadline() - ctx.clock().Now()));
        continue;
      }
    }
    // What was appended stays, and is sent again, whatever became of this try.
    if (auto sent = SendStep(ctx); !sent) return std::move(sent).error().WithEffectUnknown();
  }
}

Status BucketLog::PrepareToPublish(OpContext& ctx, Lsn lsn) {
  Lsn asked;
  {
    MutexLock lock(mutex_);
    if (fenced()) return LostRecord(lsn);
    publishing_ = std::max(publishing_, lsn);
    asked = std::min(asked_, lsn);
  }
  return WaitDurable(ctx, asked);
}

void BucketLog::NotePublished(Lsn lsn) {
  LsnWaiters::Finished finished;
  {
    MutexLock lock(mutex_);
    // What begins below and ends above stays whole: replay skips what a segment has.
    while (!groups_.empty() && groups_.front().last <= lsn) groups_.pop_front();
    durable_.store(std::max(durable_.load(), lsn.value()), std::memory_order_release);
    waiters_.TakeUpTo(durable_lsn(), &finished);
    sent_.NotifyAll();
  }
  LsnWaiters::RunAll(std::move(finished));
}

void BucketLog::AdvanceLsn(Lsn lsn) {
  MutexLock lock(mutex_);
  if (lsn >= next_) next_ = lsn.Next();
}

WalSequence BucketLog::SequenceAt(Lsn lsn) const {
  MutexLock lock(mutex_);
  WalSequence sequence = trimmed_;
  for (const Object& object : objects_) {
    if (object.last_lsn > lsn) break;
    sequence = object.sequence;
  }
  return sequence;
}

Status BucketLog::TrimTo(OpContext& ctx, WalSequence sequence) {
  while (true) {
    Object oldest;
    {
      MutexLock lock(mutex_);
      if (objects_.empty() || objects_.front().sequence > sequence) return OkStatus();
      oldest = objects_.front();
    }
    // One after the other from below: a reader that meets a hole below an object that exists knows that it is one.
    AKI_RETURN_IF_ERROR(store_->Delete(ctx, WalObjectKey(collection_, epoch_, oldest.sequence)));
    MutexLock lock(mutex_);
    if (!objects_.empty() && objects_.front().sequence == oldest.sequence) objects_.pop_front();
    trimmed_ = std::max(trimmed_, oldest.sequence);
  }
}

bool BucketLog::SomethingToSend() const { return under_way_ || (!groups_.empty() && groups_.front().first <= asked_); }

bool BucketLog::BeginSend() {
  if (under_way_) return true;
  if (!SomethingToSend()) return false;
  // All that waits goes along, whether or not it was asked for.
  Group all = std::move(groups_.front());
  groups_.pop_front();
  while (!groups_.empty() && all.payload.size() + groups_.front().payload.size() <= kObjectBytes) {
    all.payload += groups_.front().payload;
    all.last = groups_.front().last;
    all.count += groups_.front().count;
    groups_.pop_front();
  }
  PutUnderWay(all);
  return true;
}

void BucketLog::EndSend(const Result<Verdict>& verdict, LsnWaiters::Finished* finished) {
  sending_ = false;
  sent_.NotifyAll();
  failing_ = !verdict;
  if (!verdict) {
    return waiters_.TakeExpired(
        env_.clock->Now(), Unavailable("the store did not confirm the write in time").WithEffectUnknown(), finished);
  }
  if (*verdict == Verdict::kLost) {
    fenced_.store(true, std::memory_order_release);
    groups_.clear();
    under_way_.reset();
    under_way_bytes_.clear();
    return waiters_.TakeAll(LostRecord(durable_lsn().Next()), finished);
  }
  objects_.push_back(*under_way_);
  durable_.store(std::max(durable_.load(), under_way_->last_lsn.value()), std::memory_order_release);
  under_way_.reset();
  under_way_bytes_.clear();
  waiters_.TakeUpTo(durable_lsn(), finished);
}

Result<bool> BucketLog::SendStep(OpContext& ctx) {
  ManifestVersion sequence;
  std::string bytes;
  {
    MutexLock lock(mutex_);
    if (fenced() || sending_ || !BeginSend()) return false;
    sending_ = true;
    sequence = Link(under_way_->sequence);
    if (!chain_.pending()) bytes = under_way_bytes_;
  }
  OpContext attempt(ctx.clock());
  attempt.set_priority(Priority::kWrite);
  attempt.set_deadline(std::min(ctx.deadline(), ctx.clock().Now() + kTryTimeout));
  const Result<Verdict> verdict =
      chain_.pending() ? chain_.Resolve(attempt) : chain_.Create(attempt, sequence, std::move(bytes));
  LsnWaiters::Finished finished;
  bool more = false;
  bool newly_failing = false;
  {
    MutexLock lock(mutex_);
    newly_failing = !verdict && !failing_;
    EndSend(verdict, &finished);
    more = SomethingToSend();
  }
  LsnWaiters::RunAll(std::move(finished));
  if (newly_failing) {
    Log(LogLevel::kWarn, "a log object is not confirmed",
        {{"collection", collection_.value()}, {"sequence", sequence.value()}, {"error", verdict.error().ToString()}});
  }
  if (!verdict) return std::unexpected(verdict.error());
  return more && !fenced();
}

Status CheckNothingMissing(CollectionId collection, Lsn newest, Lsn first) {
  if (first <= newest.Next()) return OkStatus();
  return Unavailable("collection " + std::to_string(collection.value()) + " has log records from LSN " +
                     std::to_string(first.value()) + " on, but what is before them ends with LSN " +
                     std::to_string(newest.value()) + ": the store does not show a manifest that it had");
}

Result<FencedStream> FenceStream(OpContext& ctx, const Environment& env, ObjectStore& store, CollectionId collection,
                                 Epoch epoch, WalSequence after) {
  WalSequence highest = after;
  // What a listing shows exists; what it does not show may exist too, and creating the fence decides about that.
  for (std::string last = WalObjectKey(collection, epoch, after);;) {
    AKI_ASSIGN_OR_RETURN(const ListPage page, store.List(ctx, WalPrefix(collection, epoch), last, kListKeys));
    for (const ObjectMeta& object : page.objects) {
      const auto name = ParseWalObjectKey(collection, object.key);
      if (name && name->epoch == epoch) highest = std::max(highest, name->sequence);
    }
    if (!page.truncated || page.objects.empty()) break;
    last = page.objects.back().key;
  }
  VersionChain chain = StreamChain(store, collection, epoch);
  FencedStream stream;
  stream.epoch = epoch;
  for (WalSequence sequence = after.Next();; sequence = sequence.Next()) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    if (sequence > highest) {
      WalObjectHeader fence;
      fence.kind = WalObjectKind::kFence;
      fence.collection = collection;
      fence.epoch = epoch;
      fence.sequence = sequence;
      fence.durable_sequence = WalSequence(sequence.value() - 1);
      fence.attempt = env.random->Next();
      AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain.Create(ctx, Link(sequence), EncodeWalObject(fence, {})));
      if (verdict == Verdict::kWon) {
        stream.fence = sequence;
        break;
      }
    }
    AKI_ASSIGN_OR_RETURN(std::string bytes, chain.Read(ctx, Link(sequence)));
    AKI_ASSIGN_OR_RETURN(const WalObject object, DecodeWalObject(bytes, collection, epoch, sequence));
    if (object.header.kind == WalObjectKind::kFence) {
      stream.fence = sequence;
      return stream;
    }
    // A store that forgot objects above this one must not let the fence in below what was acknowledged.
    highest = std::max(highest, object.header.durable_sequence);
    stream.objects.push_back(std::move(bytes));
  }
  // One object of a stream is sent at a time, so something above the fence means that the store lost what was below.
  const std::string above = WalObjectKey(collection, epoch, stream.fence.Next());
  if (store.Head(ctx, above)) {
    return std::unexpected(Unavailable("the store lost log objects of collection " +
                                       std::to_string(collection.value()) + ": " + above +
                                       " exists, but not the one before it"));
  }
  return stream;
}

}  // namespace akidb
