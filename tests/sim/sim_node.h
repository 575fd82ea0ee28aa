// One node of several on a bucket: a machine with its own disk, clocks and line to the bucket, and one life after the
// other of the database process on it.
//
// Threads: one.
// Errors:  SimCrash, SimDied and what the line's functions throw pass through.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "engine/database.h"
#include "sim_disk.h"
#include "sim_executor.h"
#include "wire.h"

namespace akidb::sim {

// The world's time with an offset of the node's own, and a wall clock that jumps.
class NodeClock final : public Clock {
 public:
  NodeClock(SimClock& base, Duration offset) : base_(&base), offset_(offset) {}
  MonotonicTime Now() override { return stopped_at_.value_or(base_->Now() + offset_); }
  WallTime WallNow() override { return base_->WallNow() + wall_offset_; }
  void JumpWall(Duration by) { wall_offset_ += by; }
  // As a clock that stands still while its machine does: what passes between the two is not counted.
  void Stop() { stopped_at_ = Now(); }
  void GoOn() {
    if (stopped_at_) offset_ = *stopped_at_ - base_->Now();
    stopped_at_.reset();
  }

 private:
  SimClock* base_;
  Duration offset_;
  Duration wall_offset_{};
  std::optional<MonotonicTime> stopped_at_;
};

// Of one request to a node: ends in time.
class NodeContext : public OpContext {
 public:
  NodeContext(Clock& clock, Duration timeout) : OpContext(clock) { set_timeout(timeout); }
};

// What a node's disk holds of its own log, as the next start will find it.
struct LogOnDisk {
  std::string disk;  // its identity; empty if the node has no log
  std::set<std::tuple<CollectionId, Epoch, Lsn>> records;
};

class Node {
 public:
  // `options` without data_dir, node and shared_store, which the node knows.
  Node(World& world, SimBucket& bucket, const std::string& name, const EngineOptions& options, uint64_t seed);
  ~Node() { Kill(); }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const std::string& name() const { return options_.node; }

  // What requests meet on this node's line, in this life and later ones.
  void set_outbound(Wire::Outbound outbound);
  void set_inbound(Wire::Inbound inbound);

  // A new life: opens the database. After an error it is over.
  Status Start();
  bool up() const { return db_ != nullptr; }
  // Lets the next request throw SimCrash; Kill() must follow once the stack is unwound.
  void Doom() { life_->alive = false; }
  bool doomed() const { return !life_->alive; }
  // As kill -9, or a power cut when `power_lost`. Not from inside a call of the database.
  void Kill(bool power_lost = false);

  // Between two lives, with the product's own reader. Violation if that refuses it.
  LogOnDisk ReadLog();
  // Whether the disk is the one that `home` names.
  bool IsAt(const Home& home);

  Database& db() { return *db_; }
  SimExecutor& executor() { return *executor_; }
  NodeClock& clock() { return clock_; }
  SimDisk& disk() { return disk_; }
  NodeContext Context(Duration timeout = std::chrono::seconds(60)) { return {clock_, timeout}; }

 private:
  std::string WalDir() const { return options_.data_dir + "/wal"; }
  std::string DiskId(FileSystem& fs);

  World* world_;
  SimBucket* bucket_;
  EngineOptions options_;
  SimDisk disk_;
  NodeClock clock_;
  Dice random_;
  Wire::Outbound outbound_;
  Wire::Inbound inbound_;

  std::shared_ptr<Life> life_ = std::make_shared<Life>();
  std::unique_ptr<FileSystem> fs_;
  std::unique_ptr<SimExecutor> executor_;
  std::shared_ptr<Wire> wire_;
  std::unique_ptr<Database> db_;
};

}  // namespace akidb::sim
