#include "base/sha256_blocks.h"

#include "base/check.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace akidb::internal {

#if defined(__x86_64__)

namespace {

// Flags of an instruction set go to functions here and not to the file, because nothing that they call is shared.
#define AKI_SHA __attribute__((target("sha,sse4.1,ssse3")))
#define AKI_SHA_INLINE __attribute__((target("sha,sse4.1,ssse3"), always_inline)) inline

alignas(16) constexpr uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// The words as the instructions want them: a, b, e, f and c, d, g, h, each from the highest lane down.
struct Lanes {
  __m128i abef;
  __m128i cdgh;
};

AKI_SHA_INLINE Lanes Load(const Sha256Words& w) {
  const auto word = [&](int i) __attribute__((always_inline)) { return static_cast<int>(w[static_cast<size_t>(i)]); };
  return {_mm_set_epi32(word(0), word(1), word(4), word(5)), _mm_set_epi32(word(2), word(3), word(6), word(7))};
}

AKI_SHA_INLINE void Store(const Lanes& lanes, Sha256Words* w) {
  (*w)[0] = static_cast<uint32_t>(_mm_extract_epi32(lanes.abef, 3));
  (*w)[1] = static_cast<uint32_t>(_mm_extract_epi32(lanes.abef, 2));
  (*w)[2] = static_cast<uint32_t>(_mm_extract_epi32(lanes.cdgh, 3));
  (*w)[3] = static_cast<uint32_t>(_mm_extract_epi32(lanes.cdgh, 2));
  (*w)[4] = static_cast<uint32_t>(_mm_extract_epi32(lanes.abef, 1));
  (*w)[5] = static_cast<uint32_t>(_mm_extract_epi32(lanes.abef, 0));
  (*w)[6] = static_cast<uint32_t>(_mm_extract_epi32(lanes.cdgh, 1));
  (*w)[7] = static_cast<uint32_t>(_mm_extract_epi32(lanes.cdgh, 0));
}

// Four rounds; `sums` are four words of the message plus the rounds' constants.
AKI_SHA_INLINE void FourRounds(Lanes* lanes, __m128i sums) {
  lanes->cdgh = _mm_sha256rnds2_epu32(lanes->cdgh, lanes->abef, sums);
  lanes->abef = _mm_sha256rnds2_epu32(lanes->abef, lanes->cdgh, _mm_shuffle_epi32(sums, 0x0e));
}

template <int kCount>
AKI_SHA_INLINE void Blocks(Lanes (&lanes)[kCount], const unsigned char* data, size_t blocks) {
  const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  for (; blocks > 0; --blocks, data += kSha256BlockBytes) {
    Lanes before[kCount];
    for (int i = 0; i < kCount; ++i) before[i] = lanes[i];
    __m128i message[4];  // the last sixteen words of the schedule, by group of four modulo 4
#pragma clang loop unroll(full)
    for (int group = 0; group < 16; ++group) {
      __m128i& words = message[group % 4];
      if (group < 4) {
        words = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data) + group), big_endian);
      } else {
        const __m128i newest = message[(group + 3) % 4];
        const __m128i seven_back = _mm_alignr_epi8(newest, message[(group + 2) % 4], 4);
        const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(words, message[(group + 1) % 4]), seven_back);
        words = _mm_sha256msg2_epu32(sum, newest);
      }
      const __m128i sums = _mm_add_epi32(words, _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds) + group));
      for (int i = 0; i < kCount; ++i) FourRounds(&lanes[i], sums);
    }
    for (int i = 0; i < kCount; ++i) {
      lanes[i].abef = _mm_add_epi32(lanes[i].abef, before[i].abef);
      lanes[i].cdgh = _mm_add_epi32(lanes[i].cdgh, before[i].cdgh);
    }
  }
}

}  // namespace

bool CpuHasSha256() {
  static const bool has = [] {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & bit_SSE4_1) == 0 || (ecx & bit_SSSE3) == 0) return false;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & bit_SHA) != 0;
  }();
  return has;
}

AKI_SHA void Sha256Blocks(Sha256Words* words, const unsigned char* data, size_t blocks) {
  Lanes lanes[1] = {Load(*words)};
  Blocks(lanes, data, blocks);
  Store(lanes[0], words);
}

AKI_SHA void Sha256BlocksOfTwo(Sha256Words* one, Sha256Words* other, const unsigned char* data, size_t blocks) {
  Lanes lanes[2] = {Load(*one), Load(*other)};
  Blocks(lanes, data, blocks);
  Store(lanes[0], one);
  Store(lanes[1], other);
}

#else

bool CpuHasSha256() { return false; }
void Sha256Blocks(Sha256Words*, const unsigned char*, size_t) { AKI_CHECK(false); }
void Sha256BlocksOfTwo(Sha256Words*, Sha256Words*, const unsigned char*, size_t) { AKI_CHECK(false); }

#endif

}  // namespace akidb::internal
