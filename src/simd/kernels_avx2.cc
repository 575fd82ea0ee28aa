// AVX2 with FMA and F16C: eight floats at a time.
#if defined(__x86_64__)
#include <immintrin.h>

#include "simd/kernel_table.h"

namespace akidb {
namespace {

struct V {
  using Reg = __m256;
  static constexpr size_t kWidth = 8;
  static Reg Zero() { return _mm256_setzero_ps(); }
  static Reg Broadcast(float x) { return _mm256_set1_ps(x); }
  static Reg Load(const float* p) { return _mm256_loadu_ps(p); }
  static Reg Load(const uint16_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
  static Reg Load(const int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  template <class T>
  static Reg LoadTail(const T* p, size_t n) {
    T padded[kWidth] = {};
    const void* from = p;  // a T* would promise alignment
    __builtin_memcpy(padded, from, n * sizeof(T));
    return Load(padded);
  }
  // Reads the elements before, too, and blanks them: quicker than a copy that is loaded again before it has settled.
  template <class T>
  static Reg LoadEnd(const T* end, size_t n) {
    alignas(32) static constexpr int32_t kMask[16] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};
    const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + n));
    return _mm256_and_ps(Load(end - kWidth), _mm256_castsi256_ps(mask));
  }
  static Reg Add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg Sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static Reg Fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static Reg Residual(Reg a, Reg scale, Reg b) { return _mm256_fnmadd_ps(scale, b, a); }
  static float Sum(Reg a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  static float Sqrt(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }
  static void StoreF32(float* p, Reg a) { _mm256_storeu_ps(p, a); }
  static void StoreHalf(uint16_t* p, Reg a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
  }
};

// Compares 64 codes; see code_impl.inc. x <= span, unsigned, where the smaller of both is x.
struct C {
  static __m256i LoadInts(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static uint64_t InRange64(const uint8_t* codes, uint8_t low, uint8_t span) {
    const __m256i from = _mm256_set1_epi8(static_cast<char>(low)), most = _mm256_set1_epi8(static_cast<char>(span));
    uint64_t word = 0;
    for (size_t i = 0; i < 64; i += 32) {
      const __m256i x = _mm256_sub_epi8(LoadInts(codes + i), from);
      const int mask = _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(x, most), x));
      word |= uint64_t{static_cast<uint32_t>(mask)} << i;
    }
    return word;
  }
  static uint64_t InRange64(const uint16_t* codes, uint16_t low, uint16_t span) {
    const __m256i from = _mm256_set1_epi16(static_cast<short>(low)), most = _mm256_set1_epi16(static_cast<short>(span));
    uint64_t word = 0;
    for (size_t i = 0; i < 64; i += 32) {
      const __m256i x = _mm256_sub_epi16(LoadInts(codes + i), from);
      const __m256i y = _mm256_sub_epi16(LoadInts(codes + i + 16), from);
      const __m256i in_x = _mm256_cmpeq_epi16(_mm256_min_epu16(x, most), x);
      const __m256i in_y = _mm256_cmpeq_epi16(_mm256_min_epu16(y, most), y);
      // Packing works within halves of 128 bits: the middle quarters change places.
      const __m256i in = _mm256_permute4x64_epi64(_mm256_packs_epi16(in_x, in_y), 0xD8);
      word |= uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(in))} << i;
    }
    return word;
  }
  static uint64_t InRange64(const uint32_t* codes, uint32_t low, uint32_t span) {
    const __m256i from = _mm256_set1_epi32(static_cast<int>(low)), most = _mm256_set1_epi32(static_cast<int>(span));
    uint64_t word = 0;
    for (size_t i = 0; i < 64; i += 8) {
      const __m256i x = _mm256_sub_epi32(LoadInts(codes + i), from);
      const __m256i in = _mm256_cmpeq_epi32(_mm256_min_epu32(x, most), x);
      word |= uint64_t{static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(in)))} << i;
    }
    return word;
  }
};

}  // namespace
}  // namespace akidb

#include "simd/code_impl.inc"
#include "simd/kernel_impl.inc"

namespace akidb {
const KernelTable kAvx2Kernels = kTable;
}
#endif
