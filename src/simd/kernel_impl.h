// The kernels, written once over a small vector type V that each instruction set's translation unit defines before it
// includes this file. Everything is in an unnamed namespace: the copies built for different instruction sets must never
// be merged by the linker.
//
// V offers Reg, kWidth, Zero, Broadcast, Load and LoadTail (of float, half and int8; the tail is filled with zeros),
// Add, Sub, Fma(a, b, c) = a * b + c, Residual(a, scale, b) = a - scale * b rounded once, Sum, Sqrt,
// StoreF32 and StoreHalf.
//
// Threads: pure functions.
// Errors:  none.
#pragma once

#include "simd/kernel_table.h"

namespace akidb {
namespace {

using Reg = V::Reg;

// How far ahead of its use a scan asks for memory: twice the bytes that arrive within one memory latency.
constexpr size_t kPrefetchBytes = 8192;
constexpr size_t kLineBytes = 64;

// What is done with one register of the query and one of the row.
struct DotStep {
  static Reg Apply(Reg q, Reg r, Reg acc, Reg) { return V::Fma(q, r, acc); }
};
struct L2Step {
  static Reg Apply(Reg q, Reg r, Reg acc, Reg) {
    const Reg d = V::Sub(q, r);
    return V::Fma(d, d, acc);
  }
};
struct ScaledL2Step {
  static Reg Apply(Reg q, Reg r, Reg acc, Reg scale) {
    const Reg d = V::Residual(q, scale, r);
    return V::Fma(d, d, acc);
  }
};

struct Sums {
  Reg score;
  Reg norm;
};

template <class Step, bool with_norm>
[[gnu::always_inline]] inline void Accumulate(Reg q, Reg r, Reg scale, Sums& sums) {
  sums.score = Step::Apply(q, r, sums.score, scale);
  if constexpr (with_norm) sums.norm = V::Fma(r, r, sums.norm);
}

struct RowSums {
  float score;
  float norm_squared;
};

// Four sums in flight hide the latency of the multiply-add. Asks for the row at `ahead` meanwhile, line by line.
template <class Step, bool with_norm, bool prefetch, class T>
[[gnu::always_inline]] inline RowSums OneRow(const float* q, const T* r, size_t n, float scale, const char* ahead) {
  constexpr size_t w = V::kWidth;
  constexpr size_t turn = 4 * w;
  constexpr size_t turn_bytes = turn * sizeof(T);
  const Reg s = V::Broadcast(scale);
  Sums sums[4];
  for (Sums& sum : sums) sum = {V::Zero(), V::Zero()};
  size_t i = 0;
  for (; i + turn <= n; i += turn) {
    if constexpr (prefetch) {
#pragma clang loop unroll(full)
      for (size_t at = 0; at < turn_bytes; at += kLineBytes) __builtin_prefetch(ahead + i * sizeof(T) + at);
    }
#pragma clang loop unroll(full)
    for (size_t j = 0; j < 4; ++j)
      Accumulate<Step, with_norm>(V::Load(q + i + j * w), V::Load(r + i + j * w), s, sums[j]);
  }
  if constexpr (prefetch) __builtin_prefetch(ahead + n * sizeof(T) - 1);
  for (; i + w <= n; i += w) Accumulate<Step, with_norm>(V::Load(q + i), V::Load(r + i), s, sums[0]);
  if (i < n) Accumulate<Step, with_norm>(V::LoadTail(q + i, n - i), V::LoadTail(r + i, n - i), s, sums[1]);
  const Reg score = V::Add(V::Add(sums[0].score, sums[1].score), V::Add(sums[2].score, sums[3].score));
  if constexpr (!with_norm) return {V::Sum(score), 0.0f};
  const Reg norm = V::Add(V::Add(sums[0].norm, sums[1].norm), V::Add(sums[2].norm, sums[3].norm));
  return {V::Sum(score), V::Sum(norm)};
}

template <class Step, class T>
float Pair(const float* a, const T* b, size_t n) {
  return OneRow<Step, false, false>(a, b, n, 0.0f, nullptr).score;
}

// Row after row from its first byte to its last: the hardware prefetcher follows that best (on Zen 4 interleaving four
// rows halves the bandwidth, and software prefetch within a run costs a fifth of it). The jumps of a filtered scan it
// cannot foresee: there we ask for rows ourselves.
template <class Step, bool with_norm, class T>
void Scan(const ScanArgs& args) {
  constexpr bool scaled = __is_same(Step, ScaledL2Step);
  const char* base = static_cast<const char*>(args.rows);
  const size_t rows_ahead = kPrefetchBytes / (args.dim * sizeof(T) + 1) + 1;
  for (size_t i = 0; i < args.count; ++i) {
    const size_t row = args.ids[i];
    const size_t last = i + rows_ahead < args.count ? i + rows_ahead : args.count - 1;
    const size_t next = args.ids[last];
    const T* r = reinterpret_cast<const T*>(base + row * args.stride_bytes);
    const float scale = scaled ? args.scales[row] : 0.0f;
    const bool in_run = next - row == last - i;
    const RowSums sums =
        in_run ? OneRow<Step, with_norm, false>(args.query, r, args.dim, scale, nullptr)
               : OneRow<Step, with_norm, true>(args.query, r, args.dim, scale, base + next * args.stride_bytes);
    args.out[i] = sums.score;
    if constexpr (with_norm) args.norms[i] = V::Sqrt(sums.norm_squared);
  }
}

void ToHalfs(const float* in, uint16_t* out, size_t n) {
  constexpr size_t w = V::kWidth;
  size_t i = 0;
  for (; i + w <= n; i += w) V::StoreHalf(out + i, V::Load(in + i));
  if (i < n) {
    uint16_t tail[w];
    V::StoreHalf(tail, V::LoadTail(in + i, n - i));
    __builtin_memcpy(static_cast<void*>(out + i), tail, (n - i) * sizeof(uint16_t));
  }
}

void FromHalfs(const uint16_t* in, float* out, size_t n) {
  constexpr size_t w = V::kWidth;
  size_t i = 0;
  for (; i + w <= n; i += w) V::StoreF32(out + i, V::Load(in + i));
  if (i < n) {
    float tail[w];
    V::StoreF32(tail, V::LoadTail(in + i, n - i));
    __builtin_memcpy(static_cast<void*>(out + i), tail, (n - i) * sizeof(float));
  }
}

// x * 0 is 0 for every finite x and NaN for the others, and a NaN in a sum stays.
bool AllFinite(const float* in, size_t n) {
  constexpr size_t w = V::kWidth;
  Reg acc0 = V::Zero(), acc1 = V::Zero();
  size_t i = 0;
  for (; i + 2 * w <= n; i += 2 * w) {
    acc0 = V::Fma(V::Load(in + i), V::Zero(), acc0);
    acc1 = V::Fma(V::Load(in + i + w), V::Zero(), acc1);
  }
  for (; i + w <= n; i += w) acc0 = V::Fma(V::Load(in + i), V::Zero(), acc0);
  if (i < n) acc1 = V::Fma(V::LoadTail(in + i, n - i), V::Zero(), acc1);
  return V::Sum(V::Add(acc0, acc1)) == 0.0f;
}

constexpr KernelTable kTable = {
    .dot_f32 = Pair<DotStep, float>,
    .l2sq_f32 = Pair<L2Step, float>,
    .dot_f32_f16 = Pair<DotStep, uint16_t>,
    .l2sq_f32_f16 = Pair<L2Step, uint16_t>,
    .dot_f32_i8 = Pair<DotStep, int8_t>,
    .l2sq_f32_i8 = [](const float* a, const int8_t* b, float scale,
                      size_t n) { return OneRow<ScaledL2Step, false, false>(a, b, n, scale, nullptr).score; },
    .scan_dot_f32 = Scan<DotStep, false, float>,
    .scan_dot_f16 = Scan<DotStep, false, uint16_t>,
    .scan_dot_i8 = Scan<DotStep, false, int8_t>,
    .scan_l2sq_f32 = Scan<L2Step, false, float>,
    .scan_l2sq_f16 = Scan<L2Step, false, uint16_t>,
    .scan_l2sq_i8 = Scan<ScaledL2Step, false, int8_t>,
    .scan_dot_norm_f32 = Scan<DotStep, true, float>,
    .scan_dot_norm_f16 = Scan<DotStep, true, uint16_t>,
    .f32_to_f16 = ToHalfs,
    .f16_to_f32 = FromHalfs,
    .all_finite = AllFinite,
};

}  // namespace
}  // namespace akidb
