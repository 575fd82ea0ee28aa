#include "simd/kernels.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace akidb {
namespace {

// A page-backed buffer whose end is followed by memory that must not be touched.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t bytes) {
    page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    mapped_ = (bytes + page_ - 1) / page_ * page_ + page_;
    base_ = static_cast<std::byte*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(mprotect(base_ + mapped_ - page_, page_, PROT_NONE), 0);
  }
  ~GuardedBuffer() { munmap(base_, mapped_); }
  GuardedBuffer(const GuardedBuffer&) = delete;

  // A copy of `values` that ends at the forbidden page, so that odd sizes are unaligned, too.
  template <class T>
  const T* PutAtEnd(const std::vector<T>& values, size_t slack_bytes = 0) {
    std::byte* at = base_ + mapped_ - page_ - slack_bytes - values.size() * sizeof(T);
    if (!values.empty()) std::memcpy(at, values.data(), values.size() * sizeof(T));
    return reinterpret_cast<const T*>(at);
  }

 private:
  size_t page_ = 0;
  size_t mapped_ = 0;
  std::byte* base_ = nullptr;
};

float HalfAsFloat(uint16_t half) { return static_cast<float>(std::bit_cast<_Float16>(half)); }
uint16_t FloatAsHalf(float value) { return std::bit_cast<uint16_t>(static_cast<_Float16>(value)); }

std::vector<size_t> TestDims() {
  std::vector<size_t> dims;
  for (size_t n = 1; n <= 520; ++n) dims.push_back(n);
  for (const size_t n : {768u, 1536u, 4096u, 16384u}) dims.push_back(n);
  return dims;
}

enum class Values { kOrdinary, kSubnormal, kLarge, kMixedMagnitudes, kCancelling, kSparse };
constexpr Values kAllValues[] = {Values::kOrdinary,        Values::kSubnormal,  Values::kLarge,
                                 Values::kMixedMagnitudes, Values::kCancelling, Values::kSparse};

std::vector<float> MakeFloats(std::mt19937_64& random, Values kind, size_t n) {
  std::normal_distribution<float> normal;
  std::vector<float> out(n);
  for (size_t i = 0; i < n; ++i) {
    const float x = normal(random);
    switch (kind) {
      case Values::kOrdinary: out[i] = x; break;
      case Values::kSubnormal: out[i] = x * 1e-41f; break;
      case Values::kLarge: out[i] = x * 1e15f; break;
      case Values::kMixedMagnitudes: out[i] = std::ldexp(x, static_cast<int>(random() % 60) - 30); break;
      case Values::kCancelling: out[i] = (i % 2 == 0 ? 1.0f : -1.0f) * (1000.0f + x); break;
      case Values::kSparse: out[i] = random() % 8 == 0 ? x : 0.0f; break;
    }
  }
  return out;
}

// The halves keep the character of the floats within their range.
std::vector<uint16_t> MakeHalves(std::mt19937_64& random, Values kind, size_t n) {
  std::vector<float> floats = MakeFloats(random, kind, n);
  std::vector<uint16_t> out(n);
  const float factor = kind == Values::kSubnormal ? 1e35f : kind == Values::kLarge ? 1e-12f : 1.0f;
  for (size_t i = 0; i < n; ++i) out[i] = FloatAsHalf(std::clamp(floats[i] * factor, -60000.0f, 60000.0f));
  return out;
}

std::vector<int8_t> MakeCodes(std::mt19937_64& random, size_t n) {
  std::vector<int8_t> out(n);
  for (int8_t& c : out) c = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  return out;
}

struct Expected {
  double sum = 0;
  double magnitude = 0;  // sum of absolute terms
};

// What every kernel promises: n roundings of the sum of the absolute terms, and one smallest step for each term.
::testing::AssertionResult Near(float actual, const Expected& expected, size_t n) {
  const double steps = static_cast<double>(n + 4) * 0x1p-24;
  const double allowed = steps / (1 - steps) * expected.magnitude + static_cast<double>(n) * 0x1p-149;
  const double error = std::abs(static_cast<double>(actual) - expected.sum);
  if (error <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << actual << " instead of " << expected.sum << ", error " << error
                                       << " of allowed " << allowed << ", n = " << n;
}

template <class Element>
Expected Dot(const std::vector<float>& a, size_t n, Element b) {
  Expected e;
  for (size_t i = 0; i < n; ++i) {
    const double term = static_cast<double>(a[i]) * b(i);
    e.sum += term;
    e.magnitude += std::abs(term);
  }
  return e;
}

template <class Element>
Expected SquaredDistance(const std::vector<float>& a, size_t n, Element b) {
  Expected e;
  for (size_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(a[i]) - b(i);
    e.sum += d * d;
  }
  e.magnitude = e.sum;
  return e;
}

class KernelSetTest : public ::testing::TestWithParam<const KernelSet*> {
 protected:
  const KernelSet& kernels() const { return *GetParam(); }
  std::mt19937_64 random_{20240229};
};

TEST_P(KernelSetTest, FloatKernelsStayWithinTheirErrorBound) {
  GuardedBuffer left(16384 * 4 + 8), right(16384 * 4 + 8);
  for (const size_t n : TestDims()) {
    for (const Values kind : kAllValues) {
      const std::vector<float> a = MakeFloats(random_, kind, n), b = MakeFloats(random_, kind, n);
      const auto element = [&](size_t i) { return static_cast<double>(b[i]); };
      const float* pa = left.PutAtEnd(a, n % 4);
      const float* pb = right.PutAtEnd(b, n % 3);
      ASSERT_TRUE(Near(kernels().dot_f32(pa, pb, n), Dot(a, n, element), n)) << static_cast<int>(kind);
      ASSERT_TRUE(Near(kernels().l2sq_f32(pa, pb, n), SquaredDistance(a, n, element), n)) << static_cast<int>(kind);
    }
  }
}

TEST_P(KernelSetTest, HalfKernelsStayWithinTheirErrorBound) {
  GuardedBuffer left(16384 * 4 + 8), right(16384 * 2 + 8);
  for (const size_t n : TestDims()) {
    for (const Values kind : kAllValues) {
      const std::vector<float> a = MakeFloats(random_, kind, n);
      const std::vector<uint16_t> b = MakeHalves(random_, kind, n);
      const auto element = [&](size_t i) { return static_cast<double>(HalfAsFloat(b[i])); };
      const float* pa = left.PutAtEnd(a, n % 4);
      const uint16_t* pb = right.PutAtEnd(b, n % 3);
      ASSERT_TRUE(Near(kernels().dot_f32_f16(pa, pb, n), Dot(a, n, element), n)) << static_cast<int>(kind);
      ASSERT_TRUE(Near(kernels().l2sq_f32_f16(pa, pb, n), SquaredDistance(a, n, element), n)) << static_cast<int>(kind);
    }
  }
}

TEST_P(KernelSetTest, QuantisedKernelsStayWithinTheirErrorBound) {
  GuardedBuffer left(16384 * 4 + 8), right(16384 + 8);
  for (const size_t n : TestDims()) {
    for (const Values kind : kAllValues) {
      const std::vector<float> a = MakeFloats(random_, kind, n);
      const std::vector<int8_t> b = MakeCodes(random_, n);
      const float scale = std::abs(a[n / 2]) / 60;
      const float* pa = left.PutAtEnd(a, n % 4);
      const int8_t* pb = right.PutAtEnd(b, n % 3);
      const auto code = [&](size_t i) { return static_cast<double>(b[i]); };
      const auto element = [&](size_t i) { return static_cast<double>(scale) * b[i]; };
      ASSERT_TRUE(Near(kernels().dot_f32_i8(pa, pb, n), Dot(a, n, code), n)) << static_cast<int>(kind);
      ASSERT_TRUE(Near(kernels().l2sq_f32_i8(pa, pb, scale, n), SquaredDistance(a, n, element), n))
          << static_cast<int>(kind);
    }
  }
}

TEST_P(KernelSetTest, ScansScoreTheNamedRows) {
  constexpr uint32_t kRows = 60;
  for (const size_t n : {1u, 7u, 8u, 16u, 31u, 64u, 65u, 100u, 384u, 500u, 3000u}) {
    const std::vector<float> query = MakeFloats(random_, Values::kOrdinary, n);
    const std::vector<float> floats = MakeFloats(random_, Values::kOrdinary, n * kRows);
    const std::vector<uint16_t> halves = MakeHalves(random_, Values::kOrdinary, n * kRows);
    const std::vector<int8_t> codes = MakeCodes(random_, n * kRows);
    const std::vector<float> scales = MakeFloats(random_, Values::kOrdinary, kRows);
    std::vector<uint32_t> ids = {0, 1, 2, 3, 4, 17, 19, 20, 58, 59};
    std::vector<float> out(kRows), norms(kRows);
    GuardedBuffer rows(n * kRows * 4);
    const ScanArgs shared{.query = query.data(),
                          .dim = n,
                          .ids = ids.data(),
                          .count = ids.size(),
                          .scales = scales.data(),
                          .out = out.data(),
                          .norms = norms.data()};
    const auto check = [&](auto scan, const auto& values, auto element, bool squares, bool with_norm, bool scaled) {
      ScanArgs args = shared;
      args.rows = rows.PutAtEnd(values);
      args.stride_bytes = n * sizeof(values[0]);
      scan(args);
      for (size_t i = 0; i < ids.size(); ++i) {
        const double scale = scaled ? static_cast<double>(scales[ids[i]]) : 1.0;
        const auto at = [&](size_t j) { return scale * element(values[ids[i] * n + j]); };
        ASSERT_TRUE(Near(out[i], squares ? SquaredDistance(query, n, at) : Dot(query, n, at), n)) << ids[i];
        double norm = 0;
        for (size_t j = 0; j < n; ++j) norm += at(j) * at(j);
        if (with_norm) ASSERT_NEAR(norms[i], std::sqrt(norm), 1e-3 * std::sqrt(norm)) << ids[i];
      }
    };
    const auto whole = [](auto x) { return static_cast<double>(x); };
    const auto half = [](uint16_t x) { return static_cast<double>(HalfAsFloat(x)); };
    check(kernels().scan_dot_f32, floats, whole, false, false, false);
    check(kernels().scan_dot_f16, halves, half, false, false, false);
    check(kernels().scan_dot_i8, codes, whole, false, false, false);
    check(kernels().scan_l2sq_f32, floats, whole, true, false, false);
    check(kernels().scan_l2sq_f16, halves, half, true, false, false);
    check(kernels().scan_l2sq_i8, codes, whole, true, false, true);
    check(kernels().scan_dot_norm_f32, floats, whole, false, true, false);
    check(kernels().scan_dot_norm_f16, halves, half, false, true, false);
  }
}

TEST_P(KernelSetTest, OverflowingSumsAreNeverFinite) {
  for (const size_t n : {2u, 15u, 16u, 64u, 200u}) {
    std::vector<float> a(n, 3e38f), b(n, 3e38f);
    for (size_t i = 0; i < n; i += 2) b[i] = -3e38f;
    EXPECT_FALSE(std::isfinite(kernels().dot_f32(a.data(), b.data(), n)));
    EXPECT_FALSE(std::isfinite(kernels().l2sq_f32(a.data(), b.data(), n)));
  }
}

TEST_P(KernelSetTest, ConvertsEveryHalfExactly) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> floats(halves.size());
  kernels().f16_to_f32(halves.data(), floats.data(), halves.size());
  for (size_t i = 0; i < halves.size(); ++i) {
    const float expected = HalfAsFloat(halves[i]);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(floats[i])) << i;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(floats[i]), std::bit_cast<uint32_t>(expected)) << i;
    }
  }
  std::vector<uint16_t> back(halves.size());
  kernels().f32_to_f16(floats.data(), back.data(), back.size());
  for (size_t i = 0; i < halves.size(); ++i) {
    const uint16_t quiet = std::isnan(floats[i]) ? 0x200 : 0;
    ASSERT_EQ(back[i], halves[i] | quiet);
  }
}

TEST_P(KernelSetTest, RoundsToTheNearestHalfAndTiesToEven) {
  std::vector<float> in;
  for (uint32_t h = 0; h < 0x7c00; ++h) {
    const float below = HalfAsFloat(static_cast<uint16_t>(h));
    const float above = h == 0x7bff ? 65536.0f : HalfAsFloat(static_cast<uint16_t>(h + 1));
    const float middle = below + (above - below) / 2;
    for (const float x : {below, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f), above}) {
      in.push_back(x);
      in.push_back(-x);
    }
  }
  for (const float x : {1e-45f, 2.9e-8f, 1e6f, 3e38f, std::numeric_limits<float>::infinity()}) in.push_back(x);
  std::vector<uint16_t> out(in.size());
  kernels().f32_to_f16(in.data(), out.data(), in.size());
  for (size_t i = 0; i < in.size(); ++i) ASSERT_EQ(out[i], FloatAsHalf(in[i])) << in[i];
}

TEST_P(KernelSetTest, ConversionsWriteOnlyTheirElements) {
  for (size_t n = 0; n <= 40; ++n) {
    const std::vector<float> in(n, 1.5f);
    std::vector<uint16_t> halves(n + 1, 0xabcd);
    kernels().f32_to_f16(in.data(), halves.data(), n);
    EXPECT_EQ(halves[n], 0xabcd);
    std::vector<float> floats(n + 1, -7.0f);
    kernels().f16_to_f32(halves.data(), floats.data(), n);
    EXPECT_EQ(floats[n], -7.0f);
    EXPECT_EQ(std::count(floats.begin(), floats.end() - 1, 1.5f), static_cast<std::ptrdiff_t>(n));
  }
}

TEST_P(KernelSetTest, ConversionsNeedNoAlignment) {
  for (size_t n = 1; n <= 40; ++n) {
    const std::vector<float> in = MakeFloats(random_, Values::kOrdinary, n);
    std::vector<std::byte> floats(n * 4 + 1), halves(n * 2 + 1), back(n * 4 + 3);
    std::memcpy(floats.data() + 1, in.data(), n * 4);
    auto* const halves_at = reinterpret_cast<uint16_t*>(halves.data() + 1);
    kernels().f32_to_f16(reinterpret_cast<const float*>(floats.data() + 1), halves_at, n);
    kernels().f16_to_f32(halves_at, reinterpret_cast<float*>(back.data() + 3), n);
    for (size_t i = 0; i < n; ++i) {
      float x;
      std::memcpy(&x, back.data() + 3 + i * 4, 4);
      EXPECT_EQ(x, HalfAsFloat(FloatAsHalf(in[i])));
    }
    EXPECT_TRUE(kernels().all_finite(reinterpret_cast<const float*>(floats.data() + 1), n));
  }
}

TEST_P(KernelSetTest, FindsOneElementThatIsNotFiniteAnywhere) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const size_t n : {1u, 2u, 15u, 16u, 17u, 33u, 100u, 384u}) {
    std::vector<float> in(n, std::numeric_limits<float>::max());
    EXPECT_TRUE(kernels().all_finite(in.data(), n));
    for (size_t i = 0; i < n; ++i) {
      for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
        in[i] = bad;
        EXPECT_FALSE(kernels().all_finite(in.data(), n)) << i << " of " << n;
      }
      in[i] = -std::numeric_limits<float>::denorm_min();
    }
  }
  EXPECT_TRUE(kernels().all_finite(nullptr, 0));
}

std::vector<const KernelSet*> SupportedKernels() {
  std::vector<const KernelSet*> out;
  for (const KernelSet* set : AllKernels()) {
    if (set->supported()) out.push_back(set);
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Supported, KernelSetTest, ::testing::ValuesIn(SupportedKernels()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(KernelDispatchTest, ScalarIsTheLastAndAlwaysSupported) {
  ASSERT_FALSE(AllKernels().empty());
  EXPECT_EQ(AllKernels().back()->name, "scalar");
  EXPECT_TRUE(AllKernels().back()->supported());
}

TEST(KernelDispatchTest, SelectsByName) {
  for (const KernelSet* set : SupportedKernels()) {
    const Result<const KernelSet*> selected = SelectKernels(set->name);
    ASSERT_TRUE(selected);
    EXPECT_EQ(*selected, set);
  }
}

TEST(KernelDispatchTest, RefusesAnUnknownNameAndListsTheKnown) {
  const Result<const KernelSet*> selected = SelectKernels("sse9");
  ASSERT_FALSE(selected);
  EXPECT_EQ(selected.error().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(selected.error().message().find("'sse9'"), std::string_view::npos);
  EXPECT_NE(selected.error().message().find("scalar"), std::string_view::npos);
}

TEST(KernelDispatchDeathTest, ObeysAkidbSimd) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv("AKIDB_SIMD", "scalar", 1);
        std::_Exit(Kernels().name == "scalar" ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(KernelDispatchDeathTest, EndsTheProcessOnABadAkidbSimd) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv("AKIDB_SIMD", "avx9", 1);
        Kernels();
      },
      ::testing::ExitedWithCode(2), "AKIDB_SIMD: no kernel set is called 'avx9'");
}

template <class Code>
using InRangeFunction = void (*)(const Code*, size_t, Code, Code, uint64_t*);

// Every code near the bounds, at every length up to some blocks, against the definition.
template <class Code>
void ExpectCodesInRange(InRangeFunction<Code> in_range) {
  constexpr auto kTop = std::numeric_limits<Code>::max();
  std::mt19937_64 random(11);
  for (const auto& [low, high] : std::vector<std::pair<Code, Code>>{
           {0, 0}, {0, kTop}, {kTop, kTop}, {1, 3}, {7, 7}, {kTop / 2, kTop / 2 + 2}, {100, kTop}}) {
    for (size_t n = 0; n <= 200; ++n) {
      std::vector<Code> codes(n);
      for (Code& code : codes) {
        const auto near = static_cast<Code>((random() % 2 == 0 ? low : high) + random() % 5 - 2);
        code = random() % 4 == 0 ? static_cast<Code>(random()) : near;
      }
      GuardedBuffer guarded(n * sizeof(Code));
      const Code* at = guarded.PutAtEnd(codes);
      std::vector<uint64_t> words((n + 63) / 64 + 1, 0x5555555555555555ull);
      in_range(at, n, low, high, words.data());
      for (size_t i = 0; i < (n + 63) / 64 * 64; ++i) {
        const bool expected = i < n && codes[i] >= low && codes[i] <= high;
        ASSERT_EQ((words[i / 64] >> i % 64 & 1) != 0, expected) << n << " codes, code " << i;
      }
      ASSERT_EQ(words.back(), 0x5555555555555555ull);
    }
  }
}

TEST_P(KernelSetTest, CodesInRangeAreThoseThatCompareSo) {
  ExpectCodesInRange<uint8_t>(kernels().codes_in_range_u8);
  ExpectCodesInRange<uint16_t>(kernels().codes_in_range_u16);
  ExpectCodesInRange<uint32_t>(kernels().codes_in_range_u32);
}

TEST_P(KernelSetTest, CountBitsCountsOnes) {
  std::mt19937_64 random(12);
  std::vector<uint64_t> words;
  size_t expected = 0;
  for (size_t n = 0; n < 70; ++n) {
    EXPECT_EQ(kernels().count_bits(words.data(), n), expected);
    words.push_back(n % 3 == 0 ? ~0ull : random());
    expected += static_cast<size_t>(std::popcount(words.back()));
  }
}

TEST(QuantizeInt8Test, ErrorIsAtMostHalfAStepAndTheLargestElementUsesTheWholeRange) {
  std::mt19937_64 random(7);
  for (const Values kind : {Values::kOrdinary, Values::kLarge, Values::kMixedMagnitudes, Values::kSparse}) {
    for (const size_t n : {1u, 3u, 384u, 1000u}) {
      std::vector<float> in = MakeFloats(random, kind, n);
      in[n / 2] = 2 * *std::max_element(in.begin(), in.end()) + 1e-3f;
      std::vector<int8_t> codes(n);
      const float scale = QuantizeInt8(in.data(), codes.data(), n);
      int largest = 0;
      for (size_t i = 0; i < n; ++i) {
        largest = std::max(largest, std::abs(static_cast<int>(codes[i])));
        ASSERT_LE(std::abs(in[i] - scale * static_cast<double>(codes[i])), scale * 0.50001);
      }
      EXPECT_EQ(largest, 127);
    }
  }
}

TEST(QuantizeInt8Test, ZeroVectorHasScaleZero) {
  const std::vector<float> in(9, -0.0f);
  std::vector<int8_t> codes(9, 5);
  EXPECT_EQ(QuantizeInt8(in.data(), codes.data(), 9), 0.0f);
  EXPECT_EQ(codes, std::vector<int8_t>(9, 0));
}

TEST(QuantizeInt8Test, ExtremeMagnitudesKeepTheirSigns) {
  for (const float size : {std::numeric_limits<float>::denorm_min(), 1e-43f, std::numeric_limits<float>::max()}) {
    const std::vector<float> in = {size, -size, 0};
    std::vector<int8_t> codes(3);
    const float scale = QuantizeInt8(in.data(), codes.data(), 3);
    EXPECT_GT(scale, 0.0f) << size;
    EXPECT_GT(codes[0], 0) << size;
    EXPECT_EQ(codes[1], -codes[0]) << size;
    EXPECT_EQ(codes[2], 0) << size;
  }
}

}  // namespace
}  // namespace akidb
