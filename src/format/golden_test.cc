// The golden files of every released version stay readable for ever: bytes are compared and decoded.
#include <gtest/gtest.h>

#include "format/columns.h"
#include "format/deletion_vector.h"
#include "format/format_testing.h"
#include "format/index_object.h"

namespace akidb {
namespace {

TEST(GoldenFormatTest, ManifestV1) {
  EXPECT_EQ(DecodeManifest(ReadGolden("manifest_v1.json")).value(), FullManifestV1());
}

TEST(GoldenFormatTest, ManifestV2) {
  EXPECT_EQ(DecodeManifest(ReadGolden("manifest_v2.json")).value(), FullManifestV2());
}

TEST(GoldenFormatTest, ManifestV2OnABase) {
  const ManifestBase base = DecodeManifestBase(ReadGolden("manifest_base_v1.json")).value();
  EXPECT_EQ(base, FullBaseV1());
  auto stored = DecodeStoredManifest(ReadGolden("manifest_on_base_v2.json")).value();
  EXPECT_EQ(CompleteManifest(std::move(stored), &base).value(), FullManifestOnBaseV2());
}

TEST(GoldenFormatTest, ManifestV3) {
  EXPECT_EQ(DecodeManifest(ReadGolden("manifest_v3.json")).value(), FullManifestV3());
}

TEST(GoldenFormatTest, ManifestV3OnABase) {
  const ManifestBase base = FullBase();
  ExpectGolden("manifest_base_v2.json", EncodeManifestBase(base));
  EXPECT_EQ(DecodeManifestBase(ReadGolden("manifest_base_v2.json")).value(), base);
  auto stored = DecodeStoredManifest(ReadGolden("manifest_on_base_v3.json")).value();
  EXPECT_EQ(CompleteManifest(std::move(stored), &base).value(), FullManifestOnBaseV3());
}

TEST(GoldenFormatTest, ManifestV4) {
  ExpectGolden("manifest_v4.json", EncodeManifest(FullManifest()));
  EXPECT_EQ(DecodeManifest(ReadGolden("manifest_v4.json")).value(), FullManifest());
}

TEST(GoldenFormatTest, ManifestV4OnABase) {
  const ManifestBase base = FullBase();
  ExpectGolden("manifest_on_base_v4.json", EncodeManifest(FullManifestOnBase(), &base));
  auto stored = DecodeStoredManifest(ReadGolden("manifest_on_base_v4.json")).value();
  EXPECT_EQ(CompleteManifest(std::move(stored), &base).value(), FullManifestOnBase());
}

TEST(GoldenFormatTest, TombstoneV1) {
  ExpectGolden("tombstone_v1.json", EncodeManifestTombstone(FullTombstone()));
  EXPECT_EQ(DecodeManifestTombstone(ReadGolden("tombstone_v1.json")).value(), FullTombstone());
}

TEST(GoldenFormatTest, CatalogV1) {
  EXPECT_EQ(DecodeCatalogVersion(ReadGolden("catalog_v1.json")).value(), FullCatalogVersionV1());
}

TEST(GoldenFormatTest, CatalogV2) {
  ExpectGolden("catalog_v2.json", EncodeCatalogVersion(FullCatalogVersion()));
  EXPECT_EQ(DecodeCatalogVersion(ReadGolden("catalog_v2.json")).value(), FullCatalogVersion());
}

TEST(GoldenFormatTest, DeletionVectorV1) {
  const std::string segment = "00000000000000000001-0123456789abcdef";
  // One container of each kind: array, run, bitset.
  std::vector<RowIndex> rows = {3, 7, 11};
  for (RowIndex row = 65536; row < 65536 + 500; ++row) rows.push_back(row);
  for (RowIndex row = 131072; row < 131072 + 20000; row += 2) rows.push_back(row);
  ExpectGolden("deletion_vector_v1.del", EncodeDeletionVector(segment, 200000, rows));
  EXPECT_EQ(DecodeDeletionVector(ReadGolden("deletion_vector_v1.del"), segment, 200000).value(), rows);
}

TEST(GoldenFormatTest, SmallDeletionVectorV1) {  // the example of docs/formats/deletion_vector.md
  const std::string segment = "00000000000000000001-0123456789abcdef";
  ExpectGolden("deletion_vector_small_v1.del", EncodeDeletionVector(segment, 100, {3, 7, 11}));
  EXPECT_EQ(DecodeDeletionVector(ReadGolden("deletion_vector_small_v1.del"), segment, 100).value(),
            (std::vector<RowIndex>{3, 7, 11}));
}

TEST(GoldenFormatTest, IndexObjectV1) {  // the example of docs/formats/index_object.md
  const std::string segment = "00000000000000000001-0123456789abcdef";
  ExpectGolden("index_object_v1.idx", EncodeIndexObject(segment, "hnsw", 100, "body"));
  EXPECT_EQ(DecodeIndexObject(ReadGolden("index_object_v1.idx"), segment, "hnsw", 100).value(), "body");
}

TEST(GoldenFormatTest, ColumnsV1) {
  const std::string codes("\x01\x02\x03\xfd\xfe\xff", 6);
  const std::string scales("\x00\x00\x80\x3f\x00\x00\x00\x3f", 8);
  const ColumnBatch batch{.type = VectorType::kInt8,
                          .dim = 3,
                          .ids = {"a", "doc-2"},
                          .vectors = codes,
                          .scales = scales,
                          .payloads = {R"({"lang":"fr"})", ""}};
  ExpectGolden("columns_v1.bin", EncodeColumns(batch));
  const std::string bytes = ReadGolden("columns_v1.bin");
  const ColumnBatch decoded = DecodeColumns(bytes, Limits{}).value();
  EXPECT_EQ(decoded.ids, batch.ids);
  EXPECT_EQ(decoded.vectors, codes);
  EXPECT_EQ(decoded.scales, scales);
  EXPECT_EQ(decoded.payloads, batch.payloads);
}

TEST(GoldenFormatTest, IdListV1) {
  ExpectGolden("id_list_v1.bin", EncodeIdList({"a", "doc-2"}));
  const std::string bytes = ReadGolden("id_list_v1.bin");
  EXPECT_EQ(DecodeIdList(bytes, Limits{}).value(), (std::vector<std::string_view>{"a", "doc-2"}));
}

}  // namespace
}  // namespace akidb
