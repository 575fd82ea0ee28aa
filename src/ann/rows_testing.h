// Rows in memory for tests of this folder, and queries beside them.
//
// Threads: immutable after construction.
// Errors:  none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "base/clock.h"
#include "base/vector_types.h"

namespace akidb {

class FixedClock final : public Clock {
 public:
  MonotonicTime Now() override { return MonotonicTime(Duration(1000)); }
  WallTime WallNow() override { return {}; }
};

// Stored rows of any type with all that a view needs.
class StoredTestRows {
 public:
  StoredTestRows(VectorType type, uint32_t dim, const std::vector<float>& values);
  VectorRows view() const;

 private:
  VectorType type_;
  uint32_t dim_;
  std::vector<std::byte> data_;
  std::vector<float> scales_, inv_norms_;
};

std::vector<float> NormalFloats(uint64_t seed, size_t n);
// Clusters with a power-law spectrum, as embeddings have. The same centres for the same dim.
std::vector<float> ClusteredFloats(uint64_t seed, uint32_t rows, uint32_t dim);

}  // namespace akidb
