// AVX2: two groups of look-ups an instruction.
#if defined(__x86_64__)
#include <immintrin.h>

#include "ann/graph_kernels.h"
#include "ann/graph_vectors.inc"

namespace akidb {
namespace {

struct V {
  static constexpr uint32_t kDimsPerSum = 4096;  // 1024 look-ups of at most kLutMax fit 16 bits

  [[gnu::always_inline]] static __m256i LoadBytes(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }

  // Even bytes of `all` carry the odd ones above them; `odd` has those alone.
  [[gnu::always_inline]] static void AddSums(__m256i all, __m256i odd, uint32_t* sums) {
    const __m256i even = _mm256_sub_epi16(all, _mm256_slli_epi16(odd, 8));
    const __m128i e = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    const __m128i o = _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1));
    __m256i* to = reinterpret_cast<__m256i*>(sums);
    _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(e, o))));
    _mm256_storeu_si256(to + 1,
                        _mm256_add_epi32(_mm256_loadu_si256(to + 1), _mm256_cvtepu16_epi32(_mm_unpackhi_epi16(e, o))));
  }

  template <class Meanwhile>
  [[gnu::always_inline]] static void Scan(const uint8_t* codes, const uint8_t* lut, uint32_t dim, uint32_t* sums,
                                          Meanwhile meanwhile) {
    const __m256i nibble = _mm256_set1_epi8(15);
    __builtin_memset(sums, 0, 32 * sizeof(uint32_t));
    for (uint32_t begin = 0; begin < dim; begin += kDimsPerSum) {
      const uint32_t end = begin + kDimsPerSum < dim ? begin + kDimsPerSum : dim;
      __m256i low = _mm256_setzero_si256(), low_odd = low, high = low, high_odd = low;
      for (size_t i = static_cast<size_t>(begin) * 4; i < static_cast<size_t>(end) * 4; i += 128) {
        if (i % 256 == 0) meanwhile();
        __m256i a = _mm256_setzero_si256(), b = a;
#pragma clang loop unroll(full)
        for (size_t j = 0; j < 128; j += 32) {
          const __m256i code = LoadBytes(codes + i + j), table = LoadBytes(lut + i + j);
          a = _mm256_add_epi8(a, _mm256_shuffle_epi8(table, _mm256_and_si256(code, nibble)));
          b = _mm256_add_epi8(b, _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(code, 4), nibble)));
        }
        low = _mm256_add_epi16(low, a);
        low_odd = _mm256_add_epi16(low_odd, _mm256_srli_epi16(a, 8));
        high = _mm256_add_epi16(high, b);
        high_odd = _mm256_add_epi16(high_odd, _mm256_srli_epi16(b, 8));
      }
      AddSums(low, low_odd, sums);
      AddSums(high, high_odd, sums + 16);
    }
  }

  [[gnu::always_inline]] static int32_t Sum(__m256i v) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
  }
  [[gnu::always_inline]] static __m256i Widen(const int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }

  template <class Meanwhile>
  [[gnu::always_inline]] static int32_t DotLevels(const int8_t* code, const int16_t* levels, uint32_t dim,
                                                  Meanwhile meanwhile) {
    __m256i sum0 = _mm256_setzero_si256(), sum1 = sum0;
    for (uint32_t i = 0; i < dim; i += 32) {
      if (i % 64 == 0) meanwhile();
      sum0 = _mm256_add_epi32(sum0, _mm256_madd_epi16(Widen(code + i), LoadBytes(levels + i)));
      sum1 = _mm256_add_epi32(sum1, _mm256_madd_epi16(Widen(code + i + 16), LoadBytes(levels + i + 16)));
    }
    return Sum(_mm256_add_epi32(sum0, sum1));
  }
  [[gnu::always_inline]] static int32_t DotCodes(const int8_t* a, const int8_t* b, uint32_t dim) {
    __m256i sum0 = _mm256_setzero_si256(), sum1 = sum0;
    for (uint32_t i = 0; i < dim; i += 32) {
      sum0 = _mm256_add_epi32(sum0, _mm256_madd_epi16(Widen(a + i), Widen(b + i)));
      sum1 = _mm256_add_epi32(sum1, _mm256_madd_epi16(Widen(a + i + 16), Widen(b + i + 16)));
    }
    return Sum(_mm256_add_epi32(sum0, sum1));
  }

  [[gnu::always_inline]] static uint32_t Below(Floats d, float bound) {
    float lanes[16];
    __builtin_memcpy(lanes, &d, sizeof lanes);
    const __m256 b = _mm256_set1_ps(bound);
    const auto low = static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(lanes), b, _CMP_LT_OQ)));
    const auto high =
        static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(lanes + 8), b, _CMP_LT_OQ)));
    return low | high << 8;
  }

  [[gnu::always_inline]] static uint32_t Bits(const uint32_t* bitmap, const uint8_t* ids) {
    uint32_t out = 0;
#pragma clang loop unroll(full)
    for (uint32_t half = 0; half < 2; ++half) {
      const __m256i id = LoadBytes(ids + static_cast<size_t>(half) * 32);
      const __m256i words = _mm256_i32gather_epi32(reinterpret_cast<const int*>(bitmap), _mm256_srli_epi32(id, 5), 4);
      // The bit asked for becomes the sign.
      const __m256i up = _mm256_sub_epi32(_mm256_set1_epi32(31), _mm256_and_si256(id, _mm256_set1_epi32(31)));
      const __m256 signs = _mm256_castsi256_ps(_mm256_sllv_epi32(words, up));
      out |= static_cast<uint32_t>(_mm256_movemask_ps(signs)) << (half * 8);
    }
    return out;
  }

  static constexpr uint32_t kKeyRegistersMax = 8;

  static uint32_t CountBelow(Longs keys, int64_t key) {
    const Longs below = keys < key;
    __m256i low, high;
    __builtin_memcpy(&low, &below, sizeof low);
    __builtin_memcpy(&high, reinterpret_cast<const char*>(&below) + sizeof low, sizeof high);
    const int bits = _mm256_movemask_pd(_mm256_castsi256_pd(low)) | _mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
    return static_cast<uint32_t>(__builtin_popcount(static_cast<unsigned>(bits)));
  }
  [[gnu::always_inline]] static uint32_t CountBelow(const int64_t* keys, uint32_t n, int64_t key) {
    const __m256i bound = _mm256_set1_epi64x(key);
    uint32_t count = 0, i = 0;
    for (; i + 4 <= n; i += 4) {
      const __m256i below = _mm256_cmpgt_epi64(bound, LoadBytes(keys + i));
      count += static_cast<uint32_t>(__builtin_popcount(_mm256_movemask_pd(_mm256_castsi256_pd(below))));
    }
    for (; i < n; ++i) count += keys[i] < key ? 1 : 0;
    return count;
  }
  // From the end, so that nothing is overwritten before it was read.
  [[gnu::always_inline]] static void ShiftUp(int64_t* keys, uint32_t n, uint32_t by) {
    while (n >= 4) {
      n -= 4;
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(keys + n + by), LoadBytes(keys + n));
    }
    while (n > 0) {
      --n;
      keys[n + by] = keys[n];
    }
  }

  static constexpr uint32_t kMergedMax = 0;
  static void Merge(int64_t*, uint32_t, const int64_t*, const uint32_t*, uint32_t) {}
  // How many of eight keys are taken before the first that is not.
  [[gnu::always_inline]] static uint32_t CountTaken(const int64_t* keys) {
    const auto taken = [&](uint32_t at) {
      const __m256i bits = _mm256_slli_epi64(LoadBytes(keys + at), 63);
      return static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(bits))) << at;
    };
    return static_cast<uint32_t>(__builtin_ctz(~(taken(0) | taken(4))));
  }

  [[gnu::always_inline]] static uint32_t Word(const uint8_t* p) {
    uint32_t word;
    __builtin_memcpy(&word, p, sizeof word);
    return word;
  }
  // Byte i is all ones if bit i is set.
  [[gnu::always_inline]] static __m256i Spread(uint32_t bits) {
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)),
                                              _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2,
                                                               2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3));
    const __m256i each = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ull));
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, each), each);
  }
  [[gnu::always_inline]] static void SumsWhere(const uint8_t* const* bits, const uint8_t* levels, uint32_t dim,
                                               int32_t* sums) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i sum[4] = {zero, zero, zero, zero};
    for (uint32_t i = 0; i < dim;) {
      __m256i bytes[4] = {zero, zero, zero, zero};
      for (const uint32_t end = __builtin_elementwise_min(dim, i + 32 * kSignLevelsInByte); i < end; i += 32) {
        const __m256i level = LoadBytes(levels + i);
#pragma clang loop unroll(full)
        for (uint32_t j = 0; j < 4; ++j) {
          bytes[j] = _mm256_add_epi8(bytes[j], _mm256_and_si256(Spread(Word(bits[j] + i / 8)), level));
        }
      }
#pragma clang loop unroll(full)
      for (uint32_t j = 0; j < 4; ++j) sum[j] = _mm256_add_epi64(sum[j], _mm256_sad_epu8(bytes[j], zero));
    }
    // Each of the sums is below 2^31, so that those of two rows fit side by side.
    const __m256i a = _mm256_or_si256(sum[0], _mm256_slli_epi64(sum[1], 32));
    const __m256i b = _mm256_or_si256(sum[2], _mm256_slli_epi64(sum[3], 32));
    const __m256i all = _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sums),
                     _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
  }
  // Sixteen odd numbers with their signs; word i is negative where byte i of `up` is zero.
  [[gnu::always_inline]] static __m256i Signed(__m128i nibbles, __m128i up) {
    const __m256i one = _mm256_set1_epi16(1), value = _mm256_cvtepu8_epi16(nibbles);
    const __m256i odd = _mm256_add_epi16(_mm256_add_epi16(value, value), one);
    const __m256i down = _mm256_xor_si256(_mm256_cvtepi8_epi16(up), _mm256_set1_epi16(-1));
    return _mm256_sign_epi16(odd, _mm256_or_si256(down, one));
  }
  [[gnu::always_inline]] static int32_t DotFine(const uint8_t* bits, const uint8_t* nibbles, const int16_t* levels,
                                                uint32_t dim) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i sum0 = _mm256_setzero_si256(), sum1 = sum0;
    for (uint32_t i = 0; i < dim; i += 64) {
      const __m256i pair = LoadBytes(nibbles + i / 2);
#pragma clang loop unroll(full)
      for (uint32_t half = 0; half < 64; half += 32) {
        const __m256i up = Spread(Word(bits + (i + half) / 8));
        const __m256i n = _mm256_and_si256(half == 0 ? pair : _mm256_srli_epi16(pair, 4), low);
        const __m256i a = Signed(_mm256_castsi256_si128(n), _mm256_castsi256_si128(up));
        const __m256i b = Signed(_mm256_extracti128_si256(n, 1), _mm256_extracti128_si256(up, 1));
        sum0 = _mm256_add_epi32(sum0, _mm256_madd_epi16(a, LoadBytes(levels + i + half)));
        sum1 = _mm256_add_epi32(sum1, _mm256_madd_epi16(b, LoadBytes(levels + i + half + 16)));
      }
    }
    return Sum(_mm256_add_epi32(sum0, sum1));
  }
};

}  // namespace
}  // namespace akidb

#include "ann/graph_kernels_impl.inc"

namespace akidb {
const GraphKernels kAvx2GraphKernels = KernelsNamed("avx2");
}
#endif
