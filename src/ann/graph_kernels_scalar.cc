// The reference: look-ups and integer products one element at a time, for any CPU.
#include "ann/graph_vectors.inc"

namespace akidb {
namespace {

struct V {
  template <class Meanwhile>
  static void Scan(const uint8_t* codes, const uint8_t* lut, uint32_t dim, uint32_t* sums, Meanwhile meanwhile) {
    for (uint32_t j = 0; j < 32; ++j) sums[j] = 0;
    for (uint32_t group = 0; group < dim / 4; ++group) {
      if (group % 16 == 0) meanwhile();
      for (uint32_t j = 0; j < 16; ++j) {
        const uint32_t pair = codes[group * 16 + j];
        sums[j] += lut[group * 16 + (pair & 15)];
        sums[j + 16] += lut[group * 16 + (pair >> 4)];
      }
    }
  }
  template <class Meanwhile>
  static int32_t DotLevels(const int8_t* code, const int16_t* levels, uint32_t dim, Meanwhile meanwhile) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < dim; ++i) {
      if (i % 64 == 0) meanwhile();
      sum += code[i] * levels[i];
    }
    return sum;
  }
  static int32_t DotCodes(const int8_t* a, const int8_t* b, uint32_t dim) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < dim; ++i) sum += a[i] * b[i];
    return sum;
  }
  static uint32_t Below(Floats d, float bound) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 16; ++i) bits |= d[i] < bound ? 1u << i : 0;
    return bits;
  }
  static uint32_t Bits(const uint32_t* bitmap, const uint8_t* ids) {
    uint32_t out = 0;
    for (uint32_t i = 0; i < 16; ++i) {
      uint32_t id;
      __builtin_memcpy(&id, ids + i * sizeof id, sizeof id);
      out |= (bitmap[id / 32] >> (id % 32) & 1) << i;
    }
    return out;
  }
  static constexpr uint32_t kKeyRegistersMax = 0;

  static uint32_t CountBelow(Longs keys, int64_t key) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < 8; ++i) count += keys[i] < key ? 1 : 0;
    return count;
  }
  static uint32_t CountBelow(const int64_t* keys, uint32_t n, int64_t key) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; ++i) count += keys[i] < key ? 1 : 0;
    return count;
  }
  static void ShiftUp(int64_t* keys, uint32_t n, uint32_t by) {
    __builtin_memmove(keys + by, keys, n * sizeof(int64_t));
  }
  static constexpr uint32_t kMergedMax = 0;
  static void Merge(int64_t*, uint32_t, const int64_t*, const uint32_t*, uint32_t) {}
  static uint32_t CountTaken(const int64_t* keys) {
    uint32_t count = 0;
    while (count < 8 && (keys[count] & 1) != 0) ++count;
    return count;
  }
  static void SumsWhere(const uint8_t* const* bits, const uint8_t* levels, uint32_t dim, int32_t* sums) {
    for (uint32_t j = 0; j < 4; ++j) {
      sums[j] = 0;
      for (uint32_t i = 0; i < dim; ++i) sums[j] += (bits[j][i / 8] >> (i % 8) & 1) * levels[i];
    }
  }
  static int32_t DotFine(const uint8_t* bits, const uint8_t* nibbles, const int16_t* levels, uint32_t dim) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < dim; ++i) {
      const uint32_t nibble = nibbles[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
      const int32_t value = static_cast<int32_t>(2 * nibble + 1);
      sum += ((bits[i / 8] >> (i % 8) & 1) != 0 ? value : -value) * levels[i];
    }
    return sum;
  }
};

}  // namespace
}  // namespace akidb

#include "ann/graph_kernels_impl.inc"

namespace akidb {
const GraphKernels kScalarGraphKernels = KernelsNamed("scalar");
}
