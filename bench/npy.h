// Vectors from .npy files, for benchmarks.
//
// Threads: functions and values.
// Errors:  the process ends with a message.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/huge_arena.h"
#include "base/vector_types.h"

namespace akidb {

[[noreturn]] void BenchFail(const std::string& message);

struct Matrix {
  uint32_t rows = 0;
  uint32_t dim = 0;
  std::vector<float> values;
};

// A C-order matrix of '<f4' or '<f2', version 1.
Matrix ReadNpy(const std::string& path);

// Rows as an open segment has them.
struct StoredRows {
  VectorRows view;
  HugeArena data;
  std::vector<float> scales;
  std::vector<float> inv_norms;
};
void StoreRows(const Matrix& matrix, VectorType type, StoredRows* out);

}  // namespace akidb
