// The file that gives a data directory's log its identity (format/disk_id.h).
//
// Threads: one thread, before the log is opened.
// Errors:  kFailedPrecondition (reason "wrong_data_dir"): the directory's log belongs to another store; kDataLoss for a
//          damaged file; those of files.
#pragma once

#include <optional>
#include <string>

#include "base/environment.h"
#include "base/status.h"

namespace akidb {

// The identity of the log in `wal_dir`, which may not exist; nullopt if it has none. `store` is the one that is served.
Result<std::optional<std::string>> FindDiskId(FileSystem& fs, const std::string& wal_dir, const std::string& store);
// Gives the log one, unless it has: durable when this returns. Refuses a directory that holds a log without one.
Result<std::string> EnsureDiskId(const Environment& env, const std::string& wal_dir, const std::string& store);

}  // namespace akidb
