// The node's write-ahead log: one sequence of records for all collections, made durable in groups.
// It bridges the moments between an acknowledged write and the segment that carries it to the bucket.
//
// Threads:    thread-safe. Any number of threads append; one at a time commits (leader), chosen by who comes first.
// Errors:     Append: kResourceExhausted (reason "disk_full", or "wal_full" beyond wal_bytes_max); nothing was written.
//             Open: kDataLoss naming file and offset for corruption before the synced end (I5).
//             A failed write or fsync of a group calls Environment::die (I4).
// Durability: durable_lsn() >= n means record n survives any crash.
// Format:     docs/formats/wal.md
// Invariants: 1. LSNs are handed out in the order records lie in the log, without gaps inside a process.
//             2. Nothing is reported durable before its group's fdatasync returned.
//             3. Recovery changes no byte that a second recovery would read differently.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/environment.h"
#include "base/ids.h"
#include "base/status.h"
#include "format/wal_format.h"

namespace akidb {

struct WalOptions {
  std::string dir;                    // exists
  uint64_t file_bytes = 64ull << 20;  // preallocated with zeros; a record must fit in one file
  uint32_t spare_files_max = 4;       // recycled or prepared ahead
  uint64_t wal_bytes_max = 16ull << 30;
};

struct WalStats {
  uint64_t live_bytes = 0;  // in files not yet trimmed
  uint64_t files = 0;
  uint64_t records_appended = 0;
  uint64_t bytes_appended = 0;
  uint64_t groups_synced = 0;
  uint64_t replayed_records = 0;
  Lsn durable;
  Lsn next;
};

class Wal {
 public:
  // Called for every surviving record in log order. An error stops recovery and is returned by Open.
  using ReplayVisitor = std::function<Status(const WalRecord&)>;

  // Recovers the directory, hands every record to `visit`, then starts a fresh file whose header claims where the
  // last one ended.
  static Result<std::unique_ptr<Wal>> Open(OpContext& ctx, const Environment& env, const WalOptions& options,
                                           const ReplayVisitor& visit);
  virtual ~Wal() = default;

  // Copies the record into the pending group and returns its LSN. Space for it is already reserved on disk when this
  // returns OK, so that a full disk is an error here and never after. Does not wait.
  virtual Result<Lsn> Append(OpContext& ctx, CollectionId collection, Epoch epoch, WalRecordType type,
                             std::string_view body) = 0;

  virtual Lsn durable_lsn() const = 0;  // lock-free

  // Runs `done` once, when `lsn` is durable: at once in this thread if it already is, else in the committing thread.
  virtual void NotifyDurable(Lsn lsn, std::move_only_function<void()> done) = 0;

  // If no thread is committing and records wait: writes them as one group, fdatasyncs, publishes durable_lsn and runs
  // callbacks. Returns true if more records wait now and nobody commits them: call again.
  virtual bool CommitStep(OpContext& ctx) = 0;

  // Blocks until `lsn` is durable, committing itself when nobody else does. Not for simulations.
  virtual Status WaitDurable(OpContext& ctx, Lsn lsn) = 0;

  // LSNs handed out from now on are greater than `lsn`.
  virtual void AdvanceLsn(Lsn lsn) = 0;

  // Hands every record that is durable now, and not trimmed, to `visit` in log order. Appends go on meanwhile, trimming
  // waits. An error of `visit` ends it and is returned; kDataLoss for damage.
  virtual Status Walk(OpContext& ctx, const ReplayVisitor& visit) = 0;

  // Recycles or deletes every complete file whose records are all <= `lsn`.
  virtual Status TrimTo(OpContext& ctx, Lsn lsn) = 0;

  // Background work: keeps a spare file prepared so that appends need not wait for it. True if it did something.
  virtual Result<bool> PrepareStep(OpContext& ctx) = 0;

  virtual WalStats stats() const = 0;
};

}  // namespace akidb
