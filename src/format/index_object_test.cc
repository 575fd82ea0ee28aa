#include "format/index_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/hash.h"

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

std::string IndexError(const std::string& bytes, std::string_view kind = "hnsw", uint32_t row_count = 100) {
  const auto body = DecodeIndexObject(bytes, kSegment, kind, row_count);
  return body ? "accepted" : body.error().ToString();
}

TEST(IndexObjectTest, DecodeGivesBackWhatWasEncoded) {
  for (const std::string& body : {std::string(), std::string("abc"), std::string(100000, 'x')}) {
    const std::string bytes = EncodeIndexObject(kSegment, "hnsw", 100, body);
    const auto decoded = DecodeIndexObject(bytes, kSegment, "hnsw", 100);
    ASSERT_TRUE(decoded) << decoded.error().ToString();
    EXPECT_EQ(*decoded, body);
  }
}

TEST(IndexObjectTest, EveryBitFlipIsSeen) {
  std::string bytes = EncodeIndexObject(kSegment, "hnsw", 100, "body");
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(DecodeIndexObject(bytes, kSegment, "hnsw", 100)) << "byte " << bit / 8;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
}

TEST(IndexObjectTest, RefusesWhatWasMadeForSomethingElse) {
  const std::string bytes = EncodeIndexObject(kSegment, "hnsw", 100, "body");
  EXPECT_THAT(DecodeIndexObject(bytes, "00000000000000000002-0123456789abcdef", "hnsw", 100).error().ToString(),
              HasSubstr("was made for segment 00000000000000000001-0123456789abcdef"));
  EXPECT_THAT(IndexError(bytes, "flat"), HasSubstr("is of the kind hnsw, the manifest says flat"));
  EXPECT_THAT(IndexError(bytes, "hnsw", 101), HasSubstr("was made for 100 rows, the segment has 101"));
}

TEST(IndexObjectTest, RefusesWhatARightChecksumDoesNotMakeRight) {
  const std::string good = EncodeIndexObject(kSegment, "hnsw", 100, "body");
  const auto with = [&](size_t offset, char value) {
    std::string bytes = good;
    bytes[offset] = value;
    return Resealed(bytes);
  };
  EXPECT_EQ(IndexError(Resealed(good)), "accepted");
  EXPECT_THAT(IndexError(with(0, 'B')), HasSubstr("does not begin with"));
  EXPECT_THAT(IndexError(with(4, 2)), HasSubstr("UNIMPLEMENTED"));
  for (const size_t size_field : {size_t{6}, size_t{12}, size_t{16}, size_t{23}}) {
    EXPECT_THAT(IndexError(with(size_field, 77)), HasSubstr("do not add up")) << size_field;
  }
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(IndexError(good.substr(0, size)), HasSubstr("DATA_LOSS")) << size;
    if (size >= 8) EXPECT_THAT(IndexError(Resealed(good.substr(0, size))), testing::Not("accepted")) << size;
  }
}

}  // namespace
}  // namespace akidb
