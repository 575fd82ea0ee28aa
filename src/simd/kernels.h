// Distance kernels, one translation unit per instruction set, chosen once at start-up.
// AKIDB_SIMD=<name> forces a set; `akidb version --kernels` lists them.
//
// Threads: tables of pure functions.
// Errors:  none; SelectKernels says kInvalidArgument for an unknown name, kFailedPrecondition for one that this CPU
//          cannot run. Kernels() ends the process with a message if AKIDB_SIMD names such a set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"
#include "simd/kernel_table.h"

namespace akidb {

struct KernelSet : KernelTable {
  std::string_view name;          // "scalar" "avx2" "avx512"
  std::string_view requires_cpu;  // "avx2 fma f16c"
  bool (*supported)() = nullptr;
};

// Best first.
std::span<const KernelSet* const> AllKernels();
// The set in use: forced by AKIDB_SIMD, else the best the CPU supports. Chosen at the first call.
const KernelSet& Kernels();
// For tests and `bench`: the set of that name.
Result<const KernelSet*> SelectKernels(std::string_view name);

// Symmetric per-vector quantisation: writes n codes in [-127, 127], returns the scale (0 for a zero vector).
// Elements must be finite.
float QuantizeInt8(const float* in, int8_t* out, size_t n);

}  // namespace akidb
