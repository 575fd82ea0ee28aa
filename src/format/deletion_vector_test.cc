#include "format/deletion_vector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/hash.h"
#include "base/random.h"

namespace akidb {
namespace {

using testing::HasSubstr;
constexpr std::string_view kSegment = "00000000000000000001-0123456789abcdef";

// Replaces the checksum by a right one, so that a test meets the checks behind it.
std::string Resealed(std::string bytes) {
  bytes.resize(bytes.size() - 8);
  PutLe<uint64_t>(&bytes, Xxh3(bytes));
  return bytes;
}

std::string DeletionsError(const std::string& bytes, uint32_t row_count = 100) {
  const auto rows = DecodeDeletionVector(bytes, kSegment, row_count);
  return rows ? "accepted" : rows.error().ToString();
}

TEST(DeletionVectorTest, DecodeGivesBackWhatWasEncoded) {
  std::vector<std::vector<RowIndex>> cases = {{}, {0}, {99999}, {5, 6, 7, 8, 70000}, {0, 65535, 65536, 99999}};
  const auto random = NewSeededRandom(1);
  for (const uint64_t one_in : {2, 50}) {  // dense and sparse containers
    std::vector<RowIndex> rows;
    for (RowIndex row = 0; row < 100000; ++row) {
      if (random->Below(one_in) == 0) rows.push_back(row);
    }
    cases.push_back(rows);
  }
  std::vector<RowIndex> all(100000);
  for (RowIndex row = 0; row < all.size(); ++row) all[row] = row;
  cases.push_back(all);
  for (const auto& rows : cases) {
    const std::string bytes = EncodeDeletionVector(kSegment, 100000, rows);
    const auto decoded = DecodeDeletionVector(bytes, kSegment, 100000);
    ASSERT_TRUE(decoded) << decoded.error().ToString();
    EXPECT_EQ(*decoded, rows);
    EXPECT_EQ(EncodeDeletionVector(kSegment, 100000, *decoded), bytes);
  }
  EXPECT_LT(EncodeDeletionVector(kSegment, 100000, all).size(), 100u);
}

TEST(DeletionVectorTest, EveryBitFlipIsSeen) {
  std::string bytes = EncodeDeletionVector(kSegment, 100, {1, 2, 3, 50, 99});
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(DecodeDeletionVector(bytes, kSegment, 100)) << "byte " << bit / 8;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
}

TEST(DeletionVectorTest, RefusesAVectorOfAnotherSegment) {
  const std::string bytes = EncodeDeletionVector(kSegment, 100, {1});
  EXPECT_THAT(DecodeDeletionVector(bytes, "00000000000000000002-0123456789abcdef", 100).error().ToString(),
              HasSubstr("was made for segment 00000000000000000001-0123456789abcdef"));
  EXPECT_THAT(DeletionsError(bytes, 101), HasSubstr("was made for 100 rows, the segment has 101"));
}

TEST(DeletionVectorTest, RefusesWhatARightChecksumDoesNotMakeRight) {
  const std::string good = EncodeDeletionVector(kSegment, 100, {1, 2, 3, 50, 99});
  const auto with = [&](size_t offset, char value) {
    std::string bytes = good;
    bytes[offset] = value;
    return Resealed(bytes);
  };
  EXPECT_EQ(DeletionsError(Resealed(good)), "accepted");
  EXPECT_THAT(DeletionsError(with(4, 2)), HasSubstr("UNIMPLEMENTED"));
  EXPECT_THAT(DeletionsError(with(12, 4)), HasSubstr("does not hold 4 ascending rows"));
  EXPECT_THAT(DeletionsError(with(12, 6)), HasSubstr("does not hold 6 ascending rows"));
  EXPECT_THAT(DeletionsError(with(16, 1)), HasSubstr("do not add up"));
  EXPECT_THAT(DeletionsError(with(20 + kSegment.size(), 0)), HasSubstr("bitmap is malformed"));
  // The last row in the last container, beyond the segment.
  EXPECT_THAT(DeletionsError(with(good.size() - 8 - 2, 120)), HasSubstr("does not hold 5 ascending rows below 100"));
  EXPECT_THAT(DeletionsError(""), HasSubstr("truncated"));
}

}  // namespace
}  // namespace akidb
