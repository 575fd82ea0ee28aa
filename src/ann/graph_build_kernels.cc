#include "ann/graph_build_kernels.h"

#include <string_view>

namespace akidb {

bool IsSupported([[maybe_unused]] const GraphBuildKernels& kernels) {
#if defined(__x86_64__)
  if (&kernels == &kVnniGraphBuildKernels) {
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
           __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
           __builtin_cpu_supports("avx512vnni") != 0;
  }
  if (&kernels == &kAvx2GraphBuildKernels) return __builtin_cpu_supports("avx2") != 0;
#endif
  return true;
}

const GraphBuildKernels& GraphBuildKernelsFor([[maybe_unused]] const char* name) {
#if defined(__x86_64__)
  const std::string_view set = name;
  if (set == kAvx512GraphKernels.name && IsSupported(kVnniGraphBuildKernels)) return kVnniGraphBuildKernels;
  if (set != kScalarGraphKernels.name) return kAvx2GraphBuildKernels;
#endif
  return kScalarGraphBuildKernels;
}

}  // namespace akidb
