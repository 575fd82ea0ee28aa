#include "format/segment_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace akidb {
namespace {

using testing::HasSubstr;

constexpr uint64_t kFooterOffset = 4096 + 4096 + 12 + 20 + 14 + 90;

SegmentFooter SmallFooter() {
  SegmentFooter footer;
  footer.type = VectorType::kInt8;
  footer.distance = Distance::kEuclidean;
  footer.dim = 5;
  footer.row_count = 3;
  footer.sections = {
      {SegmentSection::kVectors, 4096, {{15, 15, 0, BlockCodec::kRaw, 1}}},
      {SegmentSection::kScales, 8192, {{12, 12, 0, BlockCodec::kRaw, 2}}},
      {SegmentSection::kIds, 8204, {{10, 30, 2, BlockCodec::kZstd, 3}, {10, 10, 1, BlockCodec::kRaw, 4}}},
      {SegmentSection::kStatistics, 8224, {{14, 14, 0, BlockCodec::kRaw, 5}}},
      {SegmentSection::kPayload, 8238, {{90, 120, 3, BlockCodec::kZstd, 6}}}};
  return footer;
}

TEST(SegmentFormatTest, DecodeGivesBackTheFooterThatWasEncoded) {
  const std::string bytes = EncodeSegmentFooter(SmallFooter(), kFooterOffset);
  const auto footer = DecodeSegmentFooter(bytes, kFooterOffset);
  ASSERT_TRUE(footer) << footer.error().ToString();
  EXPECT_EQ(*footer, SmallFooter());
  EXPECT_EQ(
      DecodeSegmentTrailer(std::string_view(bytes).substr(bytes.size() - 32), kFooterOffset + bytes.size()).value(),
      kFooterOffset);
}

TEST(SegmentFormatTest, EveryBitFlipOfTheFooterIsSeen) {
  std::string bytes = EncodeSegmentFooter(SmallFooter(), kFooterOffset);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    ASSERT_FALSE(DecodeSegmentFooter(bytes, kFooterOffset)) << "byte " << bit / 8;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
  EXPECT_FALSE(DecodeSegmentFooter(bytes, kFooterOffset + 1));
}

TEST(SegmentFormatTest, ValidateRefusesWhatCannotBe) {
  const auto problem = [](auto change) {
    SegmentFooter footer = SmallFooter();
    change(footer);
    return std::string(footer.Validate(kFooterOffset).message());
  };
  EXPECT_EQ(problem([](SegmentFooter&) {}), "");
  EXPECT_THAT(problem([](SegmentFooter& f) { f.dim = 0; }), HasSubstr("impossible dim"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.dim = UINT32_MAX; }), HasSubstr("impossible dim"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.row_count = 0; }), HasSubstr("impossible dim or row count"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.type = VectorType::kF32; }), HasSubstr("sections of its version"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections.pop_back(); }), HasSubstr("sections of its version"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[1].offset = 4111; }), HasSubstr("scales does not begin"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[2].offset = 9000; }), HasSubstr("ids does not begin"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[0].blocks[0].raw_bytes = 14; }), HasSubstr("vectors block 0"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[0].blocks.clear(); }), HasSubstr("not one for each MiB"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[2].blocks[0].row_count = 1; }), HasSubstr("ids holds 2 rows"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[2].blocks[0].row_count = 0; }),
              HasSubstr("block without rows"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[2].blocks[0].raw_bytes = 1u << 20; }),
              HasSubstr("longer than ids can be"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[4].blocks[0].raw_bytes = 65u << 20; }),
              HasSubstr("impossible sizes"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[4].blocks[0].codec = BlockCodec(2); }),
              HasSubstr("impossible sizes or codec"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[4].blocks[0].stored_bytes = 89; }),
              HasSubstr("where the footer begins"));
  EXPECT_THAT(problem([](SegmentFooter& f) { f.sections[3].blocks.push_back(f.sections[3].blocks[0]); }),
              HasSubstr("not one block"));
}

TEST(SegmentFormatTest, AnotherHeaderPageIsDamage) {
  std::string page = EncodeSegmentHeader();
  EXPECT_TRUE(CheckSegmentHeader(page).ok());
  page[4] = 2;
  EXPECT_EQ(CheckSegmentHeader(page).ToString(),
            "DATA_LOSS: segment header says version 2, that of every version says 1");
  page = EncodeSegmentHeader();
  page[4095] = 1;
  EXPECT_FALSE(CheckSegmentHeader(page).ok());
}

TEST(SegmentFormatTest, ChecksumsAreBoundToTheirPlace) {
  EXPECT_NE(BlockChecksum(SegmentSection::kIds, 0, "x"), BlockChecksum(SegmentSection::kIds, 1, "x"));
  EXPECT_NE(BlockChecksum(SegmentSection::kIds, 0, "x"), BlockChecksum(SegmentSection::kPayload, 0, "x"));
}

TEST(SegmentFormatTest, StatisticsReadBack) {
  const SegmentStatistics statistics{.lsn_max = Lsn(UINT64_MAX), .id_min = "a", .id_max = std::string(600, 'z')};
  const std::string bytes = EncodeSegmentStatistics(statistics);
  EXPECT_EQ(DecodeSegmentStatistics(bytes).value(), statistics);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(DecodeSegmentStatistics(bytes.substr(0, size))) << size;
  EXPECT_FALSE(DecodeSegmentStatistics(bytes + "x"));
}

TEST(SegmentFormatTest, RowsMustFillTheirBlock) {
  const std::string raw("\1\0\2\0abb", 7);
  EXPECT_EQ(DecodeSegmentRows<uint16_t>(raw, 2).value(), (std::vector<std::string_view>{"a", "bb"}));
  EXPECT_FALSE(DecodeSegmentRows<uint16_t>(raw, 1));
  EXPECT_FALSE(DecodeSegmentRows<uint16_t>(raw + "c", 2));
  EXPECT_FALSE(DecodeSegmentRows<uint16_t>(raw.substr(0, 6), 2));
  EXPECT_FALSE(DecodeSegmentRows<uint16_t>(raw, 4));
}

}  // namespace
}  // namespace akidb
