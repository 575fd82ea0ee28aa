// A disk in memory that behaves as badly as POSIX lets a disk behave, and worse on request.
// Bytes written become durable by Sync only, names by SyncDir only; at a power loss each un-synced 512-byte sector
// independently keeps its old content or any content written since, and any subset of un-synced name changes survives.
//
// Threads: one.
// Errors:  those of FileSystem; faults are drawn from the disk's own dice.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "run.h"
#include "sim_world.h"

namespace akidb::sim {

inline constexpr uint64_t kSectorBytes = 512;

// How often (parts per million of the operations concerned) and in which way the disk fails.
struct DiskFaults {
  uint32_t read_error_ppm = 0;
  uint32_t write_error_ppm = 0;  // nothing written
  uint32_t short_write_ppm = 0;  // a part written, then an error
  uint32_t sync_error_ppm = 0;   // dirty pages become clean whether or not they reached the disk
  uint32_t dir_sync_error_ppm = 0;
  uint64_t capacity_bytes = UINT64_MAX;
  // Lies: a correct engine cannot survive these, and the checker must see it.
  uint32_t drop_sync_ppm = 0;     // Sync says OK and does nothing
  uint32_t forget_names_ppm = 0;  // SyncDir says OK and does nothing
  uint32_t stale_read_ppm = 0;    // a read gives what the sectors held before their last sync
};

// Adds the lies of a disk to `faults`; those of a store change nothing here.
void Lying(DiskFaults* faults, Lie lie);

// A file's bytes as read now, as they survive a power loss, and everything in between.
struct SimInode {
  bool is_dir = false;
  std::string current;
  std::string durable;
  std::map<uint64_t, std::vector<std::string>> dirty;  // sector -> every content since the last sync
  struct Length {
    uint64_t size;
    uint64_t smallest_since_sync;
  };
  std::vector<Length> resizes;            // un-synced lengths, in order
  std::set<uint64_t> lost;                // clean in the cache, never written: a failed sync dropped them
  std::map<uint64_t, std::string> stale;  // content before the last sync

  void Write(uint64_t offset, std::string_view data);
  void Resize(uint64_t size);
  void MakeDurable(bool remember_stale);
};

class SimDisk {
 public:
  SimDisk(World& world, uint64_t stream);
  // A copy of everything on `other`, cached or durable, for a world that branches off. Open handles stay behind.
  SimDisk(World& world, const SimDisk& other, uint64_t stream);

  // The disk as one life of the process sees it.
  std::unique_ptr<FileSystem> Mount(std::shared_ptr<Life> life);

  DiskFaults& faults() { return faults_; }
  uint64_t faults_injected() const { return faults_injected_; }

  // Power goes: caches are gone, some un-synced state survives. Locks are released.
  void LosePower();
  // The process ends and the machine goes on: caches stay, except pages that a failed sync left clean, which may be
  // read from the disk again. Locks are released.
  void EndProcess();

  // Flips one bit of `path`, in cache and on disk.
  void FlipBit(const std::string& path, uint64_t bit);
  std::vector<std::string> Files() const;
  uint64_t SizeOf(const std::string& path) const { return names_.at(path)->current.size(); }

 private:
  friend class SimFile;
  friend class SimFileSystem;
  friend class SimLock;

  using Names = std::map<std::string, std::shared_ptr<SimInode>>;
  // One atomic change of the name space: each path gets an inode or goes.
  struct NameChange {
    std::vector<std::pair<std::string, std::shared_ptr<SimInode>>> sets;
  };

  void Change(NameChange change);
  void SyncNames(const std::string& dir);
  static void Apply(const std::pair<std::string, std::shared_ptr<SimInode>>& set, Names* names);
  static void DropOrphans(Names* names);
  void LosePowerOfFile(SimInode* inode);
  void FailSync(SimInode* inode);
  uint64_t UsedBytes() const;
  bool Fault(uint32_t ppm, std::string_view what);

  World* world_;
  Dice dice_;
  DiskFaults faults_;
  uint64_t faults_injected_ = 0;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> pending_;
  std::map<std::string, std::string> locks_;  // path -> holder's note
};

}  // namespace akidb::sim
