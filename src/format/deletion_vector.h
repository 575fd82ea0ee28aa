// The deleted rows of one segment as bytes: a header, a roaring bitmap in the portable layout, a checksum.
//
// Format:  docs/formats/deletion_vector.md
// Threads: pure functions.
// Errors:  DecodeDeletionVector: kDataLoss; the checksum is verified before the bitmap is parsed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"

namespace akidb {

// `rows` ascending and unique, each < row_count. Deterministic: equal input gives equal bytes.
std::string EncodeDeletionVector(std::string_view segment_id, uint32_t row_count, const std::vector<RowIndex>& rows);
// Refuses a vector made for another segment or another row count.
Result<std::vector<RowIndex>> DecodeDeletionVector(std::string_view bytes, std::string_view segment_id,
                                                   uint32_t row_count);

}  // namespace akidb
