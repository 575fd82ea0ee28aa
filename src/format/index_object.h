// What an index of one segment stores, as an object: which segment and kind it is of, the kind's own bytes, a checksum.
//
// Format:  docs/formats/index_object.md
// Threads: pure functions.
// Errors:  DecodeIndexObject: kDataLoss; kUnimplemented for another version. The checksum is verified before anything
//          is parsed; the body is the kind's to parse.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace akidb {

inline constexpr uint64_t kIndexObjectBytesMax = 16ull << 30;

// Requires a kind of at most 64 bytes and a segment id of at most 65,535.
std::string EncodeIndexObject(std::string_view segment_id, std::string_view kind, uint32_t row_count,
                              std::string_view body);
// The body, a view of `bytes`. Refuses what was made for another segment, kind or row count.
Result<std::string_view> DecodeIndexObject(std::string_view bytes, std::string_view segment_id, std::string_view kind,
                                           uint32_t row_count);

}  // namespace akidb
