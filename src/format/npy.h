// The header of a .npy file, the format of NumPy's arrays, versions 1 to 3 (NEP 1).
//
// Threads: pure functions.
// Errors:  ParseNpyHeader: kInvalidArgument, saying what is wrong: for bytes that are no such header, a header beyond
//          kNpyHeaderBytesMax, Fortran order, more than two dimensions, or an element type that NpyType lacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/status.h"

namespace akidb {

inline constexpr size_t kNpyHeaderBytesMax = 64 << 10;

enum class NpyType : uint8_t { kF16, kF32, kU8, kI32, kU32, kI64 };  // kU8: also booleans and signed bytes
size_t NpyElementBytes(NpyType type);

struct NpyHeader {
  NpyType type = NpyType::kF32;
  uint64_t rows = 0;
  uint64_t columns = 0;    // 1 for an array of one dimension
  size_t data_offset = 0;  // of the first element, which is little-endian, rows first
};

// `bytes` is the beginning of the file, at least kNpyHeaderBytesMax of it if it is that long.
Result<NpyHeader> ParseNpyHeader(std::string_view bytes);

}  // namespace akidb
