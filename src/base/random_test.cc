#include "base/random.h"

#include <gtest/gtest.h>

namespace akidb {
namespace {

// Published first outputs of SplitMix64 for seed 1234567 (Vigna's reference code).
TEST(RandomTest, SeededSequenceIsSplitMix64) {
  const auto random = NewSeededRandom(1234567);
  EXPECT_EQ(random->Next(), 6457827717110365317u);
  EXPECT_EQ(random->Next(), 3203168211198807973u);
}

TEST(RandomTest, HexHasTheAskedLength) {
  const auto random = NewSeededRandom(7);
  const std::string hex = random->Hex(37);
  EXPECT_EQ(hex.size(), 37u);
  EXPECT_EQ(hex.find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST(RandomTest, BelowStaysBelow) {
  const auto random = NewSeededRandom(7);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(random->Below(3), 3u);
}

TEST(RandomTest, SystemSeedsDiffer) { EXPECT_NE(NewSystemRandom()->Next(), NewSystemRandom()->Next()); }

}  // namespace
}  // namespace akidb
