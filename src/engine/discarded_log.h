// Records of the node's log that a rebind took away: put aside, in a log of their own that `akidb wal inspect` reads,
// before the node's log lets them go. They are not applied anywhere: their ids may have been written again since.
//
// Threads:    one thread.
// Errors:     those of files and of the log.
// Durability: what is reported is on disk.
// Format:     docs/formats/wal.md, in DATA_DIR/wal-discarded/<collection>.<first LSN>-<last LSN>/
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/environment.h"
#include "wal/wal.h"

namespace akidb {

struct DiscardedRecords {
  std::string dir;
  Lsn first;
  Lsn last;
  uint64_t count = 0;
  uint64_t bytes = 0;
  bool fresh = false;  // not put aside before
};

// Puts aside what `log` holds of `collection` and `lost` says of. nullopt if that is nothing.
Result<std::optional<DiscardedRecords>> PutAside(OpContext& ctx, const Environment& env, Wal& log,
                                                 CollectionId collection, const std::function<bool(Epoch, Lsn)>& lost,
                                                 const std::string& data_dir, uint64_t file_bytes);

}  // namespace akidb
