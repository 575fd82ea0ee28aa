// What a write asks for and what it gets.
//
// Threads: values.
// Errors:  see Collection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "format/collection_spec.h"

namespace akidb {

enum class WriteMode : uint8_t { kUpsert, kInsert, kUpdate };
enum class BatchPolicy : uint8_t { kAllOrNothing, kPartial };

// Rows as a client sent them; all views borrow from the request. The engine checks dim.
struct WriteRows {
  std::vector<std::string_view> ids;
  // Row-major float32, ids.size() * dim elements.
  const float* vectors = nullptr;
  uint32_t dim = 0;
  std::vector<std::string_view> payloads;  // JSON text of an object, already syntax-checked; empty means {}
};

// Where a write stands: the token of read-your-writes.
struct Position {
  Epoch epoch;
  ManifestVersion version;
  Lsn lsn;

  std::string ToToken() const;  // opaque for clients
  static Result<Position> FromToken(std::string_view token);
};

// One refused row of a partial batch.
struct RowError {
  size_t index = 0;
  Status status;
};

// The rows are applied and in the log's pending group; they are durable, and visible, once `position.lsn` is
// (Collection::NotifyDurable). A write that changed nothing carries
// the LSN of the last write it took into account, or, on a shared store, one of its own.
struct WriteReceipt {
  Position position;
  uint64_t affected = 0;         // rows written, or ids that existed and were deleted
  std::vector<RowError> errors;  // kPartial only
};

}  // namespace akidb
