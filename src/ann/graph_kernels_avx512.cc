// AVX-512 F, BW, VL and DQ: four groups of look-ups an instruction.
#if defined(__x86_64__)
#include <immintrin.h>

#include "ann/graph_kernels.h"
#include "ann/graph_vectors.inc"

namespace akidb {
namespace {

struct V {
  static constexpr uint32_t kDimsPerSum = 4096;  // 1024 look-ups of at most kLutMax fit 16 bits

  [[gnu::always_inline]] static __m512i LoadBytes(const void* p) { return _mm512_loadu_si512(p); }

  // Even bytes of `all` carry the odd ones above them; `odd` has those alone.
  [[gnu::always_inline]] static __m512i Sums(__m512i all, __m512i odd) {
    const __m512i even = _mm512_sub_epi16(all, _mm512_slli_epi16(odd, 8));
    const __m256i e2 = _mm256_add_epi16(_mm512_castsi512_si256(even), _mm512_extracti64x4_epi64(even, 1));
    const __m256i o2 = _mm256_add_epi16(_mm512_castsi512_si256(odd), _mm512_extracti64x4_epi64(odd, 1));
    const __m128i e = _mm_add_epi16(_mm256_castsi256_si128(e2), _mm256_extracti128_si256(e2, 1));
    const __m128i o = _mm_add_epi16(_mm256_castsi256_si128(o2), _mm256_extracti128_si256(o2, 1));
    return _mm512_cvtepu16_epi32(_mm256_set_m128i(_mm_unpackhi_epi16(e, o), _mm_unpacklo_epi16(e, o)));
  }

  template <class Meanwhile>
  [[gnu::always_inline]] static void Scan(const uint8_t* codes, const uint8_t* lut, uint32_t dim, uint32_t* sums,
                                          Meanwhile meanwhile) {
    const __m512i nibble = _mm512_set1_epi8(15);
    __m512i total_low = _mm512_setzero_si512(), total_high = total_low;
    for (uint32_t begin = 0; begin < dim; begin += kDimsPerSum) {
      const uint32_t end = begin + kDimsPerSum < dim ? begin + kDimsPerSum : dim;
      __m512i low = _mm512_setzero_si512(), low_odd = low, high = low, high_odd = low;
      for (size_t i = static_cast<size_t>(begin) * 4; i < static_cast<size_t>(end) * 4; i += 256) {
        meanwhile();
        __m512i a = _mm512_setzero_si512(), b = a;
#pragma clang loop unroll(full)
        for (size_t j = 0; j < 256; j += 64) {
          const __m512i code = LoadBytes(codes + i + j), table = LoadBytes(lut + i + j);
          a = _mm512_add_epi8(a, _mm512_shuffle_epi8(table, _mm512_and_si512(code, nibble)));
          b = _mm512_add_epi8(b, _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(code, 4), nibble)));
        }
        low = _mm512_add_epi16(low, a);
        low_odd = _mm512_add_epi16(low_odd, _mm512_srli_epi16(a, 8));
        high = _mm512_add_epi16(high, b);
        high_odd = _mm512_add_epi16(high_odd, _mm512_srli_epi16(b, 8));
      }
      total_low = _mm512_add_epi32(total_low, Sums(low, low_odd));
      total_high = _mm512_add_epi32(total_high, Sums(high, high_odd));
    }
    _mm512_storeu_si512(sums, total_low);
    _mm512_storeu_si512(sums + 16, total_high);
  }

  [[gnu::always_inline]] static __m512i Widen(const int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }

  template <class Meanwhile>
  [[gnu::always_inline]] static int32_t DotLevels(const int8_t* code, const int16_t* levels, uint32_t dim,
                                                  Meanwhile meanwhile) {
    __m512i sum0 = _mm512_setzero_si512(), sum1 = sum0;
    for (uint32_t i = 0; i < dim; i += 64) {
      meanwhile();
      sum0 = _mm512_add_epi32(sum0, _mm512_madd_epi16(Widen(code + i), LoadBytes(levels + i)));
      sum1 = _mm512_add_epi32(sum1, _mm512_madd_epi16(Widen(code + i + 32), LoadBytes(levels + i + 32)));
    }
    return _mm512_reduce_add_epi32(_mm512_add_epi32(sum0, sum1));
  }
  [[gnu::always_inline]] static int32_t DotCodes(const int8_t* a, const int8_t* b, uint32_t dim) {
    __m512i sum0 = _mm512_setzero_si512(), sum1 = sum0;
    for (uint32_t i = 0; i < dim; i += 64) {
      sum0 = _mm512_add_epi32(sum0, _mm512_madd_epi16(Widen(a + i), Widen(b + i)));
      sum1 = _mm512_add_epi32(sum1, _mm512_madd_epi16(Widen(a + i + 32), Widen(b + i + 32)));
    }
    return _mm512_reduce_add_epi32(_mm512_add_epi32(sum0, sum1));
  }

  [[gnu::always_inline]] static uint32_t Below(Floats d, float bound) {
    __m512 lanes;
    __builtin_memcpy(&lanes, &d, sizeof lanes);
    return _mm512_cmp_ps_mask(lanes, _mm512_set1_ps(bound), _CMP_LT_OQ);
  }

  [[gnu::always_inline]] static uint32_t Bits(const uint32_t* bitmap, const void* ids) {
    const __m512i id = LoadBytes(ids);
    const __m512i words = _mm512_i32gather_epi32(_mm512_srli_epi32(id, 5), bitmap, 4);
    const __m512i bits = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(id, _mm512_set1_epi32(31)));
    return _mm512_test_epi32_mask(words, bits);
  }

  static constexpr uint32_t kKeyRegistersMax = 20;

  [[gnu::always_inline]] static uint32_t CountBelow(Longs keys, int64_t key) {
    __m512i lanes;
    __builtin_memcpy(&lanes, &keys, sizeof lanes);
    return static_cast<uint32_t>(__builtin_popcount(_mm512_cmplt_epi64_mask(lanes, _mm512_set1_epi64(key))));
  }
  [[gnu::always_inline]] static uint32_t CountBelow(const int64_t* keys, uint32_t n, int64_t key) {
    const __m512i bound = _mm512_set1_epi64(key);
    uint32_t count = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
      count += static_cast<uint32_t>(__builtin_popcount(_mm512_cmplt_epi64_mask(LoadBytes(keys + i), bound)));
    }
    const auto rest = static_cast<__mmask8>((1u << (n - i)) - 1);
    const __m512i last = _mm512_maskz_loadu_epi64(rest, keys + i);
    return count + static_cast<uint32_t>(__builtin_popcount(_mm512_mask_cmplt_epi64_mask(rest, last, bound)));
  }
  // From the end, so that nothing is overwritten before it was read; the first few by mask.
  [[gnu::always_inline]] static void ShiftUp(int64_t* keys, uint32_t n, uint32_t by) {
    while (n >= 8) {
      n -= 8;
      _mm512_storeu_si512(keys + n + by, LoadBytes(keys + n));
    }
    const auto rest = static_cast<__mmask8>((1u << n) - 1);
    _mm512_mask_storeu_epi64(keys + by, rest, _mm512_maskz_loadu_epi64(rest, keys));
  }

  static constexpr uint32_t kMergedMax = 2048;

  // Block by block from the end: each is filled up with old keys where no new one belongs.
  [[gnu::always_inline]] static void Merge(int64_t* keys, uint32_t size, const int64_t* fresh, const uint32_t* places,
                                           uint32_t count) {
    uint64_t is_fresh[kMergedMax / 64];
    const uint32_t first = places[0] / 8;
    for (uint32_t i = first / 8; i <= (size - 1) / 64; ++i) is_fresh[i] = 0;
    for (uint32_t i = 0; i < count; ++i) is_fresh[places[i] / 64] |= uint64_t{1} << (places[i] % 64);
    const auto* masks = reinterpret_cast<const uint8_t*>(is_fresh);
    uint32_t before = count;
    for (uint32_t block = (size - 1) / 8 + 1; block-- > first;) {
      const auto mask = static_cast<__mmask8>(masks[block]);
      before -= static_cast<uint32_t>(__builtin_popcount(mask));
      // Loaded first: Zen 4 expands what lies in a register faster than what lies in memory.
      __m512i olds = LoadBytes(keys + block * 8 - before), news = LoadBytes(fresh + before);
      asm("" : "+v"(olds), "+v"(news));
      const __m512i old = _mm512_maskz_expand_epi64(static_cast<__mmask8>(~mask), olds);
      _mm512_storeu_si512(keys + size_t{block} * 8, _mm512_mask_expand_epi64(old, mask, news));
    }
  }

  // How many of eight keys are taken before the first that is not.
  [[gnu::always_inline]] static uint32_t CountTaken(const int64_t* keys) {
    const uint32_t free = _mm512_testn_epi64_mask(LoadBytes(keys), _mm512_set1_epi64(1));
    return static_cast<uint32_t>(__builtin_ctz(free | 0x100));
  }

  [[gnu::always_inline]] static uint64_t Word(const uint8_t* p) {
    uint64_t word;
    __builtin_memcpy(&word, p, sizeof word);
    return word;
  }
  [[gnu::always_inline]] static void SumsWhere(const uint8_t* const* bits, const uint8_t* levels, uint32_t dim,
                                               int32_t* sums) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i sum[4] = {zero, zero, zero, zero};
    for (uint32_t i = 0; i < dim;) {
      __m512i bytes[4] = {zero, zero, zero, zero};
      for (const uint32_t end = __builtin_elementwise_min(dim, i + 64 * kSignLevelsInByte); i < end; i += 64) {
        const __m512i level = LoadBytes(levels + i);
#pragma clang loop unroll(full)
        for (uint32_t j = 0; j < 4; ++j) {
          bytes[j] = _mm512_mask_add_epi8(bytes[j], Word(bits[j] + i / 8), bytes[j], level);
        }
      }
#pragma clang loop unroll(full)
      for (uint32_t j = 0; j < 4; ++j) sum[j] = _mm512_add_epi64(sum[j], _mm512_sad_epu8(bytes[j], zero));
    }
    // Each of the sums is below 2^31, so that those of two rows fit side by side.
    const __m512i a = _mm512_or_si512(sum[0], _mm512_slli_epi64(sum[1], 32));
    const __m512i b = _mm512_or_si512(sum[2], _mm512_slli_epi64(sum[3], 32));
    const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sums),
                     _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)));
  }
  [[gnu::always_inline]] static __m512i Signed(__m256i nibbles, uint32_t up) {
    const __m512i one = _mm512_set1_epi16(1), value = _mm512_cvtepu8_epi16(nibbles);
    const __m512i odd = _mm512_add_epi16(_mm512_add_epi16(value, value), one);
    return _mm512_mask_sub_epi16(odd, ~up, _mm512_setzero_si512(), odd);
  }
  [[gnu::always_inline]] static int32_t DotFine(const uint8_t* bits, const uint8_t* nibbles, const int16_t* levels,
                                                uint32_t dim) {
    const __m256i low = _mm256_set1_epi8(15);
    __m512i sum0 = _mm512_setzero_si512(), sum1 = sum0;
    for (uint32_t i = 0; i < dim; i += 64) {
      const uint64_t up = Word(bits + i / 8);
      const __m256i pair = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(nibbles + i / 2));
      const __m512i a = Signed(_mm256_and_si256(pair, low), static_cast<uint32_t>(up));
      const __m512i b = Signed(_mm256_and_si256(_mm256_srli_epi16(pair, 4), low), static_cast<uint32_t>(up >> 32));
      sum0 = _mm512_add_epi32(sum0, _mm512_madd_epi16(a, LoadBytes(levels + i)));
      sum1 = _mm512_add_epi32(sum1, _mm512_madd_epi16(b, LoadBytes(levels + i + 32)));
    }
    return _mm512_reduce_add_epi32(_mm512_add_epi32(sum0, sum1));
  }
};

}  // namespace
}  // namespace akidb

#include "ann/graph_kernels_impl.inc"

namespace akidb {
const GraphKernels kAvx512GraphKernels = KernelsNamed("avx512");
}
#endif
