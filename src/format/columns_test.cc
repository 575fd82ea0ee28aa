#include "format/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/coding.h"

namespace akidb {
namespace {

using testing::HasSubstr;

ColumnBatch SmallBatch(VectorType type) {
  static const std::string bytes = [] {
    std::string out;
    for (int i = 0; i < 64; ++i) out.push_back(static_cast<char>(i * 5));
    return out;
  }();
  ColumnBatch batch;
  batch.type = type;
  batch.dim = 3;
  batch.ids = {"a", "doc-2"};
  batch.vectors = std::string_view(bytes).substr(0, 2 * 3 * ElementBytes(type));
  if (type == VectorType::kInt8) batch.scales = std::string_view(bytes).substr(32, 8);
  batch.payloads = {R"({"lang":"fr"})", ""};
  return batch;
}

void ExpectEqual(const ColumnBatch& a, const ColumnBatch& b) {
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.dim, b.dim);
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.vectors, b.vectors);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.payloads, b.payloads);
}

std::string ColumnsError(const std::string& bytes, const Limits& limits = {}) {
  const auto batch = DecodeColumns(bytes, limits);
  if (batch) return "accepted";
  EXPECT_EQ(batch.error().code(), StatusCode::kInvalidArgument);
  return std::string(batch.error().message());
}

// Without checksum, so that a test can change a field and meet the check behind it.
std::string Unchecked(std::string bytes) { return bytes.replace(24, 8, 8, '\0'); }

template <class T>
std::string With(size_t offset, T value) {
  std::string bytes = Unchecked(EncodeColumns(SmallBatch(VectorType::kF32)));
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
  return bytes;
}

TEST(ColumnsTest, DecodeGivesBackWhatWasEncoded) {
  for (const VectorType type : {VectorType::kF32, VectorType::kF16, VectorType::kInt8}) {
    const std::string bytes = EncodeColumns(SmallBatch(type));
    const auto batch = DecodeColumns(bytes, Limits{});
    ASSERT_TRUE(batch) << batch.error().ToString();
    ExpectEqual(*batch, SmallBatch(type));
    EXPECT_EQ(EncodeColumns(*batch), bytes);
  }
  ColumnBatch empty;
  empty.dim = 1;
  const std::string bytes = EncodeColumns(empty);
  EXPECT_EQ(bytes.size(), 32u);
  EXPECT_TRUE(DecodeColumns(bytes, Limits{}));
}

TEST(ColumnsTest, ChecksumIsOptionalForClients) {
  const std::string bytes = Unchecked(EncodeColumns(SmallBatch(VectorType::kF32)));
  const auto batch = DecodeColumns(bytes, Limits{});
  ASSERT_TRUE(batch);
  ExpectEqual(*batch, SmallBatch(VectorType::kF32));
}

TEST(ColumnsTest, EveryBitFlipIsSeen) {
  std::string bytes = EncodeColumns(SmallBatch(VectorType::kInt8));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(DecodeColumns(bytes, Limits{})) << "byte " << bit / 8;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
}

TEST(ColumnsTest, EveryTruncationAndExtensionIsSeen) {
  const std::string bytes = Unchecked(EncodeColumns(SmallBatch(VectorType::kF16)));
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(DecodeColumns(bytes.substr(0, size), Limits{})) << size;
  EXPECT_FALSE(DecodeColumns(bytes + '\0', Limits{}));
}

TEST(ColumnsTest, ErrorsNameFieldValueAndLimit) {
  EXPECT_THAT(ColumnsError(With<uint16_t>(4, 2)), HasSubstr("version is 2, this akidb reads 1"));
  EXPECT_THAT(ColumnsError(With<uint8_t>(6, 4)), HasSubstr("vector type is 4"));
  EXPECT_THAT(ColumnsError(With<uint8_t>(7, 1)), HasSubstr("byte 7 is 1"));
  EXPECT_THAT(ColumnsError(With<uint32_t>(8, 0)), HasSubstr("dim is 0"));
  EXPECT_THAT(ColumnsError(With<uint32_t>(8, 16385)), HasSubstr("dim is 16385, the limit is 16384"));
  EXPECT_THAT(ColumnsError(With<uint32_t>(12, 10001)), HasSubstr("row count is 10001, the limit is 10000"));
  EXPECT_THAT(ColumnsError(With<uint32_t>(16, 7)), HasSubstr("not what the header announces"));
  Limits tight;
  tight.id_bytes_max = 4;
  EXPECT_THAT(ColumnsError(EncodeColumns(SmallBatch(VectorType::kF32)), tight),
              HasSubstr("size of id 1 is 5, the limit is 4"));
  tight = {};
  tight.payload_bytes_max = 12;
  EXPECT_THAT(ColumnsError(EncodeColumns(SmallBatch(VectorType::kF32)), tight),
              HasSubstr("size of payload 0 is 13, the limit is 12"));
  ColumnBatch batch = SmallBatch(VectorType::kF32);
  batch.ids[1] = "";
  EXPECT_THAT(ColumnsError(EncodeColumns(batch)), HasSubstr("id 1 is empty"));
}

TEST(ColumnsTest, LengthsThatDoNotAddUpAreRefused) {
  const size_t payload_lengths = 32 + 24;
  const size_t id_lengths = payload_lengths + 8;
  EXPECT_THAT(ColumnsError(With<uint32_t>(payload_lengths, 12)), HasSubstr("lengths of the payloads do not add up"));
  EXPECT_THAT(ColumnsError(With<uint32_t>(payload_lengths + 4, 1)), HasSubstr("lengths of the payloads do not add up"));
  EXPECT_THAT(ColumnsError(With<uint16_t>(id_lengths, 2)), HasSubstr("lengths of the ids do not add up"));
}

TEST(IdListTest, DecodeGivesBackWhatWasEncoded) {
  const std::vector<std::string_view> ids = {"x", "yy", "zzz"};
  EXPECT_EQ(DecodeIdList(EncodeIdList(ids), Limits{}).value(), ids);
  EXPECT_TRUE(DecodeIdList(EncodeIdList({}), Limits{}).value().empty());
}

TEST(IdListTest, BrokenListsAreRefused) {
  const std::string bytes = EncodeIdList({"x", "yy"});
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(DecodeIdList(bytes.substr(0, size), Limits{})) << size;
  EXPECT_FALSE(DecodeIdList(bytes + "z", Limits{}));
  EXPECT_FALSE(DecodeIdList(EncodeIdList({""}), Limits{}));
  Limits limits;
  limits.vectors_per_request_max = 1;
  EXPECT_THAT(DecodeIdList(bytes, limits).error().message(), HasSubstr("number of ids is 2, the limit is 1"));
}

}  // namespace
}  // namespace akidb
