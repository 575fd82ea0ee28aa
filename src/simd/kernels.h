// Distance kernels, one translation unit per instruction set, chosen once at start-up.
// AKIDB_SIMD=<name> forces a set; `akidb version --kernels` lists them.
//
// Threads: tables of pure functions.
// Errors:  none; SelectKernels says kInvalidArgument for an unknown or unsupported name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"

namespace akidb {

// Half floats are IEEE 754 binary16 in uint16_t.
struct KernelSet {
  std::string_view name;      // "scalar" "avx2" "avx512"
  std::string_view requires_cpu;  // "avx2 fma f16c"
  bool (*supported)();

  float (*dot_f32)(const float* a, const float* b, size_t n);
  float (*l2sq_f32)(const float* a, const float* b, size_t n);
  float (*dot_f32_f16)(const float* a, const uint16_t* b, size_t n);
  float (*l2sq_f32_f16)(const float* a, const uint16_t* b, size_t n);
  // Sum of a[i] * b[i]; the caller applies the scale.
  float (*dot_f32_i8)(const float* a, const int8_t* b, size_t n);
  // Sum of (a[i] - scale * b[i])^2.
  float (*l2sq_f32_i8)(const float* a, const int8_t* b, float scale, size_t n);
  void (*f32_to_f16)(const float* in, uint16_t* out, size_t n);  // round to nearest even; overflow gives infinity
  void (*f16_to_f32)(const uint16_t* in, float* out, size_t n);
  // True if every element is finite.
  bool (*all_finite)(const float* in, size_t n);
};

// Best first.
std::span<const KernelSet* const> AllKernels();
// The set in use: forced by AKIDB_SIMD, else the best the CPU supports. Chosen at the first call.
const KernelSet& Kernels();
// For tests and `bench`: the set of that name.
Result<const KernelSet*> SelectKernels(std::string_view name);

// Symmetric per-vector quantisation: writes n codes, returns the scale (0 for a zero vector).
float QuantizeInt8(const float* in, int8_t* out, size_t n);

}  // namespace akidb
