// Walks the log's files in order, replays what survived and decides between torn tail and corruption (I5).
// It only reads: recovery and `akidb wal inspect` are this one walk.
//
// Threads:    one walk, one thread; nobody may write the directory meanwhile.
// Errors:     kDataLoss naming file and offset; kFailedPrecondition for a newer format; I/O errors; the visitor's.
// Invariants: 1. Records come in LSN order, each at most once, only from below the end a later file claims.
//             2. A group that cannot be read ends the walk silently only if nothing later claims it was synced.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "format/wal_format.h"
#include "wal/wal_reader.h"

namespace akidb {

// What the walk found in one file.
struct WalFileScan {
  std::string name;
  uint64_t sequence = 0;
  uint64_t size_bytes = 0;
  std::optional<WalFileHeader> header;                   // empty if it cannot be read
  std::optional<uint64_t> claimed_end;                   // as a later file's header says
  uint64_t end = 0;                                      // of the valid groups
  WalGroupStatus end_status = WalGroupStatus::kNoGroup;  // what lies there
  uint64_t groups = 0;
  uint64_t last_group_offset = 0;  // of the last valid group; 0 if there is none
  uint64_t records = 0;
  Lsn first_lsn;  // of the records; 0 if there are none
  Lsn last_lsn;
  Status status;  // why the file is refused
};

struct WalScan {
  std::vector<WalFileScan> files;  // in order of sequence
  Lsn next_lsn{1};                 // greater than every LSN the log has handed out, as far as it knows
  uint64_t records = 0;

  // The last file that holds records; null if none does.
  const WalFileScan* last_with_records() const;
  uint64_t max_sequence() const { return files.empty() ? 0 : files.back().sequence; }
  // The first reason to refuse the log.
  Status status() const;
};

struct WalScanOptions {
  std::function<Status(const WalRecord&)> on_record;                                      // may be empty
  std::function<void(const WalFileScan&, const WalGroupHeader&, Lsn last_lsn)> on_group;  // may be empty
  // Looks at the files behind a refused one too, for people who want to see all of the damage.
  enum class AfterError : uint8_t { kStop, kGoOn } after_error = AfterError::kStop;
};

// `names` are the directory's entries. An error is one of I/O or of the visitor; damage is in WalScan::status().
Result<WalScan> ScanWal(FileSystem& fs, const std::string& dir, const std::vector<std::string>& names,
                        const WalScanOptions& options);

}  // namespace akidb
