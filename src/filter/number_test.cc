#include "filter/number.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace akidb::filter {
namespace {

constexpr int64_t kInt64Min = std::numeric_limits<int64_t>::min();
constexpr uint64_t kUint64Max = std::numeric_limits<uint64_t>::max();

std::string Text(Number number) {
  std::string text;
  number.AppendTo(&text);
  return text;
}

TEST(NumberTest, OrdersAllKindsByMathematicalValue) {
  const std::vector<Number> ascending = {
      Number(-1e300),
      Number(-9223372036854777856.0),  // the double below -2^63
      Number(kInt64Min),
      Number(kInt64Min + 1),
      Number(int64_t{-9007199254740993}),
      Number(-9007199254740992.0),
      Number(int64_t{-2}),
      Number(-1.5),
      Number(int64_t{-1}),
      Number(-0.5),
      Number(int64_t{0}),
      Number(5e-324),
      Number(0.5),
      Number(int64_t{1}),
      Number(1.5),
      Number(9007199254740992.0),
      Number(int64_t{9007199254740993}),
      Number(std::numeric_limits<int64_t>::max()),
      Number(9223372036854775808.0),
      Number(uint64_t{9223372036854775809u}),
      Number(kUint64Max),
      Number(18446744073709551616.0),
      Number(1e300),
  };
  for (size_t i = 0; i < ascending.size(); ++i) {
    for (size_t j = 0; j < ascending.size(); ++j) {
      EXPECT_EQ(ascending[i] <=> ascending[j], i <=> j) << Text(ascending[i]) << " and " << Text(ascending[j]);
    }
  }
}

TEST(NumberTest, EqualNumbersOfDifferentTypesHaveEqualText) {
  EXPECT_EQ(Number(int64_t{7}), Number(7.0));
  EXPECT_EQ(Text(Number(7.0)), "7");
  EXPECT_EQ(Number(-9223372036854775808.0), Number(kInt64Min));
  EXPECT_EQ(Text(Number(-9223372036854775808.0)), "-9223372036854775808");
  EXPECT_EQ(Number(-0.0), Number(int64_t{0}));
  EXPECT_EQ(Text(Number(-0.0)), "0");
}

TEST(NumberTest, TextBeyond64BitsIsNoInteger) {
  EXPECT_EQ(Text(Number(18446744073709551616.0)), "18446744073709551616.0");
  EXPECT_EQ(Text(Number(1e300)), "1e+300");
}

}  // namespace
}  // namespace akidb::filter
