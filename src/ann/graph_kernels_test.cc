#include "ann/graph_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <tuple>
#include <vector>

#include "ann/graph_kernels_testing.h"

namespace akidb {
namespace {

constexpr uint32_t kDims[] = {64, 128, 192, 384, 448, 768, 1024, 1088, 2112, 16448};

std::vector<uint32_t> Signs(uint32_t dim) {
  std::mt19937_64 random(dim);
  std::vector<uint32_t> out(size_t{kRotationRounds} * dim);
  for (uint32_t& s : out) s = random() % 2 == 0 ? 0 : 0x80000000u;
  return out;
}

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

TEST(GraphKernelsTest, RotationKeepsAnglesAndSpreadsElements) {
  for (const GraphKernels* kernels : KernelSets()) {
    for (const uint32_t dim : kDims) {
      const std::vector<uint32_t> signs = Signs(dim);
      std::vector<float> a = NormalFloats(1, dim), b = NormalFloats(2, dim);
      const double before = Dot(a, b), size = std::sqrt(Dot(a, a) * Dot(b, b));
      kernels->rotate(a.data(), dim, signs.data());
      kernels->rotate(b.data(), dim, signs.data());
      ASSERT_NEAR(Dot(a, b) / size, before / size, 1e-5) << kernels->name << " " << dim;
      for (const uint32_t at : {0u, dim / 2, dim - 1}) {
        std::vector<float> unit(dim);
        unit[at] = 1;
        kernels->rotate(unit.data(), dim, signs.data());
        const float largest = std::abs(*std::ranges::max_element(unit, {}, [](float x) { return std::abs(x); }));
        ASSERT_LT(largest, 8 / std::sqrt(static_cast<float>(dim))) << kernels->name << " " << dim << " element " << at;
      }
    }
  }
}

TEST(GraphKernelsTest, EverySetGivesTheSameBits) {
  for (const uint32_t dim : kDims) {
    const std::vector<uint32_t> signs = Signs(dim);
    const Coded coded(kScalarGraphKernels, dim, 40, dim);
    std::vector<uint32_t> ids(kGraphDegree);
    std::iota(ids.begin(), ids.end(), 1u);
    const GraphLayout layout{dim};
    for (const GraphKernels* kernels : KernelSets()) {
      std::vector<float> x = NormalFloats(3, dim), y = x;
      kScalarGraphKernels.rotate(x.data(), dim, signs.data());
      kernels->rotate(y.data(), dim, signs.data());
      ASSERT_EQ(std::memcmp(x.data(), y.data(), dim * sizeof(float)), 0) << kernels->name << " rotate " << dim;

      const Coded other(*kernels, dim, 40, dim);
      ASSERT_EQ(other.codes, coded.codes) << kernels->name << " " << dim;
      ASSERT_EQ(other.scales, coded.scales);
      ASSERT_EQ(other.norms, coded.norms);

      const Prepared p(kScalarGraphKernels, x), q(*kernels, x);
      ASSERT_EQ(q.lut, p.lut) << kernels->name << " " << dim;
      ASSERT_EQ(q.levels, p.levels);
      ASSERT_EQ(q.query.lut_step, p.query.lut_step);
      ASSERT_EQ(q.query.lut_offset, p.query.lut_offset);
      ASSERT_EQ(q.query.norm_squared, p.query.norm_squared);

      std::vector<float> near(39), near2(39);
      std::vector<uint32_t> others(39);
      std::iota(others.begin(), others.end(), 1u);
      kScalarGraphKernels.distances(coded.slab, 0, others.data(), others.size(), near.data());
      kernels->distances(coded.slab, 0, others.data(), others.size(), near2.data());
      ASSERT_EQ(near, near2) << kernels->name << " " << dim;
      kScalarGraphKernels.query_distances(coded.slab, p.query, others.data(), others.size(), near.data());
      kernels->query_distances(coded.slab, p.query, others.data(), others.size(), near2.data());
      ASSERT_EQ(near, near2) << kernels->name << " " << dim;

      std::vector<uint8_t> block(layout.block_bytes(), 1), block2(layout.block_bytes(), 2);
      kScalarGraphKernels.encode_block(coded.slab, coded.codes.data(), coded.scales[0], coded.norms[0], ids.data(),
                                       block.data());
      kernels->encode_block(coded.slab, coded.codes.data(), coded.scales[0], coded.norms[0], ids.data(), block2.data());
      ASSERT_EQ(block, block2) << kernels->name << " " << dim;

      const std::vector<int8_t> origin(dim);
      const SweepLayout sweep_layout{dim};
      std::vector<uint8_t> swept(sweep_layout.block_bytes(), 1), swept2(sweep_layout.block_bytes(), 2);
      kScalarGraphKernels.encode_sweep_block(coded.slab, origin.data(), ids.data(), swept.data());
      kernels->encode_sweep_block(coded.slab, origin.data(), ids.data(), swept2.data());
      ASSERT_EQ(swept, swept2) << kernels->name << " " << dim;
      const auto sweep = [&](const GraphKernels& k) {
        std::vector<int64_t> keys(64);
        GraphSweep s;
        s.blocks = swept.data();
        s.block_count = 1;
        s.row_count = 31;
        s.dim = dim;
        s.query = &p.query;
        const uint64_t eligible = 0xfffffff7;
        s.eligible = &eligible;
        s.bound = INFINITY;
        s.keys = keys.data();
        s.capacity = 64;
        EXPECT_FALSE(k.sweep(s));
        EXPECT_EQ(s.size, 30u);
        keys.resize(s.size);
        return keys;
      };
      ASSERT_EQ(sweep(kScalarGraphKernels), sweep(*kernels)) << kernels->name << " " << dim;

      ASSERT_EQ(q.sign_levels, p.sign_levels) << kernels->name << " " << dim;
      ASSERT_EQ(q.query.sign_step, p.query.sign_step);
      ASSERT_EQ(q.query.sign_sum, p.query.sign_sum);
      for (const uint32_t bits : {5u, 8u}) {
        const CompactCoded compact(kScalarGraphKernels, coded, bits), compact2(*kernels, coded, bits);
        ASSERT_EQ(compact.signs, compact2.signs) << kernels->name << " " << dim;
        ASSERT_EQ(compact.codes, compact2.codes) << kernels->name << " " << dim;
        for (const bool fine : {false, true}) {
          ASSERT_EQ(compact.Keys(*kernels, p.query, fine), compact.Keys(kScalarGraphKernels, p.query, fine))
              << kernels->name << " " << dim << " " << bits;
        }
      }

      std::vector<uint32_t> sums(32), sums2(32, 7);
      kScalarGraphKernels.scan(block.data(), p.lut.data(), dim, sums.data());
      kernels->scan(block.data(), p.lut.data(), dim, sums2.data());
      ASSERT_EQ(sums, sums2) << kernels->name << " " << dim;
    }
  }
}

TEST(GraphKernelsTest, LargestSumsDoNotOverflow) {
  for (const GraphKernels* kernels : KernelSets()) {
    const uint32_t dim = 16448;
    const std::vector<uint8_t> codes(size_t{dim} * 4, 0xff), lut(size_t{dim} * 4, kLutMax);
    std::vector<uint32_t> sums(32);
    kernels->scan(codes.data(), lut.data(), dim, sums.data());
    for (const uint32_t sum : sums) ASSERT_EQ(sum, dim / 4 * kLutMax) << kernels->name;
  }
}

TEST(GraphKernelsTest, LargestLevelsDoNotOverflow) {
  const std::vector<float> ones(16448, 1.0f);
  for (const GraphKernels* kernels : KernelSets()) {
    EXPECT_NEAR(Prepared(*kernels, ones).query.norm_squared, 16448, 1e-2) << kernels->name;
  }
}

TEST(GraphKernelsTest, ExactSumsAreAddedEightSideBySideInOrder) {
  constexpr double kScale = 0.37;
  for (const GraphKernels* kernels : KernelSets()) {
    for (const size_t n : {size_t{8}, size_t{24}, size_t{384}}) {
      const std::vector<float> q = NormalFloats(1, static_cast<uint32_t>(n)),
                               r = NormalFloats(2, static_cast<uint32_t>(n));
      // They go on from what is there.
      std::vector<double> dots(8, 0.1), norms(8, 0.2), squares(8, 0.3);
      std::vector<double> dots2 = dots, dots3 = dots, norms2 = norms, squares2 = squares;
      for (size_t i = 0; i < n; ++i) {
        const double x = q[i], y = r[i], d = x - kScale * y;
        dots[i % 8] += x * y;
        norms[i % 8] += y * y;
        squares[i % 8] += d * d;
      }
      kernels->add_dot(q.data(), r.data(), n, dots2.data());
      kernels->add_squares(q.data(), r.data(), n, kScale, squares2.data());
      kernels->add_dot_and_norm(q.data(), r.data(), n, dots3.data(), norms2.data());
      EXPECT_EQ(dots2, dots) << kernels->name << " " << n;
      EXPECT_EQ(dots3, dots) << kernels->name << " " << n;
      EXPECT_EQ(norms2, norms) << kernels->name << " " << n;
      EXPECT_EQ(squares2, squares) << kernels->name << " " << n;
    }
  }
}

TEST(GraphKernelsTest, DistancesAreThoseOfTheCodes) {
  for (const uint32_t dim : {64u, 384u, 1088u}) {
    const Coded coded(*KernelSets().front(), dim, 20, 5);
    std::vector<uint32_t> ids(19);
    std::iota(ids.begin(), ids.end(), 1u);
    std::vector<float> near(19);
    KernelSets().front()->distances(coded.slab, 0, ids.data(), ids.size(), near.data());
    for (uint32_t i = 0; i < 19; ++i) {
      const double expected = Dot(coded.decoded[0], coded.decoded[0]) +
                              Dot(coded.decoded[i + 1], coded.decoded[i + 1]) -
                              2 * Dot(coded.decoded[0], coded.decoded[i + 1]);
      ASSERT_NEAR(near[i], expected, 1e-4 * expected);
    }
  }
}

TEST(GraphKernelsTest, CodesErrByHalfAStepAtMost) {
  const uint32_t dim = 384;
  const std::vector<float> x = NormalFloats(9, dim);
  std::vector<int8_t> code(dim);
  float scale = 0, norm = 0;
  kScalarGraphKernels.encode(x.data(), dim, code.data(), &scale, &norm);
  double squares = 0;
  for (uint32_t i = 0; i < dim; ++i) {
    ASSERT_LE(std::abs(scale * static_cast<float>(code[i]) - x[i]), scale * 0.5001f);
    squares += std::pow(static_cast<double>(scale) * code[i], 2);
  }
  EXPECT_NEAR(norm, squares, squares * 1e-6);
  const std::vector<float> zeros(dim);
  kScalarGraphKernels.encode(zeros.data(), dim, code.data(), &scale, &norm);
  EXPECT_EQ(scale, 0);
  EXPECT_EQ(norm, 0);
}

// Rows of 8-bit codes, and what their finer codes add.
struct FinerCoded {
  FinerCoded(const GraphKernels& kernels, uint32_t dim, uint32_t count, uint64_t seed)
      : coded(kernels, dim, count, seed), nibbles(size_t{count} * dim / 2), norms(count) {
    for (uint32_t row = 0; row < count; ++row) {
      rows.push_back(NormalFloats(seed + row, dim));
      for (float& e : rows.back()) e /= std::sqrt(static_cast<float>(dim));
      kernels.encode_finer(rows.back().data(), dim, coded.codes.data() + size_t{row} * dim, coded.scales[row],
                           nibbles.data() + size_t{row} * dim / 2, &norms[row]);
    }
  }
  // Keys of all rows by both codes together, in the order of rows.
  std::vector<int64_t> Keys(const GraphKernels& kernels, const GraphQuery& query) const {
    const CompactCoded compact(kernels, coded, 8);
    std::vector<int64_t> keys(rows.size());
    for (uint32_t row = 0; row < rows.size(); ++row) keys[row] = KeyOfPair(0, row);
    GraphWalk walk;
    walk.compact = compact.layout;
    walk.signs = compact.signs.data();
    walk.codes = compact.codes.data();
    walk.finer = {nibbles.data(), norms.data()};
    walk.query = &query;
    walk.results = keys.data();
    walk.result_size = static_cast<uint32_t>(keys.size());
    kernels.compact.refine(walk);
    return keys;
  }
  std::vector<std::vector<float>> rows;
  Coded coded;
  std::vector<uint8_t> nibbles;
  std::vector<float> norms;
};

TEST(GraphKernelsTest, FinerCodesAreTheSameEverywhereAndSixteenTimesAsNear) {
  for (const uint32_t dim : {64u, 384u, 2112u, 16448u}) {
    const uint32_t rows = dim > 2112 ? 3 : 30;
    const std::vector<float> q = NormalFloats(1000, dim);
    const Prepared p(kScalarGraphKernels, q);
    const FinerCoded expected(kScalarGraphKernels, dim, rows, 100);
    for (const GraphKernels* kernels : KernelSets()) {
      const FinerCoded finer(*kernels, dim, rows, 100);
      ASSERT_EQ(finer.nibbles, expected.nibbles) << kernels->name << " " << dim;
      ASSERT_EQ(finer.norms, expected.norms) << kernels->name << " " << dim;
      ASSERT_EQ(finer.Keys(*kernels, p.query), expected.Keys(kScalarGraphKernels, p.query))
          << kernels->name << " " << dim;
    }
    std::vector<double> seen;  // the query as its levels say, which codes are compared with
    for (uint32_t i = 0; i < dim; ++i) seen.push_back(static_cast<double>(p.query.level_scale) * p.levels[i]);
    for (const int64_t key : expected.Keys(kScalarGraphKernels, p.query)) {
      const uint32_t row = RowOfKey(key);
      const float scale = expected.coded.scales[row];
      double distance = 0, size = 0;
      for (uint32_t i = 0; i < dim; ++i) {
        const int nibble = expected.nibbles[size_t{row} * dim / 2 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
        const float value = scale * (static_cast<float>(expected.coded.codes[size_t{row} * dim + i]) +
                                     static_cast<float>(2 * nibble - 15) / 32);
        ASSERT_NEAR(value, expected.rows[row][i], scale / 31) << dim << " " << i;
        const double way = seen[i] - static_cast<double>(value);
        distance += way * way;
        size += seen[i] * seen[i] + static_cast<double>(value) * static_cast<double>(value);
      }
      ASSERT_NEAR(DistanceOfKey(key), distance, size * 1e-6) << dim << " " << row;
    }
  }
}

// What the codes of a block say of |q - o|^2, one bit a dimension or two of few: right on average, and as near as so
// many bits allow.
void ExpectUnbiasedEstimates(uint32_t dim, uint32_t bits, double error_min, double error_max) {
  const GraphKernels& kernels = *KernelSets().front();
  const Coded coded(kernels, dim, 33, 100);
  std::vector<uint32_t> ids(kGraphDegree);
  std::iota(ids.begin(), ids.end(), 1u);
  const GraphLayout layout{dim};
  ASSERT_EQ(layout.code_bits(), bits);
  std::vector<uint8_t> block(layout.block_bytes());
  kernels.encode_block(coded.slab, coded.codes.data(), coded.scales[0], coded.norms[0], ids.data(), block.data());
  BlockScales scales;
  std::memcpy(&scales, block.data() + layout.scales(), sizeof scales);
  double error = 0, squares = 0;
  int count = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::vector<float> q = NormalFloats(1000 + seed, dim);
    for (float& e : q) e /= std::sqrt(static_cast<float>(dim));
    const Prepared p(kernels, q);
    std::vector<uint32_t> sums(32);
    std::vector<double> products(32);  // of each code with the query
    for (uint32_t bit = 0; bit < bits; ++bit) {
      kernels.scan(block.data() + layout.codes() + size_t{bit} * dim * 4, p.lut.data(), dim, sums.data());
      for (uint32_t j = 0; j < kGraphDegree; ++j) {
        products[j] =
            2 * products[j] + static_cast<double>(p.query.lut_step) * sums[j] - static_cast<double>(p.query.lut_offset);
      }
    }
    const auto distance = [&](const std::vector<float>& o) { return Dot(q, q) + Dot(o, o) - 2 * Dot(q, o); };
    for (uint32_t j = 0; j < kGraphDegree; ++j) {
      int16_t add, factor;
      std::memcpy(&add, block.data() + layout.adds() + j * 2, 2);
      std::memcpy(&factor, block.data() + layout.factors() + j * 2, 2);
      const double estimate = distance(coded.decoded[0]) + static_cast<double>(scales.add) * add -
                              static_cast<double>(scales.factor) * factor * products[j];
      const double e = estimate - distance(coded.decoded[ids[j]]);
      error += e;
      squares += e * e;
      ++count;
    }
  }
  EXPECT_LT(std::abs(error / count), 0.02);
  EXPECT_LT(std::sqrt(squares / count), error_max);
  EXPECT_GT(std::sqrt(squares / count), error_min);
}

// |o - c| and |q - c| are about sqrt(2): 2 * 2 * 0.75 / sqrt(dim).
TEST(GraphKernelsTest, OneBitEstimatesAreUnbiased) { ExpectUnbiasedEstimates(384, 1, 0.1, 0.2); }

// Two bits err half as much: of one, 128 dimensions would make 0.27 and 64 dimensions 0.37.
TEST(GraphKernelsTest, TwoBitEstimatesAreUnbiasedAndTwiceAsNear) {
  ExpectUnbiasedEstimates(128, 2, 0.1, 0.16);
  ExpectUnbiasedEstimates(64, 2, 0.14, 0.22);
}

// What rows of signs and finer codes say of |q - o|^2 is right on average, and as near as their bits allow.
TEST(GraphKernelsTest, CompactEstimatesAreUnbiased) {
  const uint32_t dim = 384, rows = 40;
  const GraphKernels& kernels = *KernelSets().front();
  const Coded coded(kernels, dim, rows, 100);
  for (const auto& [bits, fine, error_max] : {std::tuple{5u, false, 0.1}, {5u, true, 0.01}, {8u, true, 0.001}}) {
    const CompactCoded compact(kernels, coded, bits);
    double error = 0, squares = 0;
    int count = 0;
    for (uint64_t seed = 0; seed < 50; ++seed) {
      std::vector<float> q = NormalFloats(1000 + seed, dim);
      for (float& e : q) e /= std::sqrt(static_cast<float>(dim));
      const Prepared p(kernels, q);
      for (const int64_t key : compact.Keys(kernels, p.query, fine)) {
        const std::vector<float>& o = coded.decoded[RowOfKey(key)];
        const double e = DistanceOfKey(key) - (Dot(q, q) + Dot(o, o) - 2 * Dot(q, o));
        error += e;
        squares += e * e;
        ++count;
      }
    }
    ASSERT_EQ(count, 50 * static_cast<int>(fine ? rows : kGraphDegree));
    EXPECT_LT(std::abs(error / count), error_max / 10) << bits << " " << fine;
    EXPECT_LT(std::sqrt(squares / count), error_max) << bits << " " << fine;
    EXPECT_GT(std::sqrt(squares / count), error_max / 10) << bits << " " << fine;
  }
}

TEST(GraphKernelsTest, LargestCompactSumsDoNotOverflow) {
  const uint32_t dim = 16448;
  const CompactLayout layout{dim, 5};
  for (const GraphKernels* kernels : KernelSets()) {
    const std::vector<float> x(dim, 1.0f);
    const Prepared p(*kernels, x);
    std::vector<int8_t> code(dim, 127);
    const float scale = 1.0f / 127, norm = static_cast<float>(dim);
    std::vector<uint8_t> signs(layout.sign_bytes()), fine(layout.code_bytes());
    for (const int8_t sign : {1, -1}) {
      for (int8_t& c : code) c = static_cast<int8_t>(127 * sign);
      kernels->encode_compact({code.data(), &scale, &norm, dim}, 0, layout, signs.data(), fine.data());
      const int64_t key[1] = {0};
      int64_t result[1 + kKeySlack];
      const float expected = sign > 0 ? 0 : 4 * norm;
      GraphWalk walk;
      walk.compact = layout;
      walk.signs = signs.data();
      walk.codes = fine.data();
      walk.query = &p.query;
      walk.results = result;
      walk.result_capacity = 1;
      kernels->compact.score_own(walk, key, 1);
      EXPECT_NEAR(DistanceOfKey(result[0]), expected, norm / 100) << kernels->name;
    }
  }
}

}  // namespace
}  // namespace akidb
