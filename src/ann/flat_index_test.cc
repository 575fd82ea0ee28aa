#include "ann/flat_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "ann/exact_score.h"
#include "ann/rows_testing.h"

namespace akidb {
namespace {

constexpr Distance kDistances[] = {Distance::kCosine, Distance::kEuclidean, Distance::kDotProduct};
constexpr VectorType kTypes[] = {VectorType::kF32, VectorType::kF16, VectorType::kInt8};

float HalfAsFloat(uint16_t half) { return static_cast<float>(std::bit_cast<_Float16>(half)); }

// Rows in memory with the elements as doubles beside them, for brute force.
class TestRows {
 public:
  TestRows(VectorType type, uint32_t dim, const std::vector<float>& values, size_t pad_bytes = 0)
      : dim_(dim), count_(static_cast<uint32_t>(values.size() / dim)), stride_(dim * ElementBytes(type) + pad_bytes) {
    data_.resize(stride_ * count_ + 1);
    scales_.resize(count_, 1.0f);
    inv_norms_.resize(count_);
    elements_.resize(values.size());
    for (uint32_t row = 0; row < count_; ++row) {
      const float* in = values.data() + static_cast<size_t>(row) * dim;
      std::byte* to = data_.data() + row * stride_;
      std::vector<uint16_t> halves(dim);
      std::vector<int8_t> codes(dim);
      if (type == VectorType::kF32) std::memcpy(to, in, dim * 4);
      if (type == VectorType::kF16) {
        Kernels().f32_to_f16(in, halves.data(), dim);
        std::memcpy(to, halves.data(), dim * 2);
      }
      if (type == VectorType::kInt8) {
        scales_[row] = QuantizeInt8(in, codes.data(), dim);
        std::memcpy(to, codes.data(), dim);
      }
      for (uint32_t i = 0; i < dim; ++i) {
        elements_[static_cast<size_t>(row) * dim + i] = type == VectorType::kF32 ? static_cast<double>(in[i])
                                                        : type == VectorType::kF16
                                                            ? static_cast<double>(HalfAsFloat(halves[i]))
                                                            : static_cast<double>(scales_[row]) * codes[i];
      }
      inv_norms_[row] = InverseNorm(type, to, dim, scales_[row]);
    }
    type_ = type;
  }

  VectorRows view() const {
    return {.type = type_,
            .dim = dim_,
            .row_count = count_,
            .stride_bytes = stride_,
            .data = data_.data(),
            .scales = type_ == VectorType::kInt8 ? scales_.data() : nullptr,
            .inv_norms = inv_norms_.data()};
  }

  // The definition, in the plainest form there is.
  double Score(Distance distance, const std::vector<float>& query, uint32_t row) const {
    long double dot = 0, qq = 0, rr = 0, squares = 0;
    for (uint32_t i = 0; i < dim_; ++i) {
      const long double q = query[i], r = elements_[static_cast<size_t>(row) * dim_ + i];
      dot += q * r;
      qq += q * q;
      rr += r * r;
      squares += (q - r) * (q - r);
    }
    switch (distance) {
      case Distance::kCosine: return rr == 0 ? 0.0 : static_cast<double>(dot / std::sqrt(qq * rr));
      case Distance::kEuclidean: return static_cast<double>(std::sqrt(squares));
      case Distance::kDotProduct: return static_cast<double>(dot);
    }
    return 0;
  }

 private:
  VectorType type_;
  uint32_t dim_;
  uint32_t count_;
  size_t stride_;
  std::vector<std::byte> data_;
  std::vector<float> scales_, inv_norms_;
  std::vector<double> elements_;
};

std::vector<float> RandomFloats(uint64_t seed, size_t n) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(n);
  for (float& x : out) x = normal(random);
  return out;
}

std::vector<const KernelSet*> SupportedKernels() {
  std::vector<const KernelSet*> out;
  for (const KernelSet* set : AllKernels()) {
    if (set->supported()) out.push_back(set);
  }
  return out;
}

std::vector<Candidate> Find(const VectorRows& rows, Distance distance, const KernelSet& kernels,
                            const std::vector<float>& query, uint32_t k, const RowSet* eligible = nullptr) {
  FixedClock clock;
  OpContext ctx(clock);
  std::vector<Candidate> out = {{.score = 99, .row = 99}};
  const Status status =
      NewFlatIndexWith(rows, distance, kernels)->Search(ctx, {.vector = query, .k = k, .eligible = eligible}, &out);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}

// What the interface promises, by scoring every row with ExactScore and sorting.
std::vector<Candidate> SortAll(const VectorRows& rows, Distance distance, const std::vector<float>& query, uint32_t k,
                               const RowSet* eligible = nullptr) {
  std::vector<Candidate> all;
  for (uint32_t row = 0; row < rows.row_count; ++row) {
    if (eligible != nullptr && !eligible->Contains(row)) continue;
    all.push_back({.score = ExactScore(rows, distance, query, row), .row = row});
  }
  std::sort(all.begin(), all.end(), [&](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return LargerIsNearer(distance) ? a.score > b.score : a.score < b.score;
    return a.row < b.row;
  });
  size_t n = std::min<size_t>(k, all.size());
  while (n > 0 && n < all.size() && all[n].score == all[n - 1].score) ++n;
  all.resize(n);
  return all;
}

void ExpectSame(const std::vector<Candidate>& actual, const std::vector<Candidate>& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(actual[i].row, expected[i].row) << what << ", place " << i;
    ASSERT_EQ(std::bit_cast<uint64_t>(actual[i].score), std::bit_cast<uint64_t>(expected[i].score)) << what;
  }
}

// Every distance, element type and supported kernel set against the sorted list of all rows, bit for bit.
void ExpectExactEverywhere(uint32_t dim, const std::vector<float>& values, const std::vector<float>& query, uint32_t k,
                           const RowSet* eligible = nullptr, size_t pad_bytes = 0) {
  for (const VectorType type : kTypes) {
    const TestRows rows(type, dim, values, pad_bytes);
    for (const Distance distance : kDistances) {
      const std::vector<Candidate> expected = SortAll(rows.view(), distance, query, k, eligible);
      for (const KernelSet* kernels : SupportedKernels()) {
        ExpectSame(Find(rows.view(), distance, *kernels, query, k, eligible), expected,
                   std::string(VectorTypeName(type)) + " " + std::string(DistanceName(distance)) + " " +
                       std::string(kernels->name) + " dim " + std::to_string(dim) + " k " + std::to_string(k));
      }
    }
  }
}

TEST(ExactScoreTest, AgreesWithTheDefinition) {
  for (const uint32_t dim : {1u, 5u, 8u, 255u, 256u, 257u, 384u, 1000u}) {
    const std::vector<float> values = RandomFloats(dim, dim * 20), query = RandomFloats(dim + 1, dim);
    for (const VectorType type : kTypes) {
      const TestRows rows(type, dim, values);
      for (const Distance distance : kDistances) {
        for (uint32_t row = 0; row < 20; ++row) {
          const double expected = rows.Score(distance, query, row);
          ASSERT_NEAR(ExactScore(rows.view(), distance, query, row), expected, 1e-12 * (1 + std::abs(expected) * dim));
        }
      }
    }
  }
}

TEST(ExactScoreTest, EqualVectorsHaveCosineOneAndDistanceZero) {
  const std::vector<float> query = RandomFloats(3, 384);
  const TestRows rows(VectorType::kF32, 384, query);
  EXPECT_EQ(ExactScore(rows.view(), Distance::kCosine, query, 0), 1.0);
  EXPECT_EQ(ExactScore(rows.view(), Distance::kEuclidean, query, 0), 0.0);
}

TEST(ExactScoreTest, RowOfZerosHasCosineZero) {
  const std::vector<float> query = {1, 2, 3};
  for (const VectorType type : kTypes) {
    const TestRows rows(type, 3, {0, 0, 0});
    EXPECT_EQ(ExactScore(rows.view(), Distance::kCosine, query, 0), 0.0);
  }
}

TEST(InverseNormTest, IsTheRoundedInverse) {
  const std::vector<float> values = {3, 4, 0};
  const TestRows whole(VectorType::kF32, 3, values), half(VectorType::kF16, 3, values);
  EXPECT_EQ(whole.view().inv_norms[0], 0.2f);
  EXPECT_EQ(half.view().inv_norms[0], 0.2f);
  const int8_t codes[] = {3, 4, 0};
  EXPECT_EQ(InverseNorm(VectorType::kInt8, reinterpret_cast<const std::byte*>(codes), 3, 0.5f), 0.4f);
}

TEST(FlatIndexTest, FindsTheTrueBestOfEveryDistanceAndType) {
  for (const uint32_t dim : {1u, 3u, 16u, 37u, 128u, 384u}) {
    const std::vector<float> values = RandomFloats(dim, dim * 3000ull), query = RandomFloats(77 + dim, dim);
    for (const uint32_t k : {1u, 10u, 100u}) ExpectExactEverywhere(dim, values, query, k);
  }
}

TEST(FlatIndexTest, HonoursTheStride) {
  ExpectExactEverywhere(10, RandomFloats(1, 10 * 300), RandomFloats(2, 10), 10, nullptr, 22);
  ExpectExactEverywhere(9, RandomFloats(1, 9 * 300), RandomFloats(2, 9), 10, nullptr, 3);
}

TEST(FlatIndexTest, ReturnsOnlyEligibleRows) {
  constexpr uint32_t kRows = 5000;
  const std::vector<float> values = RandomFloats(4, kRows * 24ull), query = RandomFloats(5, 24);
  std::mt19937_64 random(6);
  for (const uint32_t one_in : {1u, 2u, 10u, 700u}) {
    RowSet eligible(kRows);
    for (uint32_t row = 0; row < kRows; ++row) {
      if (random() % one_in == 0) eligible.Add(row);
    }
    ExpectExactEverywhere(24, values, query, 20, &eligible);
  }
  ExpectExactEverywhere(24, values, query, 20, nullptr);
  const RowSet all(kRows, true);
  ExpectExactEverywhere(24, values, query, 20, &all);
}

TEST(FlatIndexTest, FindsTheOnlyEligibleRowWhereverItIs) {
  constexpr uint32_t kRows = 2050;
  const std::vector<float> values = RandomFloats(4, kRows * 4ull), query = RandomFloats(5, 4);
  for (const uint32_t row : {0u, 63u, 64u, 1023u, 1024u, 2047u, 2048u, 2049u}) {
    RowSet eligible(kRows);
    eligible.Add(row);
    ExpectExactEverywhere(4, values, query, 3, &eligible);
  }
}

TEST(FlatIndexTest, ReturnsNothingWhenNothingIsEligibleOrAskedFor) {
  const std::vector<float> values = RandomFloats(4, 400), query = RandomFloats(5, 4);
  const TestRows rows(VectorType::kF32, 4, values);
  const RowSet none(100);
  EXPECT_TRUE(Find(rows.view(), Distance::kCosine, Kernels(), query, 10, &none).empty());
  EXPECT_TRUE(Find(rows.view(), Distance::kCosine, Kernels(), query, 0).empty());
  const VectorRows no_rows{.dim = 4};
  EXPECT_TRUE(Find(no_rows, Distance::kCosine, Kernels(), query, 10).empty());
}

TEST(FlatIndexTest, ReturnsAllRowsWhenMoreAreAskedFor) {
  for (const uint32_t k : {49u, 50u, 51u, 10000u, std::numeric_limits<uint32_t>::max()}) {
    ExpectExactEverywhere(7, RandomFloats(4, 7 * 50), RandomFloats(5, 7), k);
  }
}

TEST(FlatIndexTest, ReturnsEveryTieOfTheLastPlaceInRowOrder) {
  constexpr uint32_t kRows = 3000, kDim = 20;
  const std::vector<float> pool = RandomFloats(8, kDim * 30), query = RandomFloats(9, kDim);
  std::mt19937_64 random(10);
  std::vector<float> values;
  for (uint32_t row = 0; row < kRows; ++row) {
    const auto from = pool.begin() + static_cast<std::ptrdiff_t>(random() % 30 * kDim);
    values.insert(values.end(), from, from + kDim);
  }
  for (const uint32_t k : {1u, 5u, 150u, 2999u}) ExpectExactEverywhere(kDim, values, query, k);
  const std::vector<float> same(kRows * kDim, 0.25f);
  const TestRows rows(VectorType::kF32, kDim, same);
  EXPECT_EQ(Find(rows.view(), Distance::kEuclidean, Kernels(), query, 3).size(), kRows);
}

// Rows that differ by less than a float score can tell: the order must come from the exact scores.
TEST(FlatIndexTest, TellsApartWhatFloatScoresCannot) {
  constexpr uint32_t kRows = 2000, kDim = 384;
  const std::vector<float> centre = RandomFloats(11, kDim), query = RandomFloats(12, kDim);
  std::mt19937_64 random(13);
  std::vector<float> values;
  for (uint32_t row = 0; row < kRows; ++row) {
    values.insert(values.end(), centre.begin(), centre.end());
    float& changed = values[row * kDim + random() % kDim];
    changed = std::nextafter(changed, random() % 2 == 0 ? 9.0f : -9.0f);
  }
  ExpectExactEverywhere(kDim, values, query, 10);
}

TEST(FlatIndexTest, StaysExactAtTheEdgesOfTheFloatRange) {
  constexpr uint32_t kRows = 1500, kDim = 33;
  std::mt19937_64 random(14);
  const std::vector<float> base = RandomFloats(15, kRows * kDim);
  const std::vector<float> direction = RandomFloats(16, kDim);
  for (const float query_size : {1e-44f, 1e-30f, 1.0f, 1e19f, 1e38f}) {
    std::vector<float> values = base, query = direction;
    for (uint32_t row = 0; row < kRows; ++row) {
      const int exponent = static_cast<int>(random() % 250) - 140;
      for (uint32_t i = 0; i < kDim; ++i) {
        float& x = values[row * kDim + i];
        x = std::clamp(std::ldexp(x, exponent), -3e38f, 3e38f);
      }
    }
    for (float& x : query) x = std::clamp(x * query_size, -3e38f, 3e38f);
    const TestRows rows(VectorType::kF32, kDim, values);
    const TestRows codes(VectorType::kInt8, kDim, values);
    for (const Distance distance : kDistances) {
      for (const KernelSet* kernels : SupportedKernels()) {
        const std::string what = std::string(DistanceName(distance)) + " " + std::string(kernels->name) + " query " +
                                 std::to_string(query_size);
        ExpectSame(Find(rows.view(), distance, *kernels, query, 25), SortAll(rows.view(), distance, query, 25), what);
        ExpectSame(Find(codes.view(), distance, *kernels, query, 25), SortAll(codes.view(), distance, query, 25), what);
      }
    }
  }
}

// The float sums of all rows are infinite or NaN although the norms of the rows are ordinary.
TEST(FlatIndexTest, StaysExactWhenEveryFloatScoreOverflows) {
  constexpr uint32_t kRows = 1500, kDim = 33;
  std::vector<float> values = RandomFloats(21, kRows * kDim), query = RandomFloats(22, kDim);
  for (float& x : values) x *= 1000;
  for (float& x : query) x = std::clamp(x * 1e38f, -3e38f, 3e38f);
  ExpectExactEverywhere(kDim, values, query, 25);
}

TEST(FlatIndexTest, WorksAtTheLargestDimension) {
  ExpectExactEverywhere(16384, RandomFloats(17, 16384 * 70), RandomFloats(18, 16384), 5);
}

TEST(FlatIndexTest, PutsRowsThatAreNotFiniteLast) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> query = {1, 2};
  const TestRows rows(VectorType::kF32, 2, {kNan, 1, 1, 2, kNan, kNan, -1, -2});
  for (const Distance distance : kDistances) {
    const std::vector<Candidate> found = Find(rows.view(), distance, Kernels(), query, 4);
    ASSERT_EQ(found.size(), 4u);
    EXPECT_EQ(found[0].row, 1u);
    EXPECT_EQ(found[1].row, 3u);
    EXPECT_EQ(found[2].row, 0u);
    EXPECT_EQ(found[3].row, 2u);
  }
}

TEST(FlatIndexTest, StopsAtTheDeadlineAndWhenCancelled) {
  const std::vector<float> values = RandomFloats(1, 400), query = RandomFloats(2, 4);
  const TestRows rows(VectorType::kF32, 4, values);
  const auto index = NewFlatIndex(rows.view(), Distance::kEuclidean);
  FixedClock clock;
  std::vector<Candidate> out;
  OpContext late(clock);
  late.set_deadline(clock.Now());
  EXPECT_EQ(index->Search(late, {.vector = query}, &out).code(), StatusCode::kDeadlineExceeded);
  OpContext cancelled(clock);
  cancelled.Cancel();
  EXPECT_EQ(index->Search(cancelled, {.vector = query}, &out).code(), StatusCode::kCancelled);
}

// A clock that jumps past every deadline after some looks at it.
class ExpiringClock final : public Clock {
 public:
  explicit ExpiringClock(int looks) : looks_(looks) {}
  MonotonicTime Now() override { return MonotonicTime(Duration(looks_-- > 0 ? 0 : 1'000'000)); }
  WallTime WallNow() override { return {}; }

 private:
  int looks_;
};

TEST(FlatIndexTest, LooksAtTheDeadlineDuringALongScan) {
  const std::vector<float> values = RandomFloats(1, 20000 * 4), query = RandomFloats(2, 4);
  const TestRows rows(VectorType::kF32, 4, values);
  ExpiringClock clock(5);
  OpContext ctx(clock);
  ctx.set_deadline(MonotonicTime(Duration(1000)));
  std::vector<Candidate> out;
  EXPECT_EQ(NewFlatIndex(rows.view(), Distance::kEuclidean)->Search(ctx, {.vector = query}, &out).code(),
            StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace akidb
