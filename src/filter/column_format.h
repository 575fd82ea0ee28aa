// Payload columns as bytes: the tree of paths, and the body of one column.
//
// Format:  docs/formats/payload_columns.md
// Threads: pure functions.
// Errors:  decoding: kDataLoss saying what is wrong. Whoever keeps the bytes has verified a checksum before.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "filter/column.h"

namespace akidb::filter {

// A body has at most so many bytes: a writer gives up a dictionary or lists before they get there.
inline constexpr uint64_t kColumnBodyBytesMax = 1ull << 30;

std::string EncodeColumnTree(const ColumnTree& tree);
Result<ColumnTree> DecodeColumnTree(std::string_view bytes);

std::string EncodeColumn(const Column& column);
// A column of `row_count` rows.
Result<Column> DecodeColumn(std::string_view bytes, uint32_t row_count);

}  // namespace akidb::filter
