#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/kernels.h"

namespace akidb {

float QuantizeInt8(const float* in, int8_t* out, size_t n) {
  float largest = 0;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(in[i]));
  if (largest == 0) {
    std::fill_n(out, n, int8_t{0});
    return 0;
  }
  // A quotient below the smallest float would be a scale of 0, that is, a vector lost.
  const float scale = std::max(largest / 127.0f, std::numeric_limits<float>::denorm_min());
  const double inverse = 1.0 / static_cast<double>(scale);
  for (size_t i = 0; i < n; ++i) {
    const double steps = static_cast<double>(in[i]) * inverse;
    const int code = static_cast<int>(steps + (steps < 0 ? -0.5 : 0.5));
    out[i] = static_cast<int8_t>(std::clamp(code, -127, 127));
  }
  return scale;
}

}  // namespace akidb
