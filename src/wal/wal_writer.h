// Puts groups on disk one after the other and starts files with the link that later proves where the last one ended.
//
// Threads:    one caller at a time: the committing thread.
// Errors:     none come back: a failed write or sync ends the process (I4).
// Durability: when Start or Write returns, what it wrote survives any crash.
// Invariants: 1. At most one group is on disk un-synced, so a torn one is always the last.
//             2. A file has its .wal name only after its header is synced.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "format/wal_format.h"
#include "wal/wal_file.h"

namespace akidb {

// A file that records are reserved in; `file` is a spare until the writer starts it.
struct WalTarget {
  uint64_t sequence = 0;
  std::unique_ptr<WalFile> file;
};

// Records that become durable together.
struct WalGroup {
  std::shared_ptr<WalTarget> target;
  uint64_t offset = 0;
  Lsn first_lsn;
  Lsn last_lsn;
  uint32_t record_count = 0;
  std::string bytes;  // room for the group header, then records

  // End in the file if `more_bytes` of records are added.
  uint64_t EndWith(uint64_t more_bytes) const {
    return offset + WalGroupBytes(bytes.size() - kWalGroupHeaderBytes + more_bytes);
  }
};

class WalWriter {
 public:
  // `prev` describes the last file with records; its first_lsn and prev_ fields do not matter.
  WalWriter(const WalDir& dir, const WalFileHeader& prev, uint64_t prev_end)
      : dir_(dir), header_(prev), end_(prev_end) {}

  // Makes `target` the file that groups go to.
  void Start(std::shared_ptr<WalTarget> target, Lsn first_lsn);
  // Starts the group's file if it is a new one, then writes and syncs the group.
  void Write(WalGroup& group);

 private:
  const WalDir& dir_;
  WalFileHeader header_;  // of the current file
  uint64_t seed_ = 0;
  uint64_t end_;  // everything below is synced
  std::shared_ptr<WalTarget> current_;
};

}  // namespace akidb
