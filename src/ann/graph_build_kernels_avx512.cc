// AVX-512 with VNNI: 64 products of bytes an instruction. One side has no sign there: it gets 128 more in every
// element, and the result 128 times the sum of the other side's elements too much.
#if defined(__x86_64__)
#include <immintrin.h>

#include "ann/graph_vectors.inc"

#include "ann/graph_build_kernels.h"

namespace akidb {
namespace {

struct V {
  [[gnu::always_inline]] static __m512i LoadBytes(const void* p) { return _mm512_loadu_si512(p); }
  [[gnu::always_inline]] static __m512i Raised(const void* p) {
    return _mm512_xor_si512(LoadBytes(p), _mm512_set1_epi8(static_cast<char>(0x80)));
  }

  [[gnu::always_inline]] static int32_t SumOf(const int8_t* a, uint32_t dim) {
    const __m512i one = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512();
    for (uint32_t i = 0; i < dim; i += 64) sum = _mm512_dpbusd_epi32(sum, one, LoadBytes(a + i));
    return _mm512_reduce_add_epi32(sum);
  }

  // The sums of four registers.
  [[gnu::always_inline]] static __m128i Totals(__m512i s0, __m512i s1, __m512i s2, __m512i s3) {
    const __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(s0, s1), _mm512_unpackhi_epi32(s0, s1));
    const __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(s2, s3), _mm512_unpackhi_epi32(s2, s3));
    const __m512i c = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    const __m256i d = _mm256_add_epi32(_mm512_castsi512_si256(c), _mm512_extracti64x4_epi64(c, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(d), _mm256_extracti128_si256(d, 1));
  }

  [[gnu::always_inline]] static void Dots4(const int8_t* a, const int8_t* const* b, uint32_t dim, int32_t* out) {
    const __m512i one = _mm512_set1_epi8(1);
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0, sum = s0;
    for (uint32_t i = 0; i < dim; i += 64) {
      const __m512i x = LoadBytes(a + i);
      s0 = _mm512_dpbusd_epi32(s0, Raised(b[0] + i), x);
      s1 = _mm512_dpbusd_epi32(s1, Raised(b[1] + i), x);
      s2 = _mm512_dpbusd_epi32(s2, Raised(b[2] + i), x);
      s3 = _mm512_dpbusd_epi32(s3, Raised(b[3] + i), x);
      sum = _mm512_dpbusd_epi32(sum, one, x);
    }
    const __m512i more = _mm512_slli_epi32(sum, 7);
    const __m128i totals = Totals(_mm512_sub_epi32(s0, more), _mm512_sub_epi32(s1, more), _mm512_sub_epi32(s2, more),
                                  _mm512_sub_epi32(s3, more));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), totals);
  }

  [[gnu::always_inline]] static void ChosenDots4(const int8_t* a, const int8_t* b, const int32_t* sums, uint32_t dim,
                                                 int32_t* out) {
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t i = 0; i < dim; i += 64) {
      const __m512i x = Raised(a + i);
      s0 = _mm512_dpbusd_epi32(s0, x, LoadBytes(b + i));
      s1 = _mm512_dpbusd_epi32(s1, x, LoadBytes(b + dim + i));
      s2 = _mm512_dpbusd_epi32(s2, x, LoadBytes(b + 2 * size_t{dim} + i));
      s3 = _mm512_dpbusd_epi32(s3, x, LoadBytes(b + 3 * size_t{dim} + i));
    }
    const __m128i more = _mm_slli_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(sums)), 7);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_sub_epi32(Totals(s0, s1, s2, s3), more));
  }

  [[gnu::always_inline]] static void PrepareRow(const int8_t* row, uint32_t dim, uint8_t* room) {
    for (uint32_t k = 0; k < dim; k += 64) _mm512_storeu_si512(room + k, Raised(row + k));
  }
  [[gnu::always_inline]] static __m512i FourOf(const uint8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  [[gnu::always_inline]] static void TileDots(const uint8_t* room, const int8_t* tile, const int32_t* sums,
                                              uint32_t dim, int32_t* out, size_t stride) {
    __m512i totals[kTileRows][4];
#pragma clang loop unroll(full)
    for (uint32_t i = 0; i < kTileRows; ++i) {
#pragma clang loop unroll(full)
      for (uint32_t j = 0; j < 4; ++j) totals[i][j] = _mm512_setzero_si512();
    }
    for (size_t k = 0; k < dim; k += 4) {
      const int8_t* columns = tile + k * kTileColumns;
      const __m512i b0 = LoadBytes(columns), b1 = LoadBytes(columns + 64), b2 = LoadBytes(columns + 128),
                    b3 = LoadBytes(columns + 192);
#pragma clang loop unroll(full)
      for (uint32_t i = 0; i < kTileRows; ++i) {
        const __m512i a = FourOf(room + static_cast<size_t>(i) * dim + k);
        totals[i][0] = _mm512_dpbusd_epi32(totals[i][0], a, b0);
        totals[i][1] = _mm512_dpbusd_epi32(totals[i][1], a, b1);
        totals[i][2] = _mm512_dpbusd_epi32(totals[i][2], a, b2);
        totals[i][3] = _mm512_dpbusd_epi32(totals[i][3], a, b3);
      }
    }
#pragma clang loop unroll(full)
    for (uint32_t j = 0; j < 4; ++j) {
      const __m512i more = _mm512_slli_epi32(LoadBytes(sums + static_cast<size_t>(j) * 16), 7);
#pragma clang loop unroll(full)
      for (uint32_t i = 0; i < kTileRows; ++i) {
        _mm512_storeu_si512(out + i * stride + static_cast<size_t>(j) * 16, _mm512_sub_epi32(totals[i][j], more));
      }
    }
  }

  [[gnu::always_inline]] static uint32_t NotAbove(Floats d, float bound) {
    __m512 lanes;
    __builtin_memcpy(&lanes, &d, sizeof lanes);
    return _mm512_cmp_ps_mask(lanes, _mm512_set1_ps(bound), _CMP_LE_OQ);
  }
};

}  // namespace
}  // namespace akidb

#include "ann/graph_build_kernels_impl.inc"

namespace akidb {
const GraphBuildKernels kVnniGraphBuildKernels = BuildKernelsNamed("avx512vnni");
}
#endif
