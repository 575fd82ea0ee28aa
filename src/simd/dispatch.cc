#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "simd/kernels.h"

namespace akidb {
namespace {

#if defined(__x86_64__)
constexpr size_t kSetCount = 3;
#else
constexpr size_t kSetCount = 1;
#endif

const std::array<const KernelSet*, kSetCount>& Sets() {
#if defined(__x86_64__)
  static const KernelSet avx512{kAvx512Kernels, "avx512", "avx512f avx512bw avx512vl avx512dq avx2 fma f16c", [] {
                                  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                                         __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                                         __builtin_cpu_supports("f16c");
                                }};
  static const KernelSet avx2{
      kAvx2Kernels, "avx2", "avx2 fma f16c",
      [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"); }};
#endif
  static const KernelSet scalar{kScalarKernels, "scalar", "", [] { return true; }};
#if defined(__x86_64__)
  static const std::array<const KernelSet*, kSetCount> sets = {&avx512, &avx2, &scalar};
#else
  static const std::array<const KernelSet*, kSetCount> sets = {&scalar};
#endif
  return sets;
}

const KernelSet& Choose() {
  const char* forced = std::getenv("AKIDB_SIMD");
  if (forced != nullptr && *forced != '\0') {
    const Result<const KernelSet*> set = SelectKernels(forced);
    if (set) return **set;
    std::fprintf(stderr, "akidb: AKIDB_SIMD: %s\n", std::string(set.error().message()).c_str());
    std::_Exit(2);
  }
  for (const KernelSet* set : Sets()) {
    if (set->supported()) return *set;
  }
  std::abort();  // not reached: scalar is always supported
}

bool IsIntel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("intel") != 0;
#else
  return false;
#endif
}

}  // namespace

bool RunsNeedPrefetch() {
  static const bool needed = IsIntel();
  return needed;
}

std::span<const KernelSet* const> AllKernels() { return Sets(); }

const KernelSet& Kernels() {
  static const KernelSet& chosen = Choose();
  return chosen;
}

Result<const KernelSet*> SelectKernels(std::string_view name) {
  std::string known;
  for (const KernelSet* set : Sets()) {
    if (set->name == name) {
      if (set->supported()) return set;
      return std::unexpected(FailedPrecondition("the kernel set '" + std::string(name) + "' needs a CPU with " +
                                                std::string(set->requires_cpu)));
    }
    known += (known.empty() ? "" : ", ") + std::string(set->name);
  }
  return std::unexpected(
      InvalidArgument("no kernel set is called '" + std::string(name.substr(0, 64)) + "'; there are " + known));
}

}  // namespace akidb
