// Publishing what is only in the log: seal, upload, and one manifest commit for segment, deletes and watermark.
#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/deletion_vector.h"
#include "format/object_keys.h"
#include "segment/kept_segment.h"

namespace akidb {
namespace {

constexpr int kIdRandomDigits = 16;

// The live rows of sealed groups, in order of id.
template <class Origin>
class GrowingSource final : public SegmentSource {
 public:
  GrowingSource(const std::vector<GrowingReader>& groups, const std::vector<Origin>& origins,
                const CollectionSpec& spec)
      : groups_(groups), origins_(origins), vector_bytes_(spec.dim * ElementBytes(spec.vector_type)) {
    for (const Origin& origin : origins) lsn_max_ = std::max(lsn_max_, groups[origin.group].At(origin.row).inserted_at);
  }
  uint32_t row_count() const override { return static_cast<uint32_t>(origins_.size()); }
  Result<std::string_view> Id(OpContext&, RowIndex row) override { return At(row).id; }
  Result<std::string_view> Vector(OpContext&, RowIndex row) override {
    return std::string_view(reinterpret_cast<const char*>(At(row).vector), vector_bytes_);
  }
  float Scale(RowIndex row) override { return At(row).scale; }
  float InverseNorm(RowIndex row) override { return At(row).inv_norm; }
  Result<std::string_view> Payload(OpContext&, RowIndex row) override { return At(row).payload; }
  Lsn lsn_max() const override { return lsn_max_; }

 private:
  GrowingReader::Row At(RowIndex row) const { return groups_[origins_[row].group].At(origins_[row].row); }
  const std::vector<GrowingReader>& groups_;
  const std::vector<Origin>& origins_;
  size_t vector_bytes_;
  Lsn lsn_max_;
};

// The rows that live at `lsn`, in order of id. With what each is ordered by beside its place, which is looked at twenty
// times: the first bytes as a number, and the id where those are equal.
template <class Origin>
std::vector<Origin> LiveInOrderOfId(const std::vector<GrowingReader>& groups, Lsn lsn) {
  struct Place {
    uint64_t first_bytes;
    std::string_view id;
    Origin origin;
    bool operator<(const Place& other) const {
      return first_bytes != other.first_bytes ? first_bytes < other.first_bytes : id < other.id;
    }
  };
  std::vector<Place> sorted;
  size_t rows = 0;
  for (const GrowingReader& group : groups) rows += group.row_count();
  sorted.reserve(rows);
  for (uint32_t group = 0; group < groups.size(); ++group) {
    for (RowIndex row = 0; row < groups[group].row_count(); ++row) {
      const GrowingReader::Row at = groups[group].At(row);
      if (at.deleted_at <= lsn) continue;
      uint64_t first_bytes = 0;
      std::memcpy(&first_bytes, at.id.data(), std::min(at.id.size(), sizeof(first_bytes)));
      sorted.push_back({std::byteswap(first_bytes), at.id, {group, row}});
    }
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<Origin> origins(sorted.size());
  std::ranges::transform(sorted, origins.begin(), &Place::origin);
  return origins;
}

// Of all rows, or none.
std::vector<float> KnownInverseNorms(SegmentSource& source) {
  std::vector<float> norms;
  if (source.InverseNorm(0) == 0) return norms;
  norms.resize(source.row_count());
  for (RowIndex row = 0; row < source.row_count(); ++row) norms[row] = source.InverseNorm(row);
  return norms;
}

}  // namespace

std::string CollectionImpl::MintId(ManifestVersion start) {
  return MintObjectId(start, deps_.env.random->Hex(kIdRandomDigits));
}

Result<CollectionImpl::NewSegment> CollectionImpl::WriteNewSegment(OpContext& ctx, ManifestVersion start,
                                                                   SegmentSource& source) {
  const CollectionSpec current = spec();
  SegmentOptions options;
  options.dim = current.dim;
  options.type = current.vector_type;
  options.distance = current.distance;
  options.kept_bytes_max = WrittenBytes::kBytesMax;
  const std::string id = MintId(start);
  const auto store = std::make_shared<WrittenBytes>(deps_.store);
  const std::string key = SegmentKey(id_, id);
  SegmentUnit::Shared opened;
  const auto open = [&](const SegmentEntry& entry, const std::shared_ptr<const HugeArena>& kept) -> Status {
    if (!store->remembers()) return OkStatus();
    AKI_ASSIGN_OR_RETURN(opened.reader,
                         OpenKeptSegment(ctx, store, key, entry, deps_.payload_cache, kept, KnownInverseNorms(source)));
    opened.index = std::make_shared<IndexSlot>();
    store->Forget();
    return OkStatus();
  };
  AKI_ASSIGN_OR_RETURN(SegmentEntry entry, WriteSegment(ctx, *store, key, id, options, source, open));
  auto unit = std::make_shared<SegmentUnit>(
      entry,
      [this, entry, store, opened](OpContext& open_ctx) -> Result<SegmentUnit::Opened> {
        if (opened.reader) return SegmentUnit::Opened{opened, {}};
        return OpenSegment(open_ctx, entry, store);
      },
      deps_.env.clock->Now());
  // Before anything names it: a segment that cannot be opened is never published.
  AKI_RETURN_IF_ERROR(unit->Prepare(ctx));
  return NewSegment{std::move(entry), std::move(unit)};
}

std::optional<MonotonicTime> CollectionImpl::FlushDueAt() {
  MutexLock lock(write_mutex_);
  if (dropped_ || batch_first_lsn_.value() == 0 || superseded()) return std::nullopt;
  const auto current = view();
  if (current->active && current->active->memory_bytes() >= deps_.options.seal_bytes) return deps_.env.clock->Now();
  return std::min(batch_since_ + deps_.options.seal_age, CommitDueAt());
}

bool CollectionImpl::FlushDue(FlushTrigger trigger) {
  const auto due = FlushDueAt();
  if (!due) return false;
  return trigger == FlushTrigger::kNow || deps_.env.clock->Now() >= *due ||
         deps_.growing_bytes() > deps_.options.limits.unflushed_bytes_max / 2 ||
         (bound_.load(std::memory_order_relaxed) &&
          deps_.at_risk_bytes.load(std::memory_order_relaxed) > deps_.options.limits.at_risk_bytes_max / 2);
}

std::optional<Lsn> CollectionImpl::AllPublished() {
  MutexLock lock(flush_mutex_);
  MutexLock write(write_mutex_);
  if (!flush_jobs_.empty() || batch_first_lsn_.value() != 0) return std::nullopt;
  return Lsn(applied_lsn_.load(std::memory_order_relaxed));
}

bool CollectionImpl::NothingToFlush(Lsn lsn) {
  MutexLock lock(flush_mutex_);
  MutexLock write(write_mutex_);
  if (dropped_) return true;
  const bool sealed = !flush_jobs_.empty() && flush_jobs_.front()->first_lsn <= lsn;
  return !sealed && (batch_first_lsn_.value() == 0 || batch_first_lsn_ > lsn);
}

bool CollectionImpl::flushing() {
  MutexLock lock(flush_mutex_);
  return !flush_jobs_.empty();
}

std::optional<ManifestVersion> CollectionImpl::OldestFlushStart() {
  MutexLock lock(flush_mutex_);
  std::optional<ManifestVersion> oldest;
  for (const auto& job : flush_jobs_) {
    if (job->stage != FlushJob::Stage::kSealed) oldest = oldest ? std::min(*oldest, job->start) : job->start;
  }
  return oldest;
}

bool CollectionImpl::GiveUpDropped() {
  MutexLock lock(flush_mutex_);
  MutexLock write(write_mutex_);
  // Who commits the oldest one takes it away.
  if (dropped_) flush_jobs_.erase(flush_jobs_.begin() + (committing_ ? 1 : 0), flush_jobs_.end());
  return dropped_;
}

bool CollectionImpl::Seal() {
  MutexLock lock(write_mutex_);
  if (dropped_ || batch_first_lsn_.value() == 0) return false;
  auto job = std::make_shared<FlushJob>();
  job->first_lsn = batch_first_lsn_;
  job->watermark = Lsn(applied_lsn_.load(std::memory_order_relaxed));
  batch_first_lsn_ = Lsn(0);
  {
    MutexLock lock_of_waiters(committed_mutex_);
    committed_waiters_.NoteBegun(job->watermark, deps_.env.clock->Now());
  }
  auto next = std::make_shared<View>(*view());
  if (next->active) {
    job->groups.push_back(next->active);
    job->bytes = next->active->memory_bytes();
    next->sealed.push_back(std::move(next->active));
  }
  next->active = nullptr;
  flush_jobs_.push_back(std::move(job));
  MutexLock state(state_mutex_);
  view_ = std::move(next);
  return true;
}

std::shared_ptr<CollectionImpl::FlushJob> CollectionImpl::TakeUpload(FlushTrigger trigger) {
  MutexLock lock(flush_mutex_);
  // A job that failed, or that the collector doomed, comes before newer ones.
  const auto of_stage = [&](FlushJob::Stage stage) AKI_REQUIRES(flush_mutex_) {
    return std::ranges::find(flush_jobs_, stage, [](const auto& job) { return job->stage; });
  };
  auto next = of_stage(FlushJob::Stage::kSealed);
  if (next == flush_jobs_.end()) {
    // One upload at a time: what comes meanwhile goes together.
    if (of_stage(FlushJob::Stage::kUploading) != flush_jobs_.end() || flush_jobs_.size() >= kFlushJobsMax)
      return nullptr;
    if (!epoch_taken_ || (trigger == FlushTrigger::kIfDue && seal_holds_ > 0)) return nullptr;
    if (!FlushDue(trigger) || !Seal()) return nullptr;
    next = std::prev(flush_jobs_.end());
  }
  (*next)->stage = FlushJob::Stage::kUploading;
  (*next)->start = history_.head()->manifest.version;  // at once, so that the collector sees it
  return *next;
}

std::shared_ptr<CollectionImpl::FlushJob> CollectionImpl::TakeCommit() {
  MutexLock lock(flush_mutex_);
  if (committing_ || flush_jobs_.empty() || flush_jobs_.front()->stage != FlushJob::Stage::kUploaded) return nullptr;
  committing_ = true;
  return flush_jobs_.front();
}

Result<bool> CollectionImpl::FlushStep(OpContext& ctx, FlushTrigger trigger, FlushOrder order) {
  if (superseded()) return std::unexpected(NotTheWriter());
  // Nothing is unflushed before the takeover is complete.
  if (!epoch_taken_ || GiveUpDropped()) return false;
  if (order == FlushOrder::kUploadFirst) {
    if (const auto job = TakeUpload(trigger)) return UploadStep(ctx, job.get());
  }
  if (const auto job = TakeCommit()) {
    // What came while it was uploaded can be uploaded while it is committed.
    if (FlushDue(FlushTrigger::kIfDue)) WakeFlush();
    return CommitStep(ctx, job.get());
  }
  if (const auto published = AllPublished()) {
    NoteCommitted(*published);
    return false;
  }
  std::shared_ptr<FlushJob> job;
  if (trigger == FlushTrigger::kNow) {
    // A revert holds the lock, and relies on that nothing is sealed meanwhile.
    MutexLock lock(maintenance_mutex_);
    job = TakeUpload(trigger);
  } else {
    job = TakeUpload(trigger);
  }
  if (!job) return false;
  return UploadStep(ctx, job.get());
}

Result<bool> CollectionImpl::UploadStep(OpContext& ctx, FlushJob* job) {
  Status uploaded = UploadFlush(ctx, job);
  if (!uploaded.ok() && GiveUpDropped()) return false;
  MutexLock lock(flush_mutex_);
  // What an upload that fails leaves behind is the collector's.
  job->left_garbage = job->left_garbage || !uploaded.ok();
  job->stage = uploaded.ok() ? FlushJob::Stage::kUploaded : FlushJob::Stage::kSealed;
  flush_moved_.NotifyAll();
  if (!uploaded.ok()) return std::unexpected(std::move(uploaded));
  // This thread may have more to upload, and another one nothing to do.
  const bool can_commit = !flush_jobs_.empty() && flush_jobs_.front()->stage == FlushJob::Stage::kUploaded;
  if (can_commit && !committing_) WakeFlush();
  return true;
}

Result<bool> CollectionImpl::CommitStep(OpContext& ctx, FlushJob* job) {
  bool doomed = false;
  bool dropped = false;
  Status committed;
  {
    MutexLock lock(maintenance_mutex_);
    committed = superseded() ? NotTheWriter() : SettleMerge(ctx);
    if (committed.ok()) {
      MutexLock write(write_mutex_);
      dropped = dropped_;
    }
    if (committed.ok() && !dropped) committed = CommitFlush(ctx, job, &doomed);
  }
  {
    MutexLock lock(flush_mutex_);
    committing_ = false;
    if (committed.ok()) flush_jobs_.pop_front();
    if (doomed) {
      // Somebody else's commit came between upload and commit: it is uploaded again under new ids, on the head as it is
      // now.
      job->left_garbage = true;
      job->stage = FlushJob::Stage::kSealed;
    }
    flush_moved_.NotifyAll();
  }
  if (!committed.ok() && !doomed) return std::unexpected(std::move(committed));
  if (committed.ok() && !dropped) NoteCommitted(job->watermark);
  return true;
}

Status CollectionImpl::Flush(OpContext& ctx) {
  constexpr Duration kLookAgain = std::chrono::milliseconds(100);
  const Lsn last(applied_lsn_.load(std::memory_order_acquire));
  while (true) {
    if (superseded()) return NotTheWriter();
    if (!epoch_taken_ || NothingToFlush(last)) return OkStatus();
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_ASSIGN_OR_RETURN(const bool more, FlushStep(ctx, FlushTrigger::kNow));
    if (more) continue;
    // Another thread is at it.
    MutexLock lock(flush_mutex_);
    if (!flush_jobs_.empty()) flush_moved_.WaitFor(flush_mutex_, kLookAgain);
  }
}

Result<ObjectRef> CollectionImpl::PutDeletes(OpContext& ctx, const SegmentUnit& unit, const std::vector<RowIndex>& rows,
                                             ManifestVersion start) {
  ObjectRef object;
  object.id = MintId(start);
  const std::string bytes = EncodeDeletionVector(unit.id(), unit.row_count(), rows);
  AKI_ASSIGN_OR_RETURN(const ObjectMeta meta,
                       deps_.store->Put(ctx, DeletesKey(id_, object.id), bytes, PutCondition::IfAbsent()));
  object.sha256 = Sha256Hex(bytes);
  object.version_id = meta.version_id;
  object.size_bytes = bytes.size();
  return object;
}

Status CollectionImpl::WriteDeletes(OpContext& ctx, FlushJob* job) {
  job->deletes.clear();
  const ManifestVersion start = committer_.head()->manifest.version;
  const auto current = view();
  for (const auto& unit : current->segments) {
    const std::vector<RowIndex> rows = unit->marks().RowsDeletedAt(job->watermark);
    if (rows.empty()) continue;
    const auto& segments = committer_.head()->manifest.segments;
    const auto entry = FindSegment(segments, unit->id());
    if (entry == segments.end()) continue;
    if (rows.size() == unit->row_count()) {
      job->deletes.push_back({unit->id(), std::nullopt, unit->row_count()});
      continue;
    }
    if (rows.size() == entry->deleted_count) continue;
    AKI_ASSIGN_OR_RETURN(ObjectRef object, PutDeletes(ctx, *unit, rows, start));
    job->deletes.push_back({unit->id(), std::move(object), static_cast<uint32_t>(rows.size())});
  }
  job->deletes_written = true;
  return OkStatus();
}

Status CollectionImpl::UploadFlush(OpContext& ctx, FlushJob* flush) {
  FlushJob& job = *flush;
  const OpGroup::Member member(until_dropped_, ctx);
  std::vector<GrowingReader> groups;
  for (const auto& group : job.groups) groups.emplace_back(*group);
  job.origins = LiveInOrderOfId<FlushJob::Origin>(groups, job.watermark);

  job.segment.reset();
  job.unit.reset();
  if (!job.origins.empty()) {
    GrowingSource<FlushJob::Origin> source(groups, job.origins, spec());
    AKI_ASSIGN_OR_RETURN(NewSegment written, WriteNewSegment(ctx, job.start, source));
    job.segment = std::move(written.entry);
    job.unit = std::move(written.unit);
  }
  job.deletes_written = false;
  return OkStatus();
}

Status CollectionImpl::CommitFlush(OpContext& ctx, FlushJob* flush, bool* doomed) {
  FlushJob& job = *flush;
  if (!job.deletes_written) AKI_RETURN_IF_ERROR(WriteDeletes(ctx, &job));
  AKI_RETURN_IF_ERROR(log()->PrepareToPublish(ctx, job.watermark));
  const Epoch epoch(epoch_.load());
  const WalSequence sequence = log()->SequenceAt(job.watermark);
  const CollectionSpec current_spec = spec();
  auto committed = committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    // An earlier try may be what the writer of now has read, and what it would have published may be in the log.
    if (Status writer = CheckWriter(*manifest); !writer.ok())
      return std::unexpected(std::move(writer).WithEffectUnknown());
    const auto own = std::ranges::find(manifest->open_epochs, epoch, &EpochEntry::epoch);
    AKI_CHECK(own != manifest->open_epochs.end());
    if (own->watermark >= job.watermark) return ManifestCommitter::Edited::kAlreadyThere;
    if (job.start < manifest->gc_boundary) {
      *doomed = true;
      return std::unexpected(Aborted("the collector's boundary passed the objects of this flush"));
    }
    own->watermark = job.watermark;
    own->sequence = std::max(own->sequence, sequence);
    // Whatever older epochs left in the log was replayed before this process wrote, so the watermark covers it.
    std::erase_if(manifest->open_epochs, [&](const EpochEntry& e) { return e.epoch != epoch; });
    for (const FlushJob::NewDeletes& deletes : job.deletes) {
      const auto entry = FindSegment(manifest->segments, deletes.segment_id);
      if (entry == manifest->segments.end()) {
        *doomed = true;
        return std::unexpected(Aborted("a merge replaced a segment that this flush deletes from"));
      }
      if (!deletes.object) {
        manifest->segments.erase(entry);
        continue;
      }
      entry->deletes = deletes.object;
      entry->deleted_count = deletes.count;
    }
    if (job.segment) manifest->segments.push_back(*job.segment);
    manifest->spec = current_spec;
    return ManifestCommitter::Edited::kChanged;
  });
  if (!committed) return std::move(committed).error();
  const auto head = std::move(*committed);
  history_.NoteHead(head);
  const auto emptied = [&](const auto& unit) {
    return std::ranges::any_of(job.deletes, [&](const auto& d) { return !d.object && d.segment_id == unit->id(); });
  };
  // Before anybody can see a view with these rows in a segment, or without what they replace: that is for readers at or
  // above their LSNs.
  log()->NotePublished(job.watermark);
  bool unsettled = false;
  {
    MutexLock write(write_mutex_);
    auto next = std::make_shared<View>(*view());
    unsettled = std::ranges::any_of(
        next->segments, [&](const auto& unit) { return unit->merged() && !unit->verified() && emptied(unit); });
    next->version = head->manifest.version;
    std::erase_if(next->sealed,
                  [&](const auto& rows) { return std::ranges::find(job.groups, rows) != job.groups.end(); });
    std::erase_if(next->segments, emptied);
    if (const auto& unit = job.unit) {
      std::vector<GrowingReader> groups;
      for (const auto& group : job.groups) groups.emplace_back(*group);
      for (RowIndex row = 0; row < unit->row_count(); ++row) {
        const FlushJob::Origin& origin = job.origins[row];
        const Lsn deleted_at = groups[origin.group].At(origin.row).deleted_at;
        if (deleted_at != Lsn::Max()) unit->marks().Mark(row, deleted_at);
      }
      next->segments.push_back(unit);
    }
    own_unflushed_bytes_.fetch_sub(dropped_ ? 0 : job.bytes, std::memory_order_relaxed);
    deps_.unflushed_bytes.fetch_sub(dropped_ ? 0 : job.bytes, std::memory_order_relaxed);
    MutexLock state(state_mutex_);
    view_ = std::move(next);
  }
  if (unsettled) garbage_since_.clear();  // as after a merge of such a one
  // What was committed may be an earlier try, from before the log had objects that this one would have left behind: a
  // node that takes over reads from where the manifest says, so nothing above that may go.
  const auto own = std::ranges::find(head->manifest.open_epochs, epoch, &EpochEntry::epoch);
  AKI_CHECK(own != head->manifest.open_epochs.end());
  unconfirmed_.push_back({job.first_lsn, job.watermark, own->sequence, head, deps_.env.clock->Now()});
  if (job.left_garbage || !job.deletes.empty()) sweep_due_ = true;
  Log(LogLevel::kInfo, "flushed",
      {{"collection", id_.value()},
       {"version", head->manifest.version.value()},
       {"rows", job.origins.size()},
       {"watermark", job.watermark.value()}});
  return OkStatus();
}

}  // namespace akidb
