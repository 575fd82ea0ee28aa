// One collection: growing rows, segments, manifest, and the writes that change them.
//
// Threads:    thread-safe. Writes of one collection are serialised by a short lock; none waits for disk or store while
//             holding it, except conditional writes that must read a payload.
// Errors:     kInvalidArgument (reasons "wrong_dimension" "non_finite" "zero_vector" "empty_id" "id_too_long"
//             "invalid_utf8" "duplicate_id" "payload_too_large" "invalid_payload"), kAlreadyExists ("id_exists"),
//             kNotFound ("id_not_found" "collection_dropped"), kResourceExhausted ("unflushed_full" "wal_full"
//             "disk_full"), and those of read_point.h. On any error nothing was changed (I3).
// Durability: see WriteReceipt. docs/operating/durability.md says what each ack level survives.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/collection_log.h"
#include "engine/node_leases.h"
#include "engine/read_point.h"
#include "engine/snapshot.h"
#include "engine/write.h"
#include "filter/filter.h"

namespace akidb {

struct CollectionStats {
  uint64_t live_rows = 0;
  uint64_t growing_rows = 0;
  uint64_t growing_indexed_rows = 0;  // of those, the ones that a graph has
  uint64_t deleted_rows = 0;          // dead rows still in segments
  uint64_t segment_count = 0;
  uint64_t indexed_rows = 0;  // of segments whose index is in memory; other rows are scanned
  uint64_t store_bytes = 0;   // what the manifest names
  uint64_t memory_bytes = 0;
  uint64_t unflushed_bytes = 0;  // at risk under ack=local if the disk is lost
  Duration unflushed_age{};      // age of the oldest unflushed write
  ManifestVersion manifest_version;
  ManifestVersion oldest_version;  // it and all later ones can be read; older ones only where a snapshot pins them
  uint64_t snapshot_count = 0;
  std::string home;  // node that it is bound to; empty if none
};

// Where writes of a collection belong.
struct WriterPlace {
  std::string process;  // of the live writer elsewhere; empty: here
  std::string address;  // of that one, "http://HOST:PORT"
  Epoch epoch;          // that it was seen to write in

  bool here() const { return process.empty(); }
};

// What taking a collection away from its home came to.
struct RebindReport {
  std::string node;           // the new home
  std::string previous_node;  // of the home before; this node's own name if it was asked for again
  Lsn survived;               // greatest LSN that is published: later ones of the home before are lost
  std::string published_at;   // when that was; empty if asked again
  Duration wait{};            // before this node takes writes
  // What only the disk of the home before had when that one last said so; unset if it never did.
  std::optional<LeasedRisk> at_risk{};
};

class Collection {
 public:
  using Done = CollectionLog::Done;
  virtual ~Collection() = default;
  virtual CollectionId id() const = 0;
  virtual std::string created_at() const = 0;
  virtual CollectionSpec spec() const = 0;

  virtual Result<WriteReceipt> Write(OpContext& ctx, const WriteRows& rows, WriteMode mode, BatchPolicy policy) = 0;
  // Unknown ids are not an error; affected counts those that existed.
  virtual Result<WriteReceipt> DeleteIds(OpContext& ctx, const std::vector<std::string_view>& ids) = 0;
  virtual Result<WriteReceipt> DeleteMatching(OpContext& ctx, const Filter& filter) = 0;
  // RFC 7386 merge of `patch` (a JSON object) into the payload of `id`.
  virtual Result<WriteReceipt> MergePayload(OpContext& ctx, std::string_view id, std::string_view patch) = 0;

  // The newest visible state: every write whose ack was or could have been given is in it. Opens the segments that no
  // request has used yet, which may read all of their vectors from the store.
  virtual Result<std::shared_ptr<const Snapshot>> Read(OpContext& ctx) = 0;
  virtual CollectionStats stats() = 0;

  // Runs `done` once: with OK when the write at `lsn`, made by this object, is durable and visible (ack()); with an
  // error when that cannot be said at ctx's deadline (effect unknown) or will never be (effect none). May block for one
  // commit of the log. Where a collection is bound to this node, only while the node has read lately that it still is
  // (reason "home_unconfirmed").
  virtual void NotifyDurable(OpContext& ctx, Lsn lsn, Done done) = 0;
  virtual Status WaitDurable(OpContext& ctx, Lsn lsn) = 0;
  // The same for the manifest that carries the write; asks for a flush at once. Holds no thread.
  virtual void NotifyCommitted(OpContext& ctx, Lsn lsn, Done done) = 0;
  // What NotifyDurable promises; NotifyCommitted promises AckLevel::kCommitted.
  virtual AckLevel ack() const = 0;
  // Runs `done` once: with OK when Read() shows everything up to `position`, which any node may have given out.
  // kNotFound (reason "commit_lost") if it was lost with a home.
  virtual void NotifyVisible(OpContext& ctx, const Position& position, Done done) = 0;
  // The node that the collection is bound to because its writes are acknowledged by that node's disk; empty if none.
  virtual std::string home() const = 0;
  // Whether Read() shows everything up to `position` now.
  virtual bool Shows(const Position& position) const = 0;
  // The epoch that this node writes in; 0 if it is not the writer.
  virtual Epoch writer_epoch() const = 0;
  // Makes this node the writer, unless another node that is alive is: then where that one is, as far as this node
  // knows. kUnavailable (reason "not_the_writer") if this object is no use any more: get the collection anew; (reason
  // "home_unreachable") if it is bound to a node that is not alive.
  virtual Result<WriterPlace> PlaceWrite(OpContext& ctx) = 0;
  // Looks at once for what other nodes published.
  virtual Status FollowHead(OpContext& ctx) = 0;
  // Another node answered a write that came through this one: reads here are to show it.
  virtual void NoteWrittenElsewhere(const Position& position) = 0;
  // The newest such write, while it is not visible here.
  virtual std::optional<Position> promised() const = 0;
  // The rows of an earlier version, exactly: what was published in it, without what was only in the log. Opened
  // versions share segments with the current one, and a few stay open.
  virtual Result<std::shared_ptr<const Snapshot>> ReadAt(OpContext& ctx, const ReadPoint& point) = 0;
  // Publishes what is visible and pins that version: one commit, whatever the size of the collection. kAlreadyExists
  // (reason "snapshot_exists"), kFailedPrecondition (reason "too_many_snapshots").
  virtual Result<SnapshotInfo> CreateSnapshot(OpContext& ctx, std::string_view name) = 0;
  virtual Result<SnapshotInfo> FindSnapshot(std::string_view name) = 0;
  virtual std::vector<SnapshotInfo> Snapshots() = 0;  // oldest first
  virtual Status DeleteSnapshot(OpContext& ctx, std::string_view name) = 0;
  // Publishes what is visible, then makes the rows of `point` the current ones in a new version, which is returned.
  // Writes that arrive meanwhile come after it.
  virtual Result<ManifestVersion> Revert(OpContext& ctx, const ReadPoint& point) = 0;

  // Seals what is growing and publishes it; blocks until the manifest names it (or nothing was unflushed).
  virtual Status Flush(OpContext& ctx) = 0;
  // Merges segments until the policy is satisfied, or with `kFull` into one.
  enum class MergeScope : uint8_t { kPolicy, kFull };
  virtual Status Merge(OpContext& ctx, MergeScope scope) = 0;
};

}  // namespace akidb
