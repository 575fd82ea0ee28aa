#include "cache/cache_block.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/coding.h"
#include "base/hash.h"
#include "cache/cache_testing.h"

namespace akidb {
namespace {

using testing::HasSubstr;

CacheBlockHeader Header(std::string_view data) {
  CacheBlockHeader header;
  header.key = SegmentName(7);
  header.version_id = "v-1";
  header.number = 3;
  header.data_bytes = static_cast<uint32_t>(data.size());
  header.page_checksums = CachePageChecksums(header.id(), data);
  return header;
}

CacheBlockHeader WholeHeader(std::string_view data) {
  CacheBlockHeader header = Header(data);
  header.version_id.clear();
  header.number = 0;
  header.whole = CachedWhole{.etag = "etag-1", .version_id = "v-2", .modified_at = WallTime(Duration(123456789))};
  header.page_checksums = CachePageChecksums(header.id(), data);
  return header;
}

TEST(CacheBlockTest, HeaderReadsBackAsWritten) {
  for (const size_t size : {size_t{1}, size_t{4096}, size_t{4097}, size_t{kCacheBlockBytes}}) {
    const std::string data = RandomBytes(size, 1);
    for (const CacheBlockHeader& header : {Header(data), WholeHeader(data)}) {
      const std::string bytes = EncodeCacheBlockHeader(header);
      EXPECT_EQ(bytes.size(), kCacheHeaderBytes);
      EXPECT_EQ(DecodeCacheBlockHeader(bytes).value(), header);
    }
  }
}

TEST(CacheBlockTest, EveryBitFlipOfTheHeaderIsSeen) {
  std::string bytes = EncodeCacheBlockHeader(WholeHeader(RandomBytes(5000, 1)));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    ASSERT_EQ(DecodeCacheBlockHeader(bytes).error().code(), StatusCode::kDataLoss) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
  EXPECT_TRUE(DecodeCacheBlockHeader(bytes));
}

TEST(CacheBlockTest, CutHeadersAreRefused) {
  const std::string bytes = EncodeCacheBlockHeader(Header("x"));
  for (const size_t size : {size_t{0}, size_t{39}, size_t{4095}}) {
    EXPECT_EQ(DecodeCacheBlockHeader(bytes.substr(0, size)).error().code(), StatusCode::kDataLoss);
  }
}

TEST(CacheBlockTest, NewerVersionIsRefusedByName) {
  std::string bytes = EncodeCacheBlockHeader(Header("x"));
  bytes[4] = 2;
  bytes.resize(kCacheHeaderBytes - 8);
  PutLe<uint64_t>(&bytes, Xxh3(bytes));
  EXPECT_EQ(DecodeCacheBlockHeader(bytes).error().code(), StatusCode::kUnimplemented);
}

TEST(CacheBlockTest, ChecksumsBindAPageToItsPlace) {
  const CacheBlockHeader header = Header("x");
  const CacheBlockId id = header.id();
  const CacheBlockId next{id.object, id.number + 1};
  const CacheBlockId other{CacheObjectId::Of("other", "v-1"), id.number};
  EXPECT_EQ(CachePageChecksum(id, 0, "x"), header.page_checksums[0]);
  EXPECT_NE(CachePageChecksum(id, 1, "x"), header.page_checksums[0]);
  EXPECT_NE(CachePageChecksum(next, 0, "x"), header.page_checksums[0]);
  EXPECT_NE(CachePageChecksum(other, 0, "x"), header.page_checksums[0]);
}

TEST(CacheBlockTest, NamesTooLongForTheHeaderAreNoBlock) {
  CacheBlockHeader header = Header("x");
  header.version_id.assign(2000 - header.key.size(), 'v');
  EXPECT_TRUE(header.Validate().ok());
  header.version_id += 'v';
  EXPECT_THAT(header.Validate().message(), HasSubstr("names of 2001 bytes"));
}

TEST(CacheBlockNameTest, ReadsBackAsWritten) {
  for (const CacheBlockName& name :
       {CacheBlockName{{{UINT64_MAX, 1}, 0}, 1, true}, CacheBlockName{{{0, 0}, UINT32_MAX}, kCacheBlockBytes, false}}) {
    EXPECT_EQ(ParseCacheBlockName(FormatCacheBlockName(name)), name);
  }
  EXPECT_EQ(FormatCacheBlockName({{{0x1234, 0xab}, 7}, 4096, false}),
            "000000000000123400000000000000ab-00000007-001000");
}

TEST(CacheBlockNameTest, OtherNamesAreForeign) {
  const std::string good = "000000000000123400000000000000ab-00000000-001000";
  ASSERT_TRUE(ParseCacheBlockName(good));
  for (const std::string& text :
       {std::string(), good + "x", good + "ww", good.substr(1), good.substr(0, good.size() - 1), "A" + good.substr(1),
        good.substr(0, 32) + "_00000000-001000", good.substr(0, 33) + "00000001-001000w", good.substr(0, 42) + "000000",
        good.substr(0, 42) + "100001", std::string("lock"), std::string("..")}) {
    EXPECT_FALSE(ParseCacheBlockName(text)) << text;
  }
}

// The bytes of docs/formats/cache_block.md; a cache of a released version must at least be recognised.
TEST(GoldenCacheBlockTest, BlockV1) {
  const std::string path = std::string(AKIDB_SOURCE_DIR) + "/tests/compat/cache/block_v1.bin";
  std::ifstream file(path, std::ios::binary);
  const std::string golden{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::string data = "one object of one page\n";
  const std::string bytes = EncodeCacheBlockHeader(WholeHeader(data)) + data;
  if (golden != bytes) {
    std::ofstream(testing::TempDir() + "block_v1.bin", std::ios::binary) << bytes;
    FAIL() << "bytes differ from " << path << "; they are in " << testing::TempDir();
  }
  EXPECT_EQ(DecodeCacheBlockHeader(golden.substr(0, kCacheHeaderBytes)).value(), WholeHeader(data));
}

}  // namespace
}  // namespace akidb
