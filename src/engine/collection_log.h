// Where the writes of one collection wait until a segment carries them. It exists so that the engine does not know
// whether they wait on the node's disk or in the bucket (docs/adr/0005-log-and-takeover-on-a-bucket.md).
//
// Threads:    thread-safe.
// Errors:     Append: kResourceExhausted when there is no room; kUnavailable (reason "not_the_writer") once another
//             process took the collection over. Nothing was written then.
// Durability: durable_lsn() >= n means record n survives what `ack()` promises: in the log, or because a manifest that
//             was committed carries it (NotePublished).
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/context.h"
#include "base/environment.h"
#include "base/ids.h"
#include "base/status.h"
#include "format/collection_spec.h"
#include "format/wal_format.h"
#include "objstore/object_store.h"
#include "wal/wal.h"

namespace akidb {

class CollectionLog {
 public:
  using Done = std::move_only_function<void(const Status&)>;

  virtual ~CollectionLog() = default;

  // The promise that a durable record keeps.
  virtual AckLevel ack() const = 0;

  // Copies the record into the pending group and returns its LSN. Does not wait.
  virtual Result<Lsn> Append(OpContext& ctx, WalRecordType type, std::string_view body) = 0;
  virtual Lsn durable_lsn() const = 0;  // lock-free
  // Greatest LSN that was handed out.
  virtual Lsn last_lsn() const = 0;

  // Runs `done` once: with OK when `lsn` is durable; with an error whose effect is unknown when that is not known at
  // ctx's deadline, or none when the record is lost for certain. May commit in this thread.
  virtual void NotifyDurable(OpContext& ctx, Lsn lsn, Done done) = 0;
  // Blocks until `lsn` is durable, committing itself when nobody else does.
  virtual Status WaitDurable(OpContext& ctx, Lsn lsn) = 0;

  // Before a manifest that carries everything up to `lsn` is sent: blocks until all of that is durable which the log
  // must have. In a bucket this is what somebody waited for; the rest may never be in the log, because until the
  // manifest is there nobody was told of it, and then the log is not asked for it.
  virtual Status PrepareToPublish(OpContext& ctx, Lsn lsn) = 0;
  // That manifest was committed.
  virtual void NotePublished(Lsn lsn) = 0;

  // LSNs handed out from now on are greater than `lsn`.
  virtual void AdvanceLsn(Lsn lsn) = 0;

  // The greatest sequence of the epoch's stream whose records are all at or below `lsn`; 0 for a node's log.
  virtual WalSequence SequenceAt(Lsn lsn) const = 0;
  // Deletes what is needed no more once every record up to `sequence` was published and read back.
  virtual Status TrimTo(OpContext& ctx, WalSequence sequence) = 0;
  // Whether another process has taken over, so that nothing will ever be durable here again.
  virtual bool fenced() const = 0;
};

// The part of the node's log that belongs to one collection. `wal` must outlive it.
std::unique_ptr<CollectionLog> NewLocalLog(Wal& wal, CollectionId collection, Epoch epoch);

}  // namespace akidb
