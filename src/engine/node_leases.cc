#include "engine/node_leases.h"

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "format/node_lease.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr uint32_t kLeasesListed = 1000;
// The newest one is read after it was listed; the one before it stays until then.
constexpr size_t kLeasesKept = 2;
// What nobody asked about for so long is forgotten.
constexpr Duration kForgetAfter = std::chrono::hours(1);
constexpr int kPutAttempts = 3;  // of a heartbeat whose answer was lost

}  // namespace

NodeLeases::NodeLeases(const Environment& env, std::shared_ptr<ObjectStore> store, std::string process,
                       NodeLeaseTimes times)
    : env_(env),
      store_(std::move(store)),
      process_(std::move(process)),
      times_(times),
      sweep_at_(env.clock->Now() + times.sweep_pause) {}

void NodeLeases::SetAddress(std::string address) {
  MutexLock lock(mutex_);
  address_ = std::move(address);
}

void NodeLeases::SetAtRisk(const LeasedRisk& risk) {
  MutexLock lock(mutex_);
  risk_ = risk;
}

Result<std::optional<LeasedRisk>> NodeLeases::LastRisk(OpContext& ctx, std::string_view process) {
  if (process.empty()) return std::nullopt;
  AKI_RETURN_IF_ERROR(Look(ctx, std::string(process)));
  MutexLock lock(mutex_);
  const auto found = peers_.find(process);
  const bool said = found != peers_.end() && found->second.sequence > 0;
  return said ? std::optional(found->second.risk) : std::nullopt;
}

Status NodeLeases::Beat(OpContext& ctx, Duration interval) {
  if (released_) return Unavailable("this node is stopping");
  NodeLease lease;
  lease.node = NodeOfProcess(process_);
  lease.incarnation = process_.substr(lease.node.size() + 1);
  lease.sequence = sequence_ + 1;
  {
    MutexLock lock(mutex_);
    lease.address = address_;
    lease.at_risk_bytes = risk_.bytes;
    lease.at_risk_ms = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(risk_.age).count());
  }
  if (lease.address.empty()) return Unavailable("this node is starting");
  lease.interval_ms = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(interval).count());
  lease.written_at = FormatRfc3339(env_.clock->WallNow());
  AKI_ASSIGN_OR_RETURN(std::string version_id,
                       PutLease(ctx, LeaseKey(process_, lease.sequence), EncodeNodeLease(lease)));
  sequence_ = lease.sequence;
  promised_ = interval;
  written_.push_back({sequence_, std::move(version_id)});
  beat_at_ns_.store(env_.clock->Now().time_since_epoch().count(), std::memory_order_relaxed);
  heartbeats_.fetch_add(1, std::memory_order_relaxed);
  while (written_.size() > kLeasesKept) {
    const Written& oldest = written_.front();
    if (!DeleteLease(ctx, LeaseKey(process_, oldest.sequence), oldest.version_id).ok()) break;  // next time
    written_.pop_front();
  }
  return OkStatus();
}

// Nobody else has this process's name: what is there came from an earlier try, so it may be tried again.
Result<std::string> NodeLeases::PutLease(OpContext& ctx, const std::string& key, std::string_view bytes) {
  Status status;
  for (int attempt = 0; attempt < kPutAttempts; ++attempt) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    const auto put = store_->Put(ctx, key, bytes, PutCondition::IfAbsent());
    if (put) return put->version_id;
    status = put.error();
    if (status.code() == StatusCode::kAborted) {
      // Without its id the version is left to whoever cleans the bucket.
      const auto there = store_->Head(ctx, key);
      return there ? there->version_id : std::string();
    }
    if (status.effect() != Effect::kUnknown) break;
  }
  return std::unexpected(std::move(status));
}

Status NodeLeases::DeleteLease(OpContext& ctx, const std::string& key, const std::string& version_id) {
  if (version_id.empty() || !deletes_versions_.load(std::memory_order_relaxed)) return store_->Delete(ctx, key);
  const Status deleted = store_->DeleteVersion(ctx, key, version_id);
  if (deleted.ok() || deleted.retry() != Retry::kNever) return deleted;
  // No right to, or the bucket's default retention holds it.
  deletes_versions_.store(false, std::memory_order_relaxed);
  Log(LogLevel::kWarn, "versions of leases stay in the bucket until a lifecycle rule removes them",
      {{"error", deleted.ToString()}});
  return store_->Delete(ctx, key);
}

Status NodeLeases::Ensure(OpContext& ctx) {
  MutexLock lock(write_mutex_);
  const int64_t last = beat_at_ns_.load(std::memory_order_relaxed);
  const bool recent = last >= 0 && env_.clock->Now() - MonotonicTime(Duration(last)) < 2 * times_.idle_beat;
  if (recent && !released_) return OkStatus();
  // None yet, or so old that somebody may have swept it away.
  return Beat(ctx, times_.beat);
}

Status NodeLeases::Release(OpContext& ctx) {
  MutexLock lock(write_mutex_);
  released_ = true;
  while (!written_.empty()) {
    const Written& oldest = written_.front();
    AKI_RETURN_IF_ERROR(DeleteLease(ctx, LeaseKey(process_, oldest.sequence), oldest.version_id));
    written_.pop_front();
  }
  return OkStatus();
}

Status NodeLeases::Look(OpContext& ctx, const std::string& process) {
  uint64_t newest = 0;
  AKI_ASSIGN_OR_RETURN(const ListPage page, store_->List(ctx, LeasePrefix(process), "", kLeasesListed));
  for (const ObjectMeta& object : page.objects) {
    const auto name = ParseLeaseKey(object.key);
    if (name && name->node == process) newest = std::max(newest, name->number);
  }
  const MonotonicTime now = env_.clock->Now();
  {
    MutexLock lock(mutex_);
    Peer& peer = peers_[process];
    peer.absent = newest == 0;
    peer.looked_at = now;
    if (newest <= peer.sequence) return OkStatus();
  }
  AKI_ASSIGN_OR_RETURN(const ObjectBody body, store_->Get(ctx, LeaseKey(process, newest), kNodeLeaseBytesMax));
  AKI_ASSIGN_OR_RETURN(const NodeLease lease, DecodeNodeLease(body.bytes));
  MutexLock lock(mutex_);
  Peer& peer = peers_[process];
  if (newest <= peer.sequence) return OkStatus();
  peer.sequence = newest;
  peer.address = lease.address;
  peer.risk = {lease.at_risk_bytes, std::chrono::milliseconds(lease.at_risk_ms)};
  peer.interval = std::chrono::milliseconds(lease.interval_ms);
  peer.moved_at = now;
  return OkStatus();
}

bool NodeLeases::IsDead(const Peer& peer) const {
  if (peer.absent) return true;
  // Only a look proves that a lease did not move, so what counts is the time up to the last one.
  const Duration still = peer.looked_at - peer.sign_of_life();
  if (peer.failing && peer.refused && still >= times_.refused_after) return true;
  // Twice and a half its own interval, because a heartbeat may be late.
  if (still >= std::max(times_.dead_after, peer.interval * 5 / 2)) return true;
  return peer.failing && peer.failed_at - peer.failing_since >= times_.unreachable_after;
}

Result<std::optional<std::string>> NodeLeases::AddressIfAlive(OpContext& ctx, std::string_view process) {
  if (process.empty() || NodeOfProcess(process) == NodeOfProcess(process_)) return std::nullopt;
  const std::string name(process);
  const MonotonicTime now = env_.clock->Now();
  bool look = false;
  bool known = false;
  {
    MutexLock lock(mutex_);
    const auto found = peers_.find(process);
    known = found != peers_.end() && found->second.sequence > 0;
    look = !known ||
           ((found->second.failing || found->second.absent) && now - found->second.looked_at >= times_.look_pause);
  }
  if (look) {
    // Whoever is known and cannot be looked at is judged by what was seen of it.
    if (Status looked = Look(ctx, name); !looked.ok() && !known) return std::unexpected(std::move(looked));
  }
  MutexLock lock(mutex_);
  Peer& peer = peers_[name];
  if (IsDead(peer)) return std::nullopt;
  peer.watch_until = now + times_.watch_for;
  return peer.address;
}

void NodeLeases::BeginForward(std::string_view process, OpContext* ctx) {
  MutexLock lock(mutex_);
  peers_[std::string(process)].under_way.emplace(ctx, env_.clock->Now());
}

void NodeLeases::EndForward(std::string_view process, OpContext* ctx, ForwardOutcome outcome) {
  const MonotonicTime now = env_.clock->Now();
  MutexLock lock(mutex_);
  Peer& peer = peers_[std::string(process)];
  const auto under_way = peer.under_way.extract(ctx);
  const MonotonicTime began = under_way ? under_way.mapped() : now;
  peer.watch_until = now + times_.watch_for;
  if (outcome == ForwardOutcome::kAnswered) {
    peer.answered_at = now;
    peer.failing = peer.refused = false;
    return;
  }
  // Two failures that lie far apart are not one long one.
  if (!peer.failing || now - peer.failed_at >= times_.unreachable_after) {
    peer.failing_since = std::max(began, peer.answered_at);
  }
  peer.failing = true;
  peer.failed_at = now;
  peer.refused = outcome == ForwardOutcome::kRefused;
}

Status NodeLeases::Watch(OpContext& ctx) {
  const MonotonicTime now = env_.clock->Now();
  std::vector<std::string> due;
  {
    MutexLock lock(mutex_);
    std::erase_if(peers_, [&](const auto& entry) {
      const Peer& peer = entry.second;
      return peer.under_way.empty() && now - std::max(peer.looked_at, peer.watch_until) >= kForgetAfter;
    });
    for (const auto& [name, peer] : peers_) {
      const bool wanted = now < peer.watch_until || !peer.under_way.empty();
      if (wanted && now - peer.looked_at >= times_.watch_pause) due.push_back(name);
    }
  }
  Status first;
  for (const std::string& name : due) {
    if (Status looked = Look(ctx, name); !looked.ok() && first.ok()) first = std::move(looked);
  }
  return first;
}

void NodeLeases::CancelForDead() {
  MutexLock lock(mutex_);
  for (const auto& [name, peer] : peers_) {
    if (peer.under_way.empty() || !IsDead(peer)) continue;
    for (const auto& [ctx, began] : peer.under_way) ctx->Cancel();
  }
}

Status NodeLeases::DeleteLeases(OpContext& ctx, std::string_view process) {
  AKI_ASSIGN_OR_RETURN(const ListPage page, store_->List(ctx, LeasePrefix(process), "", kLeasesListed));
  for (const ObjectMeta& object : page.objects) {
    // A listing names no versions.
    const auto there = store_->Head(ctx, object.key);
    if (!there && there.error().code() != StatusCode::kNotFound) return there.error();
    if (there) AKI_RETURN_IF_ERROR(DeleteLease(ctx, object.key, there->version_id));
  }
  return OkStatus();
}

Status NodeLeases::Sweep(OpContext& ctx) {
  const MonotonicTime now = env_.clock->Now();
  for (auto& [name, swept] : swept_) swept.seen = false;
  std::string after;
  while (true) {
    AKI_ASSIGN_OR_RETURN(const ListPage page, store_->List(ctx, std::string(kNodesPrefix), after, kLeasesListed));
    for (const ObjectMeta& object : page.objects) {
      const auto name = ParseLeaseKey(object.key);
      if (!name || name->node == process_) continue;
      Swept& swept = swept_[name->node];
      if (name->number > swept.sequence) {
        swept.sequence = name->number;
        swept.since = now;
      }
      swept.seen = true;
    }
    if (!page.truncated || page.objects.empty()) break;
    after = page.objects.back().key;
  }
  std::erase_if(swept_, [](const auto& entry) { return !entry.second.seen; });
  for (const auto& [name, swept] : swept_) {
    // An earlier process of this node is gone for certain: its data directory is locked by this one.
    const bool own = NodeOfProcess(name) == NodeOfProcess(process_);
    if (own || now - swept.since >= times_.sweep_after) AKI_RETURN_IF_ERROR(DeleteLeases(ctx, name));
  }
  return OkStatus();
}

Result<Duration> NodeLeases::Step(OpContext& ctx, Activity activity) {
  const MonotonicTime now = env_.clock->Now();
  Status first = Watch(ctx);
  CancelForDead();
  if (activity != Activity::kNone) {
    const Duration interval = activity == Activity::kWriter ? times_.beat : times_.idle_beat;
    MutexLock lock(write_mutex_);
    const int64_t last = beat_at_ns_.load(std::memory_order_relaxed);
    // A little early rather than late, because steps come when a thread is free; and never later than promised.
    const Duration due = std::min(interval, promised_) * 7 / 8;
    if (!released_ && (last < 0 || now - MonotonicTime(Duration(last)) >= due)) {
      if (Status beaten = Beat(ctx, interval); !beaten.ok() && first.ok()) first = std::move(beaten);
    }
  }
  if (activity != Activity::kNone && now >= sweep_at_) {
    sweep_at_ = now + times_.sweep_pause;
    if (Status swept = Sweep(ctx); !swept.ok() && first.ok()) first = std::move(swept);
  }
  if (!first.ok()) return std::unexpected(std::move(first));
  return times_.watch_pause / 2;
}

NodeLeaseStats NodeLeases::stats() {
  const MonotonicTime now = env_.clock->Now();
  NodeLeaseStats out;
  out.heartbeats = heartbeats_.load(std::memory_order_relaxed);
  const int64_t last = beat_at_ns_.load(std::memory_order_relaxed);
  if (last >= 0) out.own_age = now - MonotonicTime(Duration(last));
  MutexLock lock(mutex_);
  for (const auto& [name, peer] : peers_) {
    if (now >= peer.watch_until) continue;
    ++out.peers;
    out.oldest_peer = std::max(out.oldest_peer, peer.looked_at - peer.moved_at);
  }
  return out;
}

}  // namespace akidb
