// The functions that each instruction set provides, apart from the names and the choice among them.
// It includes nothing but C headers: a standard C++ header in a translation unit built for AVX-512 could leave an
// inline function there which the linker then gives to a machine without AVX-512.
//
// Threads: tables of pure functions.
// Errors:  none.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace akidb {

// One query against chosen rows of a matrix. Row ids[i] starts at rows + ids[i] * stride_bytes.
struct ScanArgs {
  const float* query = nullptr;
  const void* rows = nullptr;
  size_t stride_bytes = 0;
  size_t dim = 0;
  const uint32_t* ids = nullptr;
  size_t count = 0;
  const float* scales = nullptr;  // scan_l2sq_i8 only: one a row of the matrix
  float* out = nullptr;           // count results
  float* norms = nullptr;         // scan_dot_norm_* only: the Euclidean norms of the rows
};

// Half floats are IEEE 754 binary16 in uint16_t. No function needs aligned pointers, none reads beyond its rows.
//
// Every sum may be taken in any order, each product or difference rounded at most once before it enters the sum, so
// that the error bounds of ann/score_bounds.h hold for all instruction sets. A sum that overflows on the way is
// infinite or NaN, never finite.
struct KernelTable {
  float (*dot_f32)(const float* a, const float* b, size_t n);
  float (*l2sq_f32)(const float* a, const float* b, size_t n);
  float (*dot_f32_f16)(const float* a, const uint16_t* b, size_t n);
  float (*l2sq_f32_f16)(const float* a, const uint16_t* b, size_t n);
  // Sum of a[i] * b[i]; the caller applies the scale.
  float (*dot_f32_i8)(const float* a, const int8_t* b, size_t n);
  // Sum of (a[i] - scale * b[i])^2.
  float (*l2sq_f32_i8)(const float* a, const int8_t* b, float scale, size_t n);

  // The same against many rows, with prefetch of rows to come: memory bandwidth decides the speed of a scan.
  void (*scan_dot_f32)(const ScanArgs& args);
  void (*scan_dot_f16)(const ScanArgs& args);
  void (*scan_dot_i8)(const ScanArgs& args);
  void (*scan_l2sq_f32)(const ScanArgs& args);
  void (*scan_l2sq_f16)(const ScanArgs& args);
  void (*scan_l2sq_i8)(const ScanArgs& args);
  void (*scan_dot_norm_f32)(const ScanArgs& args);
  void (*scan_dot_norm_f16)(const ScanArgs& args);

  void (*f32_to_f16)(const float* in, uint16_t* out, size_t n);  // round to nearest even; overflow gives infinity
  void (*f16_to_f32)(const uint16_t* in, float* out, size_t n);
  // True if every element is finite.
  bool (*all_finite)(const float* in, size_t n);

  // Bit i % 64 of words[i / 64] becomes whether low <= codes[i] <= high; (n + 63) / 64 words, bits beyond n are 0.
  void (*codes_in_range_u8)(const uint8_t* codes, size_t n, uint8_t low, uint8_t high, uint64_t* words);
  void (*codes_in_range_u16)(const uint16_t* codes, size_t n, uint16_t low, uint16_t high, uint64_t* words);
  void (*codes_in_range_u32)(const uint32_t* codes, size_t n, uint32_t low, uint32_t high, uint64_t* words);
  // Ones in `n` words.
  size_t (*count_bits)(const uint64_t* words, size_t n);
};

// Whether this CPU reads rows that follow one another faster when asked for them ahead. Measured: on Intel (Sapphire
// Rapids and later) half rows arrive 1.5 times as fast, since the hardware prefetcher stops at every 4 KiB; on Zen 4
// asking costs a fifth of the bandwidth.
bool RunsNeedPrefetch();

extern const KernelTable kScalarKernels;
#if defined(__x86_64__)
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
#endif

}  // namespace akidb
