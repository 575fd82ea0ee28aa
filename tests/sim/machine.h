// A simulated machine with its disk, its bucket and what the outside world knows about it; and one life of the database
// process on it. A machine can be copied in the middle of anything, to see what a crash at that moment would leave.
//
// Threads: one.
// Errors:  SimCrash, SimDied and Violation pass through.
#pragma once

#include <memory>

#include "engine/database.h"
#include "model.h"
#include "sim_bucket.h"
#include "sim_disk.h"
#include "sim_executor.h"

namespace akidb::sim {

// kShared: a bucket that several nodes may use, so that logs lie in it and the node's disk holds nothing.
enum class StoreKind : uint8_t { kLocalFs, kBucket, kShared };

struct Machine {
  explicit Machine(uint64_t seed) : world(seed), disk(world, 11), bucket(world, 12) {}
  // A copy for a world of its own; clocks agree, dice do not.
  Machine(const Machine& other, uint64_t seed)
      : world(seed), disk(world, other.disk, 11), bucket(world, other.bucket, 12), model(other.model) {
    world.clock() = other.world.clock();
  }

  World world;
  SimDisk disk;
  SimBucket bucket;
  Model model;
};

// One life of the process: from Open to whatever ends it.
class Process {
 public:
  // Starts on `machine`; an error of Open is `status()`.
  Process(Machine* machine, StoreKind store_kind, const EngineOptions& options, uint64_t random_seed);
  // Ends it, as kill -9 would: nothing is flushed, nothing reaches a device.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // May throw SimCrash or SimDied.
  Status Open();
  bool open() const { return db_ != nullptr; }
  Database& db() { return *db_; }
  SimExecutor& executor() { return executor_; }
  OpContext Context();

 private:
  Status TakeOver(OpContext& ctx);

  Machine* machine_;
  std::shared_ptr<Life> life_ = std::make_shared<Life>();
  StoreKind store_kind_;
  EngineOptions options_;
  std::unique_ptr<FileSystem> fs_;
  SimExecutor executor_;
  Dice random_;
  Environment env_;
  std::shared_ptr<ObjectStore> store_;
  std::unique_ptr<Database> db_;
};

// Reads every collection of an open database.
Result<std::map<std::string, Rows>> ReadDatabase(Process& process);

}  // namespace akidb::sim
