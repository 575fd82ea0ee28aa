// Which nodes are alive, as far as this one can tell: it writes a lease of its own while it is the writer of anything,
// and watches those of writers that it forwards requests to.
//
// A lease is a hint. Whoever is wrongly taken for dead loses its epoch and is fenced; whoever is wrongly taken for
// alive is asked in vain for a while. Nothing that was acknowledged rests on it
// (docs/adr/0007-leases-and-forwarding.md).
//
// Threads:    thread-safe. Methods that take a context may block for requests to the store.
// Errors:     those of the store.
// Invariants: 1. This process has a lease in the store before any of its claims to an epoch is.
//             2. Times of different machines are never compared: a lease counts as unmoved from when this process first
//                saw its sequence.
// Cost:       2 requests a heartbeat (PUT, DELETE); 1 LIST a second for each writer that requests were forwarded to in
//             the last ten seconds; 1 LIST in ten minutes to sweep.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/environment.h"
#include "base/mutex.h"
#include "base/status.h"
#include "objstore/object_store.h"

namespace akidb {

struct NodeLeaseTimes {
  Duration beat = std::chrono::seconds(2);        // of a node that writes
  Duration idle_beat = std::chrono::seconds(10);  // of a writer that nobody writes to
  // A writer that gave no sign of life for so long is dead, whatever else is known.
  Duration dead_after = std::chrono::seconds(5);
  // So is one whose address refused a connection, or belongs to another process by now, after so long.
  Duration refused_after = std::chrono::seconds(3);
  // One whose lease moves, but that could not be reached for so long, is deposed: the path to it is cut.
  Duration unreachable_after = std::chrono::seconds(15);
  Duration watch_pause = std::chrono::seconds(1);        // between two looks at a lease that is watched
  Duration look_pause = std::chrono::milliseconds(250);  // likewise, of one that requests wait for
  Duration watch_for = std::chrono::seconds(10);         // after the last request that was forwarded
  Duration sweep_pause = std::chrono::minutes(10);
  Duration sweep_after = std::chrono::hours(1);  // leases that did not move for so long are removed
};

// What became of a request that was sent to another node.
enum class ForwardOutcome : uint8_t {
  kAnswered,  // by the process that was meant
  kRefused,   // nobody listens there, or another process does; nothing was sent
  kSilent,    // no connection, or no answer, in time
};

// What only a node's disk has, as its lease says.
struct LeasedRisk {
  uint64_t bytes = 0;
  Duration age{};
};

struct NodeLeaseStats {
  uint64_t heartbeats = 0;
  uint64_t peers = 0;      // writers that are watched
  Duration oldest_peer{};  // for how long the stillest of them has not moved, as far as was seen
  Duration own_age{};      // since the last heartbeat; 0 if this node has no lease
};

class NodeLeases {
 public:
  enum class Activity : uint8_t { kNone, kIdleWriter, kWriter };

  // `process` is the ProcessName of this one.
  NodeLeases(const Environment& env, std::shared_ptr<ObjectStore> store, std::string process,
             NodeLeaseTimes times = {});

  const std::string& process() const { return process_; }
  // Where other nodes reach this one. Until it is known no lease can be written.
  void SetAddress(std::string address);

  // What only this node's disk has: the next heartbeats say it.
  void SetAtRisk(const LeasedRisk& risk);
  // What `process`, which may be gone, last said of its disk; nullopt if it has no lease.
  Result<std::optional<LeasedRisk>> LastRisk(OpContext& ctx, std::string_view process);

  // Sees that a lease of this process is in the store. Comes before a claim to an epoch.
  Status Ensure(OpContext& ctx);
  // The address of a live process; nullopt for one that is gone: no lease, no sign of life for long enough, or an
  // earlier process of this very node. This process itself is nobody to forward to, so it counts as gone.
  Result<std::optional<std::string>> AddressIfAlive(OpContext& ctx, std::string_view process);
  // Around a request that is sent to `process`. Its context is cancelled when that process turns out to be gone, so
  // that nobody waits for the dead.
  void BeginForward(std::string_view process, OpContext* ctx);
  void EndForward(std::string_view process, OpContext* ctx, ForwardOutcome outcome);

  // Heartbeat, watching, sweeping: what is due. Returns when it wants to be called again, at the latest.
  Result<Duration> Step(OpContext& ctx, Activity activity);
  // Takes the lease away, so that others need not wait. Nothing may be claimed afterwards.
  Status Release(OpContext& ctx);

  NodeLeaseStats stats();

 private:
  struct Peer {
    std::string address;
    uint64_t sequence = 0;
    LeasedRisk risk;
    Duration interval{};
    bool absent = false;  // its leases are gone
    MonotonicTime looked_at{};
    MonotonicTime moved_at{};     // when `sequence` was first seen
    MonotonicTime answered_at{};  // the last answer to a request
    MonotonicTime failed_at{};    // the last request without one
    MonotonicTime failing_since{};
    bool failing = false;  // no answer since failing_since
    bool refused = false;  // the last request was
    MonotonicTime watch_until{};
    std::map<OpContext*, MonotonicTime> under_way;  // requests, and when they began

    MonotonicTime sign_of_life() const { return std::max(moved_at, answered_at); }
  };
  struct Written {
    uint64_t sequence = 0;
    std::string version_id;
  };
  struct Swept {
    uint64_t sequence = 0;
    MonotonicTime since{};
    bool seen = false;
  };

  // The id of the version that was written, where the store has versions.
  Result<std::string> PutLease(OpContext& ctx, const std::string& key, std::string_view bytes)
      AKI_REQUIRES(write_mutex_);
  Status Beat(OpContext& ctx, Duration interval) AKI_REQUIRES(write_mutex_);
  // Reads the newest lease of `process`.
  Status Look(OpContext& ctx, const std::string& process);
  bool IsDead(const Peer& peer) const AKI_REQUIRES(mutex_);
  Status Watch(OpContext& ctx);
  void CancelForDead();
  Status Sweep(OpContext& ctx);
  Status DeleteLeases(OpContext& ctx, std::string_view process);
  // Leaves no version behind if it may: leases come and go all day.
  Status DeleteLease(OpContext& ctx, const std::string& key, const std::string& version_id);

  const Environment env_;
  const std::shared_ptr<ObjectStore> store_;
  const std::string process_;
  const NodeLeaseTimes times_;

  Mutex write_mutex_;  // held over store calls
  uint64_t sequence_ AKI_GUARDED_BY(write_mutex_) = 0;
  Duration promised_ AKI_GUARDED_BY(write_mutex_){};  // when the next heartbeat comes, as the last one says
  bool released_ AKI_GUARDED_BY(write_mutex_) = false;
  std::deque<Written> written_ AKI_GUARDED_BY(write_mutex_);  // what may be in the store
  std::atomic<bool> deletes_versions_{true};                  // until the store refuses to
  std::atomic<int64_t> beat_at_ns_{-1};                       // the last heartbeat; -1: none yet
  std::atomic<uint64_t> heartbeats_{0};

  Mutex mutex_;
  std::string address_ AKI_GUARDED_BY(mutex_);
  LeasedRisk risk_ AKI_GUARDED_BY(mutex_);
  std::map<std::string, Peer, std::less<>> peers_ AKI_GUARDED_BY(mutex_);

  // The lease task only.
  MonotonicTime sweep_at_;
  std::map<std::string, Swept, std::less<>> swept_;
};

}  // namespace akidb
