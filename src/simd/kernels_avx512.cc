// AVX-512 F, BW, VL and DQ: sixteen floats at a time, tails by mask.
#if defined(__x86_64__)
#include <immintrin.h>

#include "simd/kernel_table.h"

namespace akidb {
namespace {

struct V {
  using Reg = __m512;
  static constexpr size_t kWidth = 16;
  static __mmask16 First(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static Reg Zero() { return _mm512_setzero_ps(); }
  static Reg Broadcast(float x) { return _mm512_set1_ps(x); }
  static Reg Load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg Load(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Reg Load(const int8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static Reg LoadTail(const float* p, size_t n) { return _mm512_maskz_loadu_ps(First(n), p); }
  static Reg LoadTail(const uint16_t* p, size_t n) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(First(n), p)); }
  static Reg LoadTail(const int8_t* p, size_t n) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(First(n), p)));
  }
  template <class T>
  static Reg LoadEnd(const T* end, size_t n) {
    return LoadTail(end - n, n);
  }
  static Reg Add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg Sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg Fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static Reg Residual(Reg a, Reg scale, Reg b) { return _mm512_fnmadd_ps(scale, b, a); }
  static float Sum(Reg a) {
    const __m256 y = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  static float Sqrt(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }
  static void StoreF32(float* p, Reg a) { _mm512_storeu_ps(p, a); }
  static void StoreHalf(uint16_t* p, Reg a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
  }
};

// Compares 64 codes; see code_impl.inc.
struct C {
  static uint64_t InRange64(const uint8_t* codes, uint8_t low, uint8_t span) {
    const __m512i x = _mm512_sub_epi8(_mm512_loadu_si512(codes), _mm512_set1_epi8(static_cast<char>(low)));
    return _mm512_cmple_epu8_mask(x, _mm512_set1_epi8(static_cast<char>(span)));
  }
  static uint64_t InRange64(const uint16_t* codes, uint16_t low, uint16_t span) {
    const __m512i from = _mm512_set1_epi16(static_cast<short>(low)), most = _mm512_set1_epi16(static_cast<short>(span));
    uint64_t word = 0;
    for (size_t i = 0; i < 64; i += 32) {
      const __m512i x = _mm512_sub_epi16(_mm512_loadu_si512(codes + i), from);
      word |= uint64_t{_mm512_cmple_epu16_mask(x, most)} << i;
    }
    return word;
  }
  static uint64_t InRange64(const uint32_t* codes, uint32_t low, uint32_t span) {
    const __m512i from = _mm512_set1_epi32(static_cast<int>(low)), most = _mm512_set1_epi32(static_cast<int>(span));
    uint64_t word = 0;
    for (size_t i = 0; i < 64; i += 16) {
      const __m512i x = _mm512_sub_epi32(_mm512_loadu_si512(codes + i), from);
      word |= uint64_t{_mm512_cmple_epu32_mask(x, most)} << i;
    }
    return word;
  }
};

}  // namespace
}  // namespace akidb

#include "simd/code_impl.inc"
#include "simd/kernel_impl.inc"

namespace akidb {
const KernelTable kAvx512Kernels = kTable;
}
#endif
