#include "format/disk_id.h"

#include <gtest/gtest.h>

#include "format/format_testing.h"
#include "format/json_fields.h"

namespace akidb {
namespace {

DiskId FullDiskId() { return {.id = "0123456789abcdef0123456789abcdef", .store = "s3://vectors/production"}; }

TEST(DiskIdTest, DecodeGivesBackWhatWasEncoded) {
  EXPECT_EQ(DecodeDiskId(EncodeDiskId(FullDiskId())).value(), FullDiskId());
}

TEST(DiskIdTest, EveryBitFlipIsSeen) {
  std::string bytes = EncodeDiskId(FullDiskId());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    ASSERT_FALSE(DecodeDiskId(bytes)) << "byte " << bit / 8;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

TEST(DiskIdTest, EveryPrefixIsRefused) {
  const std::string bytes = EncodeDiskId(FullDiskId());
  for (size_t size = 0; size < bytes.size(); ++size) ASSERT_FALSE(DecodeDiskId(bytes.substr(0, size)));
}

TEST(DiskIdTest, ValuesThatNoWriterGivesAreRefusedByName) {
  const auto refused = [](std::string_view from, std::string_view to) {
    std::string object = EncodeDiskId(FullDiskId());
    object.resize(object.rfind(",\"xxh3\""));
    object.replace(object.find(from), from.size(), to);
    const auto decoded = DecodeDiskId(SealJson(object + "}"));
    return decoded ? std::string() : std::string(decoded.error().message());
  };
  EXPECT_NE(refused("0123456789abcdef", "0123456789ABCDEF").find("id"), std::string::npos);
  EXPECT_NE(refused("s3://", std::string(1100, 's')).find("store"), std::string::npos);
  EXPECT_NE(refused("akidb.disk/1", "akidb.disk/2").find("akidb.disk/2"), std::string::npos);
}

TEST(GoldenFormatTest, DiskIdV1) {
  ExpectGolden("disk_id_v1.json", EncodeDiskId(FullDiskId()));
  EXPECT_EQ(DecodeDiskId(ReadGolden("disk_id_v1.json")).value(), FullDiskId());
}

}  // namespace
}  // namespace akidb
