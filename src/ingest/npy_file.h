// Vectors, row numbers and masks from .npy files.
//
// Threads: functions and values.
// Errors:  those of the file system; kInvalidArgument for a file that is not what is asked for, naming it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/huge_arena.h"
#include "base/status.h"
#include "base/vector_types.h"

namespace akidb {

struct FloatMatrix {
  uint32_t rows = 0;
  uint32_t columns = 0;
  std::vector<float> values;  // rows first
  const float* Row(uint32_t row) const { return values.data() + static_cast<size_t>(row) * columns; }
};

// Rows as an open segment has them.
struct StoredVectors {
  VectorRows view;
  HugeArena data;
  std::vector<float> scales;
  std::vector<float> inv_norms;
};

Result<FloatMatrix> ReadNpyFloats(FileSystem& fs, const std::string& path);
// Converted to `type` piece by piece.
Result<StoredVectors> ReadNpyVectors(FileSystem& fs, const std::string& path, VectorType type);

struct IdMatrix {
  uint32_t rows = 0;
  uint32_t columns = 0;
  std::vector<int64_t> values;
};
Result<IdMatrix> ReadNpyIds(FileSystem& fs, const std::string& path);
// One byte a row.
Result<std::vector<uint8_t>> ReadNpyMask(FileSystem& fs, const std::string& path);

}  // namespace akidb
