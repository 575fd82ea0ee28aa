#include "simd/decimals.h"

#include "simd/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <array>
#include <bit>
#include <cstdint>
#endif

namespace akidb {

#if defined(__x86_64__)
namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kFractionMax = 14;

constexpr std::array<double, kFractionMax + 1> kPowersOfTen = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                                               1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
constexpr std::array<uint64_t, kFractionMax + 1> kWholePowersOfTen = [] {
  std::array<uint64_t, kFractionMax + 1> powers{1};
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// Sixteen bytes from `n` on keep the last n bytes of sixteen.
constexpr std::array<uint8_t, 32> kLastBytes = [] {
  std::array<uint8_t, 32> bytes{};
  for (size_t i = 16; i < bytes.size(); ++i) bytes[i] = 0xFF;
  return bytes;
}();

[[gnu::target("avx2")]] uint64_t CommasOf(const char* block) {
  const __m256i comma = _mm256_set1_epi8(',');
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 32));
  return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, comma))) |
         uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, comma)))} << 32;
}

// The number in [begin, comma); sixteen bytes before the comma are readable. False if it is not of the shape.
[[gnu::target("avx2")]] inline bool ReadOne(const char* begin, const char* comma, float* out) {
  begin += *begin == ' ' ? 1 : 0;
  const uint32_t negative = *begin == '-' ? 1 : 0;
  begin += negative;
  const auto digit = static_cast<unsigned char>(*begin - '0');
  const auto fraction = static_cast<size_t>(comma - begin - 2);  // huge if there is none
  if (fraction - 1 >= kFractionMax || digit > 9 || begin[1] != '.') return false;

  // The fraction ends where the sixteen bytes do, so that its digits are in their places. What is before it becomes
  // zeros.
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(comma - 16));
  const __m128i kept = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kLastBytes.data() + fraction));
  const __m128i digits = _mm_and_si128(_mm_sub_epi8(bytes, _mm_set1_epi8('0')), kept);
  const __m128i nine = _mm_set1_epi8(9);
  if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(digits, nine), nine)) != 0xFFFF) return false;
  const __m128i twos = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010A));  // tens and ones
  const __m128i fours = _mm_madd_epi16(twos, _mm_set1_epi32(0x00010064));  // hundreds and ones
  const __m128i packed = _mm_packus_epi32(fours, fours);
  const __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(0x00012710));  // ten thousands and ones
  const auto halves = static_cast<uint64_t>(_mm_cvtsi128_si64(eights));
  const uint64_t mantissa = digit * kWholePowersOfTen[fraction] + (halves & 0xFFFFFFFF) * 100000000 + (halves >> 32);

  // As in a general parser: exact doubles are divided and the quotient is rounded once more, which is right unless it
  // lies on the middle between two floats.
  const double value = static_cast<double>(static_cast<int64_t>(mantissa)) / kPowersOfTen[fraction];
  if ((std::bit_cast<uint64_t>(value) & 0x1FFFFFFF) == 0x10000000) return false;
  // Half of all numbers are negative, which no branch predictor knows.
  *out = std::bit_cast<float>(std::bit_cast<uint32_t>(static_cast<float>(value)) | negative << 31);
  return true;
}

[[gnu::target("avx2")]] size_t ReadDecimalsAvx2(const char* text, const char** at, const char* end, float* out,
                                                size_t max) {
  const char* begin = *at;
  size_t count = 0;
  for (const char* block = begin; block < end; block += kBlockBytes) {
    uint64_t commas = CommasOf(block);
    if (static_cast<size_t>(end - block) < kBlockBytes) commas &= (uint64_t{1} << (end - block)) - 1;
    for (; commas != 0; commas &= commas - 1) {
      const char* const comma = block + std::countr_zero(commas);
      if (comma - text < 16 || count == max || !ReadOne(begin, comma, out + count)) {
        *at = begin;
        return count;
      }
      ++count;
      begin = comma + 1;
    }
  }
  *at = begin;
  return count;
}

}  // namespace
#endif

size_t ReadDecimals([[maybe_unused]] const char* text, [[maybe_unused]] const char** at,
                    [[maybe_unused]] const char* end, [[maybe_unused]] float* out, [[maybe_unused]] size_t max) {
#if defined(__x86_64__)
  static const bool fast = Kernels().name != "scalar";
  if (fast) return ReadDecimalsAvx2(text, at, end, out, max);
#endif
  return 0;
}

}  // namespace akidb
