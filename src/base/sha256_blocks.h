// The inner loop of SHA-256 on CPUs with instructions for it, over whole blocks of 64 bytes. It exists because two
// digests of the same bytes, an object's and its part's, then cost little more than one: the rounds of one wait for
// each other, and those of the other fill the gaps.
//
// Threads: pure functions.
// Errors:  none.
// Source:  FIPS 180-4; Gulley et al., Intel SHA Extensions (2013).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace akidb::internal {

constexpr size_t kSha256BlockBytes = 64;
using Sha256Words = std::array<uint32_t, 8>;
inline constexpr Sha256Words kSha256Begin{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// Whether the functions below may be called here.
bool CpuHasSha256();
void Sha256Blocks(Sha256Words* words, const unsigned char* data, size_t blocks);
// Both digests go on with the same blocks.
void Sha256BlocksOfTwo(Sha256Words* one, Sha256Words* other, const unsigned char* data, size_t blocks);

}  // namespace akidb::internal
