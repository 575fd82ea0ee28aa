// AVX2: 32 products of bytes an instruction. One side has no sign there: it gives its signs to the other, so that two
// products of at most 127 * 127 fit 16 bits.
#if defined(__x86_64__)
#include <immintrin.h>

#include "ann/graph_vectors.inc"

#include "ann/graph_build_kernels.h"

namespace akidb {
namespace {

struct V {
  [[gnu::always_inline]] static __m256i LoadBytes(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  [[gnu::always_inline]] static __m256i AddProducts(__m256i to, __m256i magnitudes, __m256i signs, __m256i b) {
    const __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(b, signs));
    return _mm256_add_epi32(to, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

  [[gnu::always_inline]] static int32_t SumOf(const int8_t* a, uint32_t dim) {
    const __m256i one = _mm256_set1_epi8(1);
    __m256i sum = _mm256_setzero_si256();
    for (uint32_t i = 0; i < dim; i += 32) sum = AddProducts(sum, one, one, LoadBytes(a + i));
    return _mm_cvtsi128_si32(Totals(sum, sum, sum, sum));
  }

  // The sums of four registers.
  [[gnu::always_inline]] static __m128i Totals(__m256i s0, __m256i s1, __m256i s2, __m256i s3) {
    const __m256i c = _mm256_hadd_epi32(_mm256_hadd_epi32(s0, s1), _mm256_hadd_epi32(s2, s3));
    return _mm_add_epi32(_mm256_castsi256_si128(c), _mm256_extracti128_si256(c, 1));
  }

  [[gnu::always_inline]] static void Dots4(const int8_t* a, const int8_t* const* b, uint32_t dim, int32_t* out) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (uint32_t i = 0; i < dim; i += 32) {
      const __m256i x = LoadBytes(a + i), magnitudes = _mm256_abs_epi8(x);
      s0 = AddProducts(s0, magnitudes, x, LoadBytes(b[0] + i));
      s1 = AddProducts(s1, magnitudes, x, LoadBytes(b[1] + i));
      s2 = AddProducts(s2, magnitudes, x, LoadBytes(b[2] + i));
      s3 = AddProducts(s3, magnitudes, x, LoadBytes(b[3] + i));
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), Totals(s0, s1, s2, s3));
  }
  [[gnu::always_inline]] static void ChosenDots4(const int8_t* a, const int8_t* b, const int32_t*, uint32_t dim,
                                                 int32_t* out) {
    const int8_t* const four[] = {b, b + dim, b + 2 * size_t{dim}, b + 3 * size_t{dim}};
    Dots4(a, four, dim, out);
  }

  [[gnu::always_inline]] static void PrepareRow(const int8_t* row, uint32_t dim, uint8_t* room) {
    __builtin_memcpy(room, row, dim);
  }
  // Two rows by 32 columns at a time: more sums would not fit the registers.
  [[gnu::always_inline]] static void TileDots(const uint8_t* room, const int8_t* tile, const int32_t*, uint32_t dim,
                                              int32_t* out, size_t stride) {
    for (size_t i = 0; i < kTileRows; i += 2) {
      for (size_t j = 0; j < kTileColumns; j += 32) {
        __m256i totals[2][4] = {};
        for (size_t k = 0; k < dim; k += 4) {
          const int8_t* columns = tile + k * kTileColumns + j * 4;
#pragma clang loop unroll(full)
          for (size_t l = 0; l < 2; ++l) {
            int32_t four;
            __builtin_memcpy(&four, room + (i + l) * dim + k, sizeof four);
            const __m256i a = _mm256_set1_epi32(four), magnitudes = _mm256_abs_epi8(a);
#pragma clang loop unroll(full)
            for (size_t m = 0; m < 4; ++m) {
              totals[l][m] = AddProducts(totals[l][m], magnitudes, a, LoadBytes(columns + m * 32));
            }
          }
        }
#pragma clang loop unroll(full)
        for (size_t l = 0; l < 2; ++l) {
#pragma clang loop unroll(full)
          for (size_t m = 0; m < 4; ++m) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (i + l) * stride + j + m * 8), totals[l][m]);
          }
        }
      }
    }
  }

  [[gnu::always_inline]] static uint32_t NotAbove(Floats d, float bound) {
    float lanes[16];
    __builtin_memcpy(lanes, &d, sizeof lanes);
    const __m256 b = _mm256_set1_ps(bound);
    const auto low = static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(lanes), b, _CMP_LE_OQ)));
    const auto high =
        static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(lanes + 8), b, _CMP_LE_OQ)));
    return low | high << 8;
  }
};

}  // namespace
}  // namespace akidb

#include "ann/graph_build_kernels_impl.inc"

namespace akidb {
const GraphBuildKernels kAvx2GraphBuildKernels = BuildKernelsNamed("avx2");
}
#endif
