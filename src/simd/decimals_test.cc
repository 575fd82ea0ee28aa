#include "simd/decimals.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/random.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

struct Read {
  std::vector<float> values;
  size_t bytes = 0;
};

Read ReadAll(const std::string& text, size_t max = 1000) {
  const std::string padded = std::string(16, '[') + text + std::string(64, ',');
  const char* const begin = padded.data() + 16;
  const char* at = begin;
  Read out;
  out.values.resize(max);
  out.values.resize(ReadDecimals(padded.data(), &at, begin + text.size(), out.values.data(), max));
  out.bytes = static_cast<size_t>(at - begin);
  return out;
}

// Whether numbers are read here at all; with the scalar set each is left to the general parser.
bool Reads() {
  const bool reads = Kernels().name != "scalar";
  EXPECT_EQ(ReadAll("0.5,0.25,0.125,").values.size(), reads ? 3u : 0u);
  return reads;
}

TEST(DecimalsTest, RoundLikeTheStandardLibrary) {
  if (!Reads()) return;
  const auto random = NewSeededRandom(11);
  std::vector<std::string> numbers;
  std::string text;
  for (int i = 0; i < 50000; ++i) {
    const size_t digits = random->Next() % 14 + 1;
    std::string number = random->Next() % 2 == 0 ? "-" : "";
    number += static_cast<char>('0' + random->Next() % 10);
    number += '.';
    for (size_t k = 0; k < digits; ++k) number += static_cast<char>('0' + random->Next() % 10);
    text += (random->Next() % 4 == 0 ? " " : "") + number + ",";
    numbers.push_back(number);
  }
  const Read read = ReadAll(text, numbers.size());
  // One in half a billion lies on the middle between two floats.
  ASSERT_EQ(read.values.size(), numbers.size());
  EXPECT_EQ(read.bytes, text.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(read.values[i]),
              std::bit_cast<uint32_t>(std::strtof(numbers[i].c_str(), nullptr)))
        << numbers[i];
  }
}

TEST(DecimalsTest, StopsAtWhatIsNotOfTheShape) {
  if (!Reads()) return;
  for (const char* other : {"1",     "-",     "",     ".5",  "1.",   "00.5", "12.5",
                            "0.1e3", "0.1.2", "+0.5", "x.5", "0.5 ", "0.5]", "0.-5",
                            "--0.5", "  0.5", "0.5:", "0./", "/.5",  ":.5",  "0.123456789012345"}) {
    const std::string text = "0.25,-0.5," + std::string(other) + ",0.75,";
    const Read read = ReadAll(text);
    ASSERT_GE(read.values.size(), 2u) << other;
    EXPECT_EQ(read.values[0], 0.25f);
    EXPECT_EQ(read.values[1], -0.5f);
    EXPECT_EQ(read.values.size(), 2u) << other;
    EXPECT_EQ(read.bytes, 10u) << other;
  }
}

TEST(DecimalsTest, StopsAtTheEndAndAtTheMost) {
  if (!Reads()) return;
  EXPECT_EQ(ReadAll("0.5,0.25").values, std::vector<float>{0.5f});  // a comma behind the end does not count
  EXPECT_EQ(ReadAll("").values.size(), 0u);
  const Read two = ReadAll("0.5,0.25,0.125,", 2);
  EXPECT_EQ(two.values.size(), 2u);
  EXPECT_EQ(two.bytes, 9u);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "0.5,";
  EXPECT_EQ(ReadAll(many).values, std::vector<float>(100, 0.5f));
}

TEST(DecimalsTest, BytesBeforeTheTextAreNotRead) {
  // Of exactly its size, so that AddressSanitizer sees a byte before it.
  const std::string text = "0.5,0.25,0.125,0.75,";
  std::vector<char> exact(text.begin(), text.end());
  exact.resize(text.size() + 64, ',');
  const char* at = exact.data();
  std::array<float, 8> out{};
  EXPECT_EQ(ReadDecimals(exact.data(), &at, exact.data() + text.size(), out.data(), out.size()), 0u);
  EXPECT_EQ(at, exact.data());
}

}  // namespace
}  // namespace akidb
