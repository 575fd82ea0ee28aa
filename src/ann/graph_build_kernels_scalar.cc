// The oracle of the other instruction sets, and what runs where there are none.
#include "ann/graph_vectors.inc"

#include "ann/graph_build_kernels.h"

namespace akidb {
namespace {

struct V {
  static int32_t SumOf(const int8_t* a, uint32_t dim) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < dim; ++i) sum += a[i];
    return sum;
  }
  static int32_t Dot(const int8_t* a, const int8_t* b, uint32_t dim) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < dim; ++i) sum += a[i] * b[i];
    return sum;
  }
  static void Dots4(const int8_t* a, const int8_t* const b[4], uint32_t dim, int32_t* out) {
    for (uint32_t j = 0; j < 4; ++j) out[j] = Dot(a, b[j], dim);
  }
  static void ChosenDots4(const int8_t* a, const int8_t* b, const int32_t*, uint32_t dim, int32_t* out) {
    for (uint32_t j = 0; j < 4; ++j) out[j] = Dot(a, b + static_cast<size_t>(j) * dim, dim);
  }
  static void PrepareRow(const int8_t* row, uint32_t dim, uint8_t* room) { __builtin_memcpy(room, row, dim); }
  static void TileDots(const uint8_t* room, const int8_t* tile, const int32_t*, uint32_t dim, int32_t* out,
                       size_t stride) {
    for (uint32_t i = 0; i < kTileRows; ++i) {
      const void* row = room + static_cast<size_t>(i) * dim;
      const auto* a = static_cast<const int8_t*>(row);
      for (uint32_t j = 0; j < kTileColumns; ++j) {
        int32_t sum = 0;
        for (uint32_t k = 0; k < dim; k += 4) {
          const int8_t* b = tile + static_cast<size_t>(k) * kTileColumns + static_cast<size_t>(j) * 4;
          for (uint32_t l = 0; l < 4; ++l) sum += a[k + l] * b[l];
        }
        out[i * stride + j] = sum;
      }
    }
  }
  [[gnu::always_inline]] static uint32_t NotAbove(Floats d, float bound) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 16; ++i) bits |= (d[i] <= bound ? 1u : 0u) << i;
    return bits;
  }
};

}  // namespace
}  // namespace akidb

#include "ann/graph_build_kernels_impl.inc"

namespace akidb {
const GraphBuildKernels kScalarGraphBuildKernels = BuildKernelsNamed("scalar");
}
