// The write-ahead log's bytes: file header, group header, records. No I/O here.
//
// Format:  docs/formats/wal.md
// Threads: pure functions.
// Errors:  decoding says which rule the bytes broke; see WalGroupStatus.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"

namespace akidb {

// Numbers are persisted: never reuse one.
enum class WalRecordType : uint8_t {
  kUpsert = 1,  // body: ColumnBatch in the collection's vector type
  kDelete = 2,  // body: id list
};

struct WalRecord {
  CollectionId collection;
  Epoch epoch;
  Lsn lsn;
  WalRecordType type = WalRecordType::kUpsert;
  std::string_view body;  // borrows
};

}  // namespace akidb
