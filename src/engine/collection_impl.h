// The collection behind engine/collection.h. Its verbs lie in one file each: collection_open.cc, _write.cc, _read.cc,
// _grow.cc, _flush.cc, _committed.cc (who waits for a flush), _merge.cc, _index.cc, _verify.cc, _collect.cc,
// _retain.cc, _history.cc (reads of earlier versions), _snapshot.cc, _revert.cc, _clone.cc; and of several nodes
// _takeover.cc, _follow.cc, _place.cc, _home.cc, _bind.cc.
//
// Threads:    lock order: upkeep_mutex_ (reading back, trimming, collecting; held over store calls, and nobody else
//             waits for it), maintenance_mutex_ (manifest and jobs; held over store calls), follow_mutex_,
//             opening_mutex_ (earlier versions being opened; held over store calls), flush_mutex_ (which flush is how
//             far), write_mutex_ (order of writes; held over memory work), state_mutex_ (the view readers copy; held
//             for a few instructions).
// Errors:     see Collection.
// Invariants: 1. Rows are applied in LSN order, under write_mutex_, before their group is synced; readers do not see
//                them until it is (I1, I4).
//             2. Every live row is in exactly one unit of a view, at every LSN a reader of that view can have (I2).
//             3. A manifest commit publishes segment, deletes and watermark together, after all up to the watermark is
//                durable that somebody waited for. What nobody waited for in the log becomes durable with the commit.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "engine/bucket_log.h"
#include "engine/collection.h"
#include "engine/collection_deps.h"
#include "engine/commit_waiters.h"
#include "engine/database.h"
#include "engine/growing.h"
#include "engine/home_watch.h"
#include "engine/log_tail.h"
#include "engine/node_leases.h"
#include "engine/node_log.h"
#include "engine/segment_unit.h"
#include "engine/validate.h"
#include "engine/version_history.h"
#include "engine/written_bytes.h"
#include "format/node_lease.h"
#include "manifest/manifest_committer.h"
#include "segment/segment_writer.h"

namespace akidb {

// The reason of a takeover that somebody else was faster with.
inline constexpr std::string_view kOvertaken = "overtaken";

// The entry of the segment with this id, or the end.
inline auto FindSegment(auto& segments, std::string_view id) {
  return std::ranges::find(segments, id, [](const SegmentEntry& entry) { return std::string_view(entry.object.id); });
}

// Keys of all objects that `manifest` names.
std::vector<std::string> ObjectKeysOf(const Manifest& manifest);

class CollectionImpl final : public Collection, public std::enable_shared_from_this<CollectionImpl> {
 public:
  // Creates the first manifest, owned by this process. kAlreadyExists if the id was used before.
  static Result<std::shared_ptr<CollectionImpl>> Create(OpContext& ctx, CollectionDeps& deps,
                                                        const CatalogEntry& entry);
  // Creates the first manifest of a clone: the rows of a version of another collection, whose objects it names.
  static Result<std::shared_ptr<CollectionImpl>> CreateClone(OpContext& ctx, CollectionDeps& deps,
                                                             const CatalogEntry& entry, const Manifest& origin);
  // Reads the manifest; segments and deletion vectors when they are first used.
  static Result<std::shared_ptr<CollectionImpl>> Open(OpContext& ctx, CollectionDeps& deps, const CatalogEntry& entry);
  ~CollectionImpl() override;

  CollectionId id() const override { return id_; }
  std::string created_at() const override { return created_at_; }
  CollectionSpec spec() const override;
  Result<WriteReceipt> Write(OpContext& ctx, const WriteRows& rows, WriteMode mode, BatchPolicy policy) override;
  Result<WriteReceipt> DeleteIds(OpContext& ctx, const std::vector<std::string_view>& ids) override;
  Result<WriteReceipt> DeleteMatching(OpContext& ctx, const Filter& filter) override;
  Result<WriteReceipt> MergePayload(OpContext& ctx, std::string_view id, std::string_view patch) override;
  Result<std::shared_ptr<const Snapshot>> Read(OpContext& ctx) override;
  bool opened() const;  // all segments
  CollectionStats stats() override;
  Status Flush(OpContext& ctx) override;
  Status Merge(OpContext& ctx, MergeScope scope) override;
  void NotifyDurable(OpContext& ctx, Lsn lsn, Done done) override;
  Status WaitDurable(OpContext& ctx, Lsn lsn) override;
  void NotifyCommitted(OpContext& ctx, Lsn lsn, Done done) override;
  AckLevel ack() const override {
    return deps_.options.shared_store && !bound_.load(std::memory_order_acquire) ? AckLevel::kObject : AckLevel::kLocal;
  }
  std::string home() const override;
  bool Shows(const Position& position) const override { return Covers(position); }
  void NotifyVisible(OpContext& ctx, const Position& position, Done done) override;
  Epoch writer_epoch() const override;
  Result<WriterPlace> PlaceWrite(OpContext& ctx) override;
  Status FollowHead(OpContext& ctx) override;
  void NoteWrittenElsewhere(const Position& position) override;
  std::optional<Position> promised() const override;
  Result<std::shared_ptr<const Snapshot>> ReadAt(OpContext& ctx, const ReadPoint& point) override;
  Result<SnapshotInfo> CreateSnapshot(OpContext& ctx, std::string_view name) override;
  Result<SnapshotInfo> FindSnapshot(std::string_view name) override;
  std::vector<SnapshotInfo> Snapshots() override;
  Status DeleteSnapshot(OpContext& ctx, std::string_view name) override;
  Result<ManifestVersion> Revert(OpContext& ctx, const ReadPoint& point) override;

  // Makes this process the writer, unless another that is alive is it (kUnavailable, reason "not_the_writer"): commits
  // a new epoch, once a process. It comes before the first record is replayed or written, because a request of an
  // earlier process may still arrive and move the head.
  Status EnsureEpoch(OpContext& ctx) AKI_EXCLUDES(maintenance_mutex_);
  // Once the node's log is open: writes go there from now on. Requires EnsureEpoch.
  void AttachNodeLog();
  // Whether writes go there.
  bool on_node_log() const { return !deps_.options.shared_store || bound_.load(std::memory_order_acquire); }
  // Whether the collection is bound to this very node and disk.
  bool AtHome() const;
  // What becomes of a record that the node's log has.
  enum class RecordFate : uint8_t { kReplay, kPublished, kLost };
  RecordFate FateOf(Epoch epoch, Lsn lsn) const;
  // Takes the collection away from its home, which gives up what only that one's disk holds. The collection takes
  // writes once RebindReport::wait is over. kFailedPrecondition (reasons "not_bound" "home_is_here"), kAborted (reason
  // "home_changed").
  Result<RebindReport> Rebind(OpContext& ctx);
  // Binds the collection, whose writer this process is and which is bound to none, to this node, or releases it from
  // this node: everything is published first, while no write is taken (kUnavailable, reason "home_changing"). Whatever
  // comes of it, this object is superseded once it was tried.
  enum class HomeMove : uint8_t { kBind, kRelease };
  Status MoveHome(OpContext& ctx, HomeMove move);
  // FollowHead that the writer takes part in: kUnavailable (reason "not_the_writer") if it has been deposed.
  Status ReadHead(OpContext& ctx);
  // While writes come: reads that this node still is the home, when it is time; says when that is next.
  MonotonicTime HomeStep(OpContext& ctx);
  // Another node is the writer now: this object takes no writes and will never show anything new.
  bool superseded() const;
  // Ends a collection of a shared store for every node: a last manifest, and fences for whoever still writes.
  static Status EndForAll(OpContext& ctx, CollectionDeps& deps, CollectionId id);
  // Looks for manifests of other nodes, if it is time; says when it wants to be called again.
  Result<MonotonicTime> FollowStep(OpContext& ctx);
  // Applies a record of the log during recovery, if no segment has it yet. Requires EnsureEpoch.
  Status Replay(OpContext& ctx, const WalRecord& record);
  // Pins what `at` asks for, or what is visible now, for the clone `clone`, and returns that version.
  Result<std::shared_ptr<const ManifestHead>> PinForClone(OpContext& ctx, CollectionId clone,
                                                          const std::optional<ReadPoint>& at);
  // Clones that keep a version of this collection, as far as this process knows.
  std::vector<CollectionId> ClonePins();
  Status UnpinClone(OpContext& ctx, CollectionId clone);
  // The collection that this one was cloned from, once no version that is kept names anything of it: its pin may go.
  // May move the boundary, so that older versions that did are given up.
  Result<std::optional<CollectionId>> SourceToRelease(OpContext& ctx);
  Status ForgetSource(OpContext& ctx);
  // When it was read or written last.
  MonotonicTime last_used() const { return MonotonicTime(Duration(last_used_ns_.load(std::memory_order_relaxed))); }
  // Greatest LSN that the manifest knows.
  Lsn manifest_lsn() const { return Lsn(base_lsn_.load(std::memory_order_acquire)); }

  void SetSpec(const CollectionSpec& spec);
  // Refuses further writes and gives up unflushed rows.
  void MarkDropped();

  // Background steps, each bounded; true if there is more to do at once.
  enum class FlushTrigger : uint8_t { kIfDue, kNow };
  // What comes first where there is both: a job that can be committed, or rows that can be uploaded meanwhile.
  enum class FlushOrder : uint8_t { kCommitFirst, kUploadFirst };
  Result<bool> FlushStep(OpContext& ctx, FlushTrigger trigger, FlushOrder order = FlushOrder::kCommitFirst);
  Result<bool> MergeStep(OpContext& ctx, MergeScope scope);
  Result<bool> IndexStep(OpContext& ctx);
  Result<bool> GrowStep(OpContext& ctx);
  // Re-reads what was committed long enough ago, so that the log may be trimmed.
  Status ConfirmStep(OpContext& ctx);
  // Answers who waited for a commit beyond the deadline, and everybody once this is superseded. Whether others wait.
  bool AnswerLateCommits();
  // The same for those who wait to see a position, too.
  void AnswerLate() {
    AnswerLateCommits();
    AnswerWaiters();
  }
  Status CollectStep(OpContext& ctx);
  // What only the disk of its home has, if that is this node.
  struct AtRisk {
    uint64_t bytes = 0;
    std::optional<MonotonicTime> since;
  };
  AtRisk at_risk();
  // When a flush becomes due by age; nullopt if nothing is unflushed.
  std::optional<MonotonicTime> FlushDueAt();
  // No record of this collection with an LSN at or below the result is needed any more; Lsn::Max() if none is at all.
  Lsn TrimBound();

 private:
  // What readers copy. Replaced, never changed.
  struct View {
    std::vector<std::shared_ptr<SegmentUnit>> segments;
    std::vector<std::shared_ptr<GrowingRows>> sealed;  // oldest first
    std::shared_ptr<GrowingRows> active;
    ManifestVersion version;
  };
  // Owned by whoever moves it on: one thread uploads it, one commits it.
  struct FlushJob {
    enum class Stage : uint8_t { kSealed, kUploading, kUploaded };
    Stage stage = Stage::kSealed;  // guarded by flush_mutex_
    std::vector<std::shared_ptr<GrowingRows>> groups;
    Lsn first_lsn;
    Lsn watermark;
    uint64_t bytes = 0;
    bool left_garbage = false;  // an upload of it was in vain
    ManifestVersion start;      // of the objects' ids; set with the stage
    // Filled by the upload.
    struct Origin {
      uint32_t group;
      RowIndex row;
    };
    std::vector<Origin> origins;  // of each row of the new segment
    std::optional<SegmentEntry> segment;
    std::shared_ptr<SegmentUnit> unit;
    struct NewDeletes {
      std::string segment_id;
      std::optional<ObjectRef> object;  // none: no row is left of the segment
      uint32_t count;
    };
    // Filled before the commit is tried: rows of the flush before are among them.
    bool deletes_written = false;
    std::vector<NewDeletes> deletes;
  };
  // A second one is uploaded while the first is committed.
  static constexpr size_t kFlushJobsMax = 2;
  struct MergeJob {
    std::vector<std::shared_ptr<SegmentUnit>> inputs;
    ManifestVersion start;
    struct Origin {
      uint32_t input;
      RowIndex row;
    };
    std::vector<Origin> origins;
    Lsn watermark;                        // rows deleted at or before it are left out
    Lsn published;                        // those deleted later, at or before this, are in the segment's vector
    std::optional<SegmentEntry> segment;  // none if no row survived
    uint64_t revert_generation = 0;
    std::shared_ptr<SegmentUnit> unit;
  };
  struct IndexJob {
    enum class Work : uint8_t { kOpen, kBuild, kStore, kMeasure };
    Work work;
    std::shared_ptr<SegmentUnit> unit;
    SegmentEntry entry;  // as the head names it
    IndexSpec wanted;
    ManifestVersion start{};
  };
  // A published watermark whose bytes have not yet been read back.
  struct Unconfirmed {
    Lsn first_lsn;
    Lsn watermark;
    WalSequence sequence;  // of this epoch's stream
    std::shared_ptr<const ManifestHead> head;
    MonotonicTime committed_at;
  };
  // A revert whose commit was tried.
  struct RevertJob {
    ManifestVersion version;
    uint64_t revert_generation = 0;  // of the head that it replaces
    std::optional<ObjectRef> base;
    std::vector<SegmentEntry> segments;
    std::vector<std::shared_ptr<SegmentUnit>> units;
  };
  class VersionSnapshot;
  // An earlier version that stays open for the next read of it.
  struct OpenVersion {
    ManifestVersion version;
    std::shared_ptr<const VersionSnapshot> snapshot;
    MonotonicTime used;
  };
  CollectionImpl(CollectionDeps& deps, const CatalogEntry& entry);

  // open
  Result<SegmentUnit::Opened> OpenSegment(OpContext& ctx, const SegmentEntry& entry,
                                          const std::shared_ptr<ObjectStore>& store);
  // A unit that is open already.
  Result<std::shared_ptr<SegmentUnit>> OpenUnit(OpContext& ctx, const SegmentEntry& entry);
  // The units of a manifest, those of `current` used again where they are the same and hold no marks of a log's tail.
  std::vector<std::shared_ptr<SegmentUnit>> UnitsOf(const Manifest& manifest, const View& current);
  // Shows the head's manifest: what a reader had of the log is gone from the view, and readers must not see it without.
  void LoadView(std::vector<std::shared_ptr<SegmentUnit>> units) AKI_REQUIRES(maintenance_mutex_);
  void LoadView() AKI_REQUIRES(maintenance_mutex_) { LoadView(UnitsOf(committer_.head()->manifest, *view())); }
  static Lsn NewestLsn(const Manifest& manifest);
  static Status PrepareUnits(OpContext& ctx, const std::vector<std::shared_ptr<SegmentUnit>>& units);
  // While it lives, Read() waits for the maintenance lock.
  class HiddenView {
   public:
    explicit HiddenView(CollectionImpl& collection) : collection_(collection) { Set(true); }
    ~HiddenView() { Set(false); }
    HiddenView(const HiddenView&) = delete;
    HiddenView& operator=(const HiddenView&) = delete;

   private:
    void Set(bool hidden) {
      MutexLock lock(collection_.state_mutex_);
      collection_.view_hidden_ = hidden;
    }
    CollectionImpl& collection_;
  };
  // kAborted (kOvertaken) if the epoch to be ended is not `from` any more.
  Status EnsureEpochLocked(OpContext& ctx, std::optional<Epoch> from = std::nullopt) AKI_REQUIRES(maintenance_mutex_);
  Status FollowHeadLocked(OpContext& ctx) AKI_REQUIRES(maintenance_mutex_);
  std::string NextClaim() { return EpochClaim(deps_.process, ++deps_.claims); }

  // takeover
  // Replays and fences what older epochs left, and lets writes go to the log of this one.
  Status TakeUpLog(OpContext& ctx, const Manifest& manifest) AKI_REQUIRES(maintenance_mutex_);
  // Fences every older stream, replays what no segment has, and begins the stream of this epoch.
  Status TakeOverStreams(OpContext& ctx, const Manifest& manifest) AKI_REQUIRES(maintenance_mutex_);
  Status CheckRecord(const WalRecord& record) const;
  Status ReplayStreams(OpContext& ctx, const Manifest& manifest, const std::vector<FencedStream>& streams)
      AKI_REQUIRES(maintenance_mutex_);
  // Takes epochs out of the manifest whose every record is in segments.
  Status CloseDrainedEpochs(OpContext& ctx) AKI_REQUIRES(maintenance_mutex_);
  // Deletes objects of this epoch up to `sequence`, and those of ended epochs that `manifest`, which was read back,
  // does not list any more.
  Status TrimStreams(OpContext& ctx, WalSequence sequence, const Manifest& manifest) AKI_REQUIRES(upkeep_mutex_);
  std::shared_ptr<CollectionLog> log() const;
  Status NotTheWriter() const;
  // OK if `manifest` still names this process; otherwise this object is superseded. Other nodes may have acknowledged
  // what no manifest has, so only an edit that passes this speaks for all that was written.
  Status CheckWriter(const Manifest& manifest);

  // place
  // The process that the manifest's epoch belongs to; empty if no process claimed it.
  static std::string_view WriterOf(const Manifest& manifest);

  // home
  // Null unless `manifest` binds the collection to a node.
  const Home* HomeOf(const Manifest& manifest) const;
  void NoteHome(const Manifest& manifest);
  // OK if this process may claim an epoch after `manifest`.
  Status CheckHome(const Manifest& manifest) AKI_REQUIRES(maintenance_mutex_);
  Status CheckNotLost(const Position& position) const;
  // Replays what the node's log has and nobody took up yet; writes go to that log from now on.
  Status TakeUpNodeLog(OpContext& ctx) AKI_REQUIRES(maintenance_mutex_);
  // Reads whether this process still is the writer. Without the maintenance lock, which may be held for long.
  Status ConfirmHome(OpContext& ctx);
  Status CommitRebind(OpContext& ctx, Epoch ended, RebindReport* report) AKI_REQUIRES(maintenance_mutex_);
  Status CommitMove(OpContext& ctx, HomeMove move) AKI_REQUIRES(maintenance_mutex_);
  // Reads back what is published, so that no log needs to have it.
  Status ReadBackHead(OpContext& ctx) AKI_EXCLUDES(upkeep_mutex_, maintenance_mutex_);

  // follow
  // Reads, and checks, what the streams have beyond `tails`, and moves those on.
  Result<std::vector<LogTailObject>> FetchTails(OpContext& ctx, std::vector<LogTail>* tails);
  Status FetchNewestTails(OpContext& ctx, std::vector<LogTail>* tails, std::vector<LogTailObject>* objects)
      AKI_REQUIRES(maintenance_mutex_) AKI_EXCLUDES(state_mutex_);
  void ApplyTails(OpContext& ctx, const std::vector<LogTailObject>& objects);
  // Applies what other nodes logged and no manifest carries yet. True if there was anything.
  Result<bool> ReadTails(OpContext& ctx) AKI_REQUIRES(maintenance_mutex_);
  // Shows the head's manifest and the ends of the streams, at once. On an error the view stays what it was.
  Status Reload(OpContext& ctx) AKI_REQUIRES(maintenance_mutex_);
  bool Covers(const Position& position) const AKI_EXCLUDES(state_mutex_);
  void AnswerWaiters();
  void EndWaiters(const Status& status);

  // write
  Status CheckWritable(uint64_t bytes) AKI_REQUIRES(write_mutex_);
  Result<WriteReceipt> LogAndApply(OpContext& ctx, const ColumnBatch& batch) AKI_REQUIRES(write_mutex_);
  Result<WriteReceipt> LogAndDelete(OpContext& ctx, const std::vector<std::string_view>& ids)
      AKI_REQUIRES(write_mutex_);
  void ApplyUpsert(const ColumnBatch& batch, Lsn lsn) AKI_REQUIRES(write_mutex_);
  void ApplyDelete(const std::vector<std::string_view>& ids, Lsn lsn) AKI_REQUIRES(write_mutex_);
  void NoteApplied(Lsn lsn) AKI_REQUIRES(write_mutex_);
  Status CheckAtRisk(uint64_t bytes);
  bool RemoveLatest(const View& view, std::string_view id, Lsn lsn) AKI_REQUIRES(write_mutex_);
  std::optional<RowLocation> FindLatest(const View& view, std::string_view id) AKI_REQUIRES(write_mutex_);
  bool Exists(const View& view, std::string_view id) AKI_REQUIRES(write_mutex_);
  WriteReceipt Receipt(Lsn lsn, uint64_t affected);
  GrowingRows& Active() AKI_REQUIRES(write_mutex_);

  // Writes the rows of `source` as a new segment whose builder started from `start`, and opens it.
  struct NewSegment {
    SegmentEntry entry;
    std::shared_ptr<SegmentUnit> unit;
  };
  Result<NewSegment> WriteNewSegment(OpContext& ctx, ManifestVersion start, SegmentSource& source);
  std::string MintId(ManifestVersion start);

  // read
  std::shared_ptr<const View> view() const;
  Lsn VisibleLsn() const AKI_REQUIRES(state_mutex_);
  // Lets readers' positions name the head's version.
  void PublishVersion() AKI_REQUIRES(maintenance_mutex_);

  // grow
  bool StaysAWhile(const GrowingRows& rows) AKI_EXCLUDES(write_mutex_);

  // flush
  bool FlushDue(FlushTrigger trigger);
  std::optional<Lsn> AllPublished() AKI_EXCLUDES(flush_mutex_);  // the newest LSN, if nothing is unflushed
  // Whether every record up to `lsn` is published, or never will be.
  bool NothingToFlush(Lsn lsn) AKI_EXCLUDES(flush_mutex_);
  bool Seal() AKI_REQUIRES(flush_mutex_);
  // The job that this thread shall upload, sealed now if need be.
  std::shared_ptr<FlushJob> TakeUpload(FlushTrigger trigger) AKI_EXCLUDES(flush_mutex_);
  // The oldest job, if it is uploaded and no other thread commits it.
  std::shared_ptr<FlushJob> TakeCommit() AKI_EXCLUDES(flush_mutex_);
  bool flushing() AKI_EXCLUDES(flush_mutex_);
  // The oldest version that a job under way started from.
  std::optional<ManifestVersion> OldestFlushStart() AKI_EXCLUDES(flush_mutex_);
  bool GiveUpDropped() AKI_EXCLUDES(flush_mutex_);  // true: it was dropped, and nothing is uploaded any more
  Result<bool> UploadStep(OpContext& ctx, FlushJob* job) AKI_EXCLUDES(flush_mutex_);
  Status UploadFlush(OpContext& ctx, FlushJob* job) AKI_EXCLUDES(maintenance_mutex_);
  Status WriteDeletes(OpContext& ctx, FlushJob* job) AKI_REQUIRES(maintenance_mutex_);
  Result<bool> CommitStep(OpContext& ctx, FlushJob* job) AKI_EXCLUDES(maintenance_mutex_);
  Status CommitFlush(OpContext& ctx, FlushJob* job, bool* doomed) AKI_REQUIRES(maintenance_mutex_);
  // While it lives only who asks for a flush gets one: the background seals nothing.
  class SealHold {
   public:
    explicit SealHold(CollectionImpl& collection) : collection_(collection) { Add(1); }
    ~SealHold() { Add(-1); }
    SealHold(const SealHold&) = delete;
    SealHold& operator=(const SealHold&) = delete;

   private:
    void Add(int n) {
      MutexLock lock(collection_.flush_mutex_);
      collection_.seal_holds_ += n;
    }
    CollectionImpl& collection_;
  };
  Result<ObjectRef> PutDeletes(OpContext& ctx, const SegmentUnit& unit, const std::vector<RowIndex>& rows,
                               ManifestVersion start) AKI_REQUIRES(maintenance_mutex_);

  // committed
  void WakeFlush();             // whoever flushes it now, depending on whether somebody waits
  MonotonicTime CommitDueAt();  // max() if nobody waits
  // A manifest carries everything up to `lsn`.
  void NoteCommitted(Lsn lsn);
  bool IsCommitted(Lsn lsn);
  void EndCommitted(const Status& status);

  // merge
  Result<std::vector<std::shared_ptr<SegmentUnit>>> PickMerge(MergeScope scope) AKI_REQUIRES(maintenance_mutex_);
  Status BuildMerge(OpContext& ctx, MergeJob* job);
  Status PrepareMergeCommit(OpContext& ctx, MergeJob* job) AKI_REQUIRES(maintenance_mutex_);
  Status CommitMerge(OpContext& ctx, MergeJob* job) AKI_REQUIRES(maintenance_mutex_);
  // Finishes a merge whose commit had an unknown outcome: until then the view may differ from the manifest.
  Status SettleMerge(OpContext& ctx) AKI_REQUIRES(maintenance_mutex_);

  // index
  std::optional<IndexJob> PickIndexJob() AKI_REQUIRES(maintenance_mutex_);
  Status OpenStoredIndex(OpContext& ctx, const IndexJob& job) AKI_EXCLUDES(maintenance_mutex_);
  Status BuildSegmentIndex(OpContext& ctx, const IndexJob& job);
  Status MeasureIndex(OpContext& ctx, const SegmentUnit& unit);
  Status StoreIndex(OpContext& ctx, const IndexJob& job) AKI_EXCLUDES(maintenance_mutex_);

  // history
  Result<std::shared_ptr<const ManifestHead>> LoadVersion(OpContext& ctx, ManifestVersion version);
  // The same, for rows that will be shown or named again: kDataLoss if it is not what its successor says it was.
  Result<std::shared_ptr<const ManifestHead>> LoadUnchanged(OpContext& ctx, ManifestVersion version);
  Result<ManifestVersion> Resolve(OpContext& ctx, const Manifest& head, const ReadPoint& point);
  Result<ManifestVersion> VersionAt(OpContext& ctx, const Manifest& head, WallTime time);
  Result<std::shared_ptr<const VersionSnapshot>> OpenAt(OpContext& ctx, ManifestVersion version)
      AKI_EXCLUDES(opening_mutex_);
  // Units of `entries` with deletion marks of their own; readers that are open already are shared.
  Result<std::vector<std::shared_ptr<SegmentUnit>>> OpenUnits(OpContext& ctx, const std::vector<SegmentEntry>& entries);
  SegmentUnit::Shared FindOpen(std::string_view segment_id);
  Result<std::vector<RowIndex>> ReadDeletes(OpContext& ctx, const SegmentEntry& entry);
  void AddHistory(CollectionStats* out);
  void CloseIdleVersions();  // earlier ones that nobody asked for lately

  // snapshot
  Result<std::shared_ptr<const ManifestHead>> CommitPins(
      OpContext& ctx, const std::function<Result<ManifestCommitter::Edited>(Manifest*)>& edit)
      AKI_REQUIRES(maintenance_mutex_);

  // clone
  bool NamesForeign(const std::vector<ManifestVersion>& versions) const;

  // revert
  Status SettleRevert(OpContext& ctx) AKI_REQUIRES(maintenance_mutex_);
  Result<std::shared_ptr<const ManifestHead>> CommitRevert(OpContext& ctx, const RevertJob& job)
      AKI_REQUIRES(maintenance_mutex_);
  void SwapToReverted(const ManifestHead& head, std::vector<std::shared_ptr<SegmentUnit>> units)
      AKI_REQUIRES(maintenance_mutex_);

  // retain
  Result<ManifestVersion> OldestRetained(OpContext& ctx, const Manifest& manifest) AKI_REQUIRES(upkeep_mutex_);
  Result<ManifestVersion> NextBoundary(OpContext& ctx, const Manifest& manifest,
                                       std::optional<ManifestVersion> oldest_job) AKI_REQUIRES(upkeep_mutex_);
  // The versions from `boundary` on, and those that are pinned.
  static std::vector<ManifestVersion> KeptVersions(const Manifest& manifest, ManifestVersion boundary);
  Status LearnVersions(OpContext& ctx, const std::vector<ManifestVersion>& versions);
  Status RetireManifests(OpContext& ctx, const Manifest& manifest) AKI_REQUIRES(upkeep_mutex_);
  Status RetireUnpinned(OpContext& ctx) AKI_REQUIRES(upkeep_mutex_) AKI_EXCLUDES(maintenance_mutex_);
  Status RetireManifest(OpContext& ctx, ManifestVersion version) AKI_REQUIRES(upkeep_mutex_);

  // collect
  Status VerifyObject(OpContext& ctx, const std::string& key, const ObjectRef& object);
  Status VerifyUnit(OpContext& ctx, SegmentUnit& unit);
  Status VerifyMergeProducts(OpContext& ctx);
  Status VerifyPublished(OpContext& ctx, const Manifest& manifest) AKI_REQUIRES(upkeep_mutex_);
  // The newest watermark that was committed long enough ago.
  std::optional<Unconfirmed> NextToConfirm() AKI_REQUIRES(maintenance_mutex_);
  Result<bool> VerifiedSince(OpContext& ctx, const std::vector<std::shared_ptr<SegmentUnit>>& units,
                             MonotonicTime since);
  Status Sweep(OpContext& ctx, const Manifest& manifest, ManifestVersion boundary) AKI_REQUIRES(upkeep_mutex_)
      AKI_EXCLUDES(maintenance_mutex_);
  // The head with it.
  Result<std::shared_ptr<const ManifestHead>> MoveBoundary(OpContext& ctx, ManifestVersion boundary)
      AKI_REQUIRES(upkeep_mutex_) AKI_EXCLUDES(maintenance_mutex_);
  Status DeleteGarbage(OpContext& ctx, ManifestVersion boundary, const std::vector<std::string>& due)
      AKI_REQUIRES(upkeep_mutex_) AKI_EXCLUDES(maintenance_mutex_);
  struct Garbage {
    std::vector<std::string> keys;
    bool later = false;  // nothing names more than that, but its builder started at or after the boundary
  };
  Result<Garbage> FindGarbage(OpContext& ctx, const Manifest& manifest, ManifestVersion boundary);

  const std::shared_ptr<CollectionDeps> deps_owner_;
  CollectionDeps& deps_;
  const CollectionId id_;
  const std::string created_at_;
  const std::shared_ptr<SeenQueries> seen_;  // shared with snapshots
  std::atomic<uint64_t> base_lsn_{0};        // greatest LSN in the manifest that was opened

  Mutex upkeep_mutex_;
  // Keys that need no reading back: it was done, or this process collected them.
  std::set<std::string> verified_keys_ AKI_GUARDED_BY(upkeep_mutex_);
  ManifestVersion retired_below_ AKI_GUARDED_BY(upkeep_mutex_);  // older manifests are tombstones; 0 if not known
  ManifestVersion swept_below_ AKI_GUARDED_BY(upkeep_mutex_);    // boundary of the last sweep
  bool sweep_later_ AKI_GUARDED_BY(upkeep_mutex_) = false;       // the last sweep saw Garbage::later
  std::atomic<bool> sweep_due_{true};

  Mutex maintenance_mutex_;
  ManifestCommitter committer_ AKI_GUARDED_BY(maintenance_mutex_);
  std::string epoch_claim_ AKI_GUARDED_BY(maintenance_mutex_);                 // empty until a takeover was tried
  std::shared_ptr<BucketLog> opening_log_ AKI_GUARDED_BY(maintenance_mutex_);  // until its first object is there
  std::vector<LogTail> tails_ AKI_GUARDED_BY(maintenance_mutex_);              // of a reader
  std::atomic<bool> old_streams_due_{false};
  bool merging_ AKI_GUARDED_BY(maintenance_mutex_) = false;
  bool indexing_ AKI_GUARDED_BY(maintenance_mutex_) = false;
  std::set<std::string> unreadable_indexes_ AKI_GUARDED_BY(maintenance_mutex_);  // object ids
  std::optional<MergeJob> unsettled_merge_ AKI_GUARDED_BY(maintenance_mutex_);
  std::deque<Unconfirmed> unconfirmed_ AKI_GUARDED_BY(maintenance_mutex_);
  // Objects that the head does not name, and since when this process has known.
  std::map<std::string, MonotonicTime> garbage_since_ AKI_GUARDED_BY(maintenance_mutex_);
  std::set<ManifestVersion> unpinned_ AKI_GUARDED_BY(maintenance_mutex_);  // to be retired if below the boundary
  std::optional<RevertJob> unsettled_revert_ AKI_GUARDED_BY(maintenance_mutex_);
  CondVar merge_done_;

  const std::shared_ptr<ManifestReader> manifests_;
  VersionHistory history_;
  Mutex opening_mutex_;
  std::vector<OpenVersion> open_versions_ AKI_GUARDED_BY(state_mutex_);  // least recently used first
  std::atomic<uint64_t> reverts_{0};  // changes under write_mutex_; row places found before are void

  std::atomic<bool> bound_{false};  // to a node, whichever it is
  HomeWatch watch_;
  std::string rebind_claim_ AKI_GUARDED_BY(maintenance_mutex_);
  // The epoch before whose claim the previous home is waited for, and since when.
  Epoch waiting_for_ AKI_GUARDED_BY(maintenance_mutex_);
  MonotonicTime waiting_since_ AKI_GUARDED_BY(maintenance_mutex_){};
  std::atomic<bool> epoch_taken_{false};
  std::atomic<uint64_t> epoch_{0};
  std::atomic<bool> superseded_{false};

  Mutex flush_mutex_;
  CondVar flush_moved_;
  std::deque<std::shared_ptr<FlushJob>> flush_jobs_ AKI_GUARDED_BY(flush_mutex_);  // oldest first
  bool committing_ AKI_GUARDED_BY(flush_mutex_) = false;                           // the oldest one
  int seal_holds_ AKI_GUARDED_BY(flush_mutex_) = 0;

  Mutex committed_mutex_;  // the last in the lock order
  Lsn committed_lsn_ AKI_GUARDED_BY(committed_mutex_);
  CommitWaiters committed_waiters_ AKI_GUARDED_BY(committed_mutex_);
  // First record, and its time, of each batch that no manifest carries yet.
  std::deque<std::pair<Lsn, MonotonicTime>> unpublished_since_ AKI_GUARDED_BY(committed_mutex_);

  Mutex write_mutex_;
  bool dropped_ AKI_GUARDED_BY(write_mutex_) = false;
  OpGroup until_dropped_;  // what a drop makes needless: indexes, uploads of flushes, merges; minutes of work, maybe
  bool home_changing_ AKI_GUARDED_BY(write_mutex_) = false;
  std::vector<EpochEntry> replay_epochs_ AKI_GUARDED_BY(write_mutex_);  // of the manifest that was opened
  Lsn batch_first_lsn_ AKI_GUARDED_BY(write_mutex_);                    // first record since the last seal; 0 if none
  MonotonicTime batch_since_ AKI_GUARDED_BY(write_mutex_){};            // when it came
  std::optional<Lsn> replay_first_lsn_ AKI_GUARDED_BY(write_mutex_);    // first record in the log that a segment has
  std::atomic<uint64_t> applied_lsn_{0};
  std::atomic<uint64_t> live_rows_{0};
  std::atomic<uint64_t> own_unflushed_bytes_{0};

  mutable Mutex state_mutex_;
  std::shared_ptr<const View> view_ AKI_GUARDED_BY(state_mutex_);
  bool view_hidden_ AKI_GUARDED_BY(state_mutex_) = false;  // by whoever holds the maintenance lock
  CollectionSpec spec_ AKI_GUARDED_BY(state_mutex_);
  std::shared_ptr<CollectionLog> log_ AKI_GUARDED_BY(state_mutex_);  // null until this process is the writer

  mutable Mutex follow_mutex_;
  std::atomic<uint64_t> promised_lsn_{0};            // of promised_
  Position promised_ AKI_GUARDED_BY(follow_mutex_);  // newest write that another node answered through this one
  std::vector<VisibleWaiter> waiters_ AKI_GUARDED_BY(follow_mutex_);
  MonotonicTime follow_at_ AKI_GUARDED_BY(follow_mutex_){};
  Duration follow_interval_ AKI_GUARDED_BY(follow_mutex_){};
  std::atomic<int64_t> last_used_ns_{0};
};

}  // namespace akidb
