// The reference: plain C++, one element at a time, for any CPU.
#include "simd/kernel_table.h"

namespace akidb {
namespace {

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = half >> 10 & 0x1fu;
  const uint32_t mantissa = half & 0x3ffu;
  // Zeros and subnormals are multiples of 2^-24, which a float holds exactly.
  if (exponent == 0) return (sign != 0 ? -0x1p-24f : 0x1p-24f) * static_cast<float>(mantissa);
  uint32_t bits = sign | (exponent + 112) << 23 | mantissa << 13;
  if (exponent == 31) bits = sign | 0x7f800000u | mantissa << 13 | (mantissa != 0 ? 0x400000u : 0);
  return __builtin_bit_cast(float, bits);
}

uint16_t FloatToHalf(float value) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    // Below 2^-14 halves are multiples of 2^-24; adding 0.5 makes the float adder round to one of them.
    const float rounded = __builtin_bit_cast(float, magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (__builtin_bit_cast(uint32_t, rounded) - 0x3f000000u));
  }
  const uint32_t odd = magnitude >> 13 & 1u;
  return static_cast<uint16_t>(sign | ((magnitude + 0xfffu + odd - (112u << 23)) >> 13));
}

struct V {
  using Reg = float;
  static constexpr size_t kWidth = 1;
  static Reg Zero() { return 0; }
  static Reg Broadcast(float x) { return x; }
  // A void pointer, because a float or half pointer promises alignment.
  template <class T>
  static T Unaligned(const void* p) {
    T x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  static Reg Load(const float* p) { return Unaligned<float>(p); }
  static Reg Load(const uint16_t* p) { return HalfToFloat(Unaligned<uint16_t>(p)); }
  static Reg Load(const int8_t* p) { return *p; }
  template <class T>
  static Reg LoadTail(const T* p, size_t) {
    return Load(p);
  }
  template <class T>
  static Reg LoadEnd(const T* end, size_t) {
    return Load(end - 1);
  }
  static Reg Add(Reg a, Reg b) { return a + b; }
  static Reg Sub(Reg a, Reg b) { return a - b; }
  static Reg Fma(Reg a, Reg b, Reg c) { return a * b + c; }
  // The product of a float and a code is exact in a double, so that only the last step rounds.
  static Reg Residual(Reg a, Reg scale, Reg b) {
    return static_cast<float>(static_cast<double>(a) - static_cast<double>(scale) * static_cast<double>(b));
  }
  static float Sum(Reg a) { return a; }
  static float Sqrt(float x) { return __builtin_sqrtf(x); }
  static void StoreF32(void* p, Reg a) { __builtin_memcpy(p, &a, sizeof a); }
  static void StoreHalf(void* p, Reg a) {
    const uint16_t half = FloatToHalf(a);
    __builtin_memcpy(p, &half, sizeof half);
  }
};

// Compares 64 codes; see code_impl.inc.
struct C {
  template <class Code>
  static uint64_t InRange64(const Code* codes, Code low, Code span) {
    uint64_t word = 0;
    for (size_t i = 0; i < 64; ++i) word |= uint64_t{static_cast<Code>(codes[i] - low) <= span} << i;
    return word;
  }
};

}  // namespace
}  // namespace akidb

#include "simd/code_impl.inc"
#include "simd/kernel_impl.inc"

namespace akidb {
const KernelTable kScalarKernels = kTable;
}
