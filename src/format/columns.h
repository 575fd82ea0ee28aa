// A batch of rows as little-endian columns: the body of a WAL upsert record and of the bulk content type
// application/vnd.akidb.columns. One encoding for both, so that a bulk request can go to the log without re-encoding.
//
// Format:  docs/formats/columns.md
// Threads: values; a decoded batch borrows the bytes it was decoded from.
// Errors:  DecodeColumns: kInvalidArgument naming field, value and limit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/status.h"
#include "base/vector_types.h"

namespace akidb {

// All views borrow. ids.size() is the row count; payloads has the same length; an empty payload means {}.
struct ColumnBatch {
  VectorType type = VectorType::kF32;
  uint32_t dim = 0;
  std::vector<std::string_view> ids;
  std::string_view vectors;                // row-major, ids.size() * dim * ElementBytes(type) bytes, may be unaligned
  std::string_view scales;                 // kInt8: ids.size() float32 values; else empty
  std::vector<std::string_view> payloads;  // JSON objects as text
};

inline constexpr std::string_view kColumnsContentType = "application/vnd.akidb.columns";

// Requires a consistent batch (our bug otherwise).
std::string EncodeColumns(const ColumnBatch& batch);
// Checks structure and limits (row count, dim, id length, payload size), not the meaning: ids' UTF-8, finite floats
// and JSON validity are the engine's validation.
Result<ColumnBatch> DecodeColumns(std::string_view bytes, const Limits& limits);

// A list of ids: the body of a WAL delete record.
std::string EncodeIdList(const std::vector<std::string_view>& ids);
Result<std::vector<std::string_view>> DecodeIdList(std::string_view bytes, const Limits& limits);

}  // namespace akidb
