#include "wal/wal.h"

#include <algorithm>
#include <utility>

#include "wal/wal_impl.h"

namespace akidb {
namespace {

// A group that has grown to this takes no more records: larger ones would not be faster, only later.
constexpr uint64_t kGroupBytesTarget = 8 << 20;
constexpr size_t kFreeBuffersMax = 2;

Status Validate(const WalOptions& options) {
  const std::string bytes = std::to_string(options.file_bytes);
  if (options.file_bytes < kWalFileBytesMin || options.file_bytes > kWalFileBytesMax ||
      options.file_bytes % kWalBlockBytes != 0) {
    return InvalidArgument("wal file_bytes is " + bytes + ", must be a multiple of " + std::to_string(kWalBlockBytes) +
                           " from " + std::to_string(kWalFileBytesMin) + " to " + std::to_string(kWalFileBytesMax));
  }
  // One that can be trimmed and one that is written.
  if (options.wal_bytes_max < 2 * options.file_bytes) {
    return InvalidArgument("wal_bytes_max is " + std::to_string(options.wal_bytes_max) +
                           ", must be at least twice the file_bytes of " + bytes);
  }
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<Wal>> Wal::Open(OpContext& ctx, const Environment& env, const WalOptions& options,
                                       const ReplayVisitor& visit) {
  AKI_RETURN_IF_ERROR(Validate(options));
  auto wal = std::make_unique<WalImpl>(env, options);
  AKI_RETURN_IF_ERROR(wal->Recover(visit, ctx));
  return wal;
}

WalImpl::WalImpl(const Environment& env, const WalOptions& options)
    : options_(options), dir_(env, options.dir), spares_(dir_, options.file_bytes, options.spare_files_max) {}

Result<Lsn> WalImpl::Append(OpContext& ctx, CollectionId collection, Epoch epoch, WalRecordType type,
                            std::string_view body) {
  const uint64_t room = options_.file_bytes - kWalBlockBytes;
  if (body.size() > room || WalGroupBytes(WalRecordBytes(body.size())) > room) {
    return std::unexpected(InvalidArgument("log record of " + std::to_string(body.size()) +
                                           " bytes does not fit into a log file of " +
                                           std::to_string(options_.file_bytes) + " bytes")
                               .WithReason("record_too_large"));
  }
  const uint64_t record_bytes = WalRecordBytes(body.size());
  while (true) {
    {
      MutexLock lock(mutex_);
      AKI_ASSIGN_OR_RETURN(const bool reserved, ReserveLocked(record_bytes));
      if (reserved) {
        WalGroup& group = pending_.back();
        const Lsn lsn = next_;
        next_ = lsn.Next();
        if (group.record_count == 0) group.first_lsn = lsn;
        group.last_lsn = lsn;
        ++group.record_count;
        AppendWalRecord({.collection = collection, .epoch = epoch, .lsn = lsn, .type = type, .body = body},
                        &group.bytes);
        ++stats_.records_appended;
        stats_.bytes_appended += body.size();
        return lsn;
      }
    }
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_RETURN_IF_ERROR(spares_.PrepareNow());
  }
}

Result<bool> WalImpl::ReserveLocked(uint64_t record_bytes) {
  const uint64_t file_bytes = tail_->file->size_bytes();
  if (!pending_.empty()) {
    WalGroup& open = pending_.back();
    if (open.bytes.size() < kGroupBytesTarget && open.EndWith(record_bytes) <= file_bytes) {
      open.bytes.reserve(open.bytes.size() + record_bytes);
      return true;
    }
  }
  if (TailOffsetLocked() + WalGroupBytes(record_bytes) > file_bytes) {
    AKI_ASSIGN_OR_RETURN(const bool rotated, RotateLocked());
    if (!rotated) return false;
  }
  WalGroup group;
  group.target = tail_;
  group.offset = TailOffsetLocked();
  if (!free_buffers_.empty()) {
    group.bytes = std::move(free_buffers_.back());
    free_buffers_.pop_back();
  }
  // All memory is taken before anything is promised: from here on an append cannot fail half-way.
  group.bytes.reserve(kWalGroupHeaderBytes + record_bytes);
  group.bytes.assign(kWalGroupHeaderBytes, '\0');
  pending_.push_back(std::move(group));
  return true;
}

Result<bool> WalImpl::RotateLocked() {
  if (stats_.live_bytes + options_.file_bytes > options_.wal_bytes_max) {
    return std::unexpected(ResourceExhausted("the log holds " + std::to_string(stats_.live_bytes) +
                                             " bytes that are not in the store yet; wal_bytes_max is " +
                                             std::to_string(options_.wal_bytes_max))
                               .WithReason("wal_full"));
  }
  std::unique_ptr<WalFile> file = spares_.TryTake();
  if (!file) return false;
  stats_.live_bytes += file->size_bytes();
  tail_ = std::make_shared<WalTarget>(WalTarget{.sequence = next_sequence_++, .file = std::move(file)});
  tail_offset_ = kWalBlockBytes;
  return true;
}

uint64_t WalImpl::TailOffsetLocked() const {
  return pending_.empty() || pending_.back().target != tail_ ? tail_offset_ : pending_.back().EndWith(0);
}

bool WalImpl::CommitStep(OpContext& /*ctx*/) {
  std::optional<WalGroup> group = BeginCommit();
  if (!group) return false;
  writer_->Write(*group);
  Callbacks callbacks;
  const bool again = FinishCommit(*std::move(group), &callbacks);
  for (auto& done : callbacks) done();
  return again;
}

std::optional<WalGroup> WalImpl::BeginCommit() {
  MutexLock lock(mutex_);
  if (committing_ || pending_.empty()) return std::nullopt;
  committing_ = true;
  WalGroup group = std::move(pending_.front());
  pending_.pop_front();
  if (group.target == tail_) tail_offset_ = std::max(tail_offset_, group.EndWith(0));
  return group;
}

bool WalImpl::FinishCommit(WalGroup group, Callbacks* callbacks) {
  MutexLock lock(mutex_);
  committing_ = false;
  if (files_.back().sequence != group.target->sequence) {
    files_.push_back({.sequence = group.target->sequence, .size_bytes = group.target->file->size_bytes()});
  }
  files_.back().last_lsn = group.last_lsn;
  ++stats_.groups_synced;
  if (group.bytes.capacity() <= 2 * kGroupBytesTarget && free_buffers_.size() < kFreeBuffersMax) {
    free_buffers_.push_back(std::move(group.bytes));
  }
  PublishLocked(callbacks);
  return MustCommitLocked();
}

void WalImpl::PublishLocked(Callbacks* callbacks) {
  if (committing_) return;
  const Lsn end = pending_.empty() ? next_ : pending_.front().first_lsn;
  const Lsn durable(end.value() - 1);
  durable_.store(durable.value(), std::memory_order_release);
  const auto reached = callbacks_.upper_bound(durable);
  for (auto it = callbacks_.begin(); it != reached; ++it) callbacks->push_back(std::move(it->second));
  callbacks_.erase(callbacks_.begin(), reached);
  std::erase_if(waiters_, [durable](Waiter* waiter) {
    if (waiter->lsn > durable) return false;
    waiter->cv.NotifyOne();
    return true;
  });
}

bool WalImpl::MustCommitLocked() {
  if (committing_ || pending_.empty()) return false;
  if (waiters_.empty()) return true;
  waiters_.front()->cv.NotifyOne();
  return false;
}

void WalImpl::NotifyDurable(Lsn lsn, std::move_only_function<void()> done) {
  {
    MutexLock lock(mutex_);
    if (lsn > durable_lsn()) {
      callbacks_.emplace(lsn, std::move(done));
      return;
    }
  }
  done();
}

Status WalImpl::WaitDurable(OpContext& ctx, Lsn lsn) {
  Status status;
  bool again = false;
  while (again || (status.ok() && lsn > durable_lsn())) {
    {
      MutexLock lock(mutex_);
      if (lsn >= next_) return FailedPrecondition("LSN " + std::to_string(lsn.value()) + " was not handed out yet");
      if (!again && lsn > durable_lsn() && (committing_ || pending_.empty())) {
        status = SleepLocked(ctx, lsn);
        // Who gives up may be the one that was woken to commit.
        again = !status.ok() && MustCommitLocked();
        continue;
      }
    }
    again = CommitStep(ctx);
  }
  return status;
}

Status WalImpl::SleepLocked(OpContext& ctx, Lsn lsn) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  Waiter self(lsn);
  waiters_.push_back(&self);
  if (ctx.deadline() == MonotonicTime::max()) {
    self.cv.Wait(mutex_);
  } else {
    self.cv.WaitFor(mutex_, ctx.deadline() - ctx.clock().Now());
  }
  std::erase(waiters_, &self);
  return lsn > durable_lsn() ? ctx.Check() : OkStatus();
}

void WalImpl::AdvanceLsn(Lsn lsn) {
  Callbacks callbacks;
  {
    MutexLock lock(mutex_);
    if (lsn < next_ || lsn == Lsn::Max()) return;
    next_ = lsn.Next();
    PublishLocked(&callbacks);
  }
  for (auto& done : callbacks) done();
}

Status WalImpl::TrimTo(OpContext& ctx, Lsn lsn) {
  MutexLock trim(trim_mutex_);
  while (true) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    LiveFile oldest;
    {
      MutexLock lock(mutex_);
      if (files_.size() == 1 || files_.front().last_lsn > lsn) return OkStatus();
      oldest = files_.front();
    }
    // One at a time, each synced: after a crash the log misses a head, never a middle.
    AKI_ASSIGN_OR_RETURN(auto file, WalFile::Open(dir_, WalName(oldest.sequence, kWalSuffix)));
    AKI_RETURN_IF_ERROR(spares_.Recycle(std::move(file)));
    MutexLock lock(mutex_);
    files_.pop_front();
    stats_.live_bytes -= oldest.size_bytes;
  }
}

Result<bool> WalImpl::PrepareStep(OpContext& ctx) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  return spares_.PrepareStep();
}

WalStats WalImpl::stats() const {
  MutexLock lock(mutex_);
  WalStats out = stats_;
  out.files = files_.size();
  out.durable = durable_lsn();
  out.next = next_;
  return out;
}

}  // namespace akidb
