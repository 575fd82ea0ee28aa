#include "format/manifest_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "format/format_testing.h"
#include "format/json_fields.h"

namespace akidb {
namespace {

using testing::HasSubstr;

// The document with `from` replaced by `to` and a right checksum.
std::string Changed(std::string bytes, std::string_view from, std::string_view to) {
  const size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  bytes.replace(at, from.size(), to);
  return SealJson(bytes.substr(0, bytes.rfind(",\"xxh3\"")) + "}");
}

std::string ErrorOf(std::string_view from, std::string_view to) {
  const auto manifest = DecodeManifest(Changed(EncodeManifest(FullManifest()), from, to));
  return manifest ? "accepted" : manifest.error().ToString();
}

TEST(ManifestFormatTest, DecodeGivesBackWhatWasEncoded) {
  Manifest first;
  first.version = ManifestVersion(1);
  first.spec.name = "docs";
  first.spec.dim = 1;
  for (const Manifest& manifest : {FullManifest(), first}) {
    const std::string bytes = EncodeManifest(manifest);
    const auto decoded = DecodeManifest(bytes);
    ASSERT_TRUE(decoded) << decoded.error().ToString() << bytes;
    EXPECT_EQ(*decoded, manifest);
    EXPECT_EQ(EncodeManifest(*decoded), bytes);
  }
}

TEST(ManifestFormatTest, EveryBitFlipIsSeen) {
  std::string bytes = EncodeManifest(FullManifest());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    ASSERT_FALSE(DecodeManifest(bytes)) << "byte " << bit / 8;
    ASSERT_FALSE(DecodeManifestTombstone(bytes)) << "byte " << bit / 8;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
}

TEST(ManifestFormatTest, EveryTruncationIsSeen) {
  const std::string bytes = EncodeManifest(FullManifest());
  for (size_t size = 0; size < bytes.size(); ++size) ASSERT_FALSE(DecodeManifest(bytes.substr(0, size))) << size;
}

TEST(ManifestFormatTest, ErrorsNameTheField) {
  EXPECT_EQ(ErrorOf("\"gc_boundary\":60,", ""),
            "DATA_LOSS: manifest.revert_generation is unknown or out of place; expected gc_boundary");
  EXPECT_EQ(ErrorOf("\"dropped\":true", "\"dropped\":1"), "DATA_LOSS: manifest.dropped is not true or false");
  EXPECT_EQ(ErrorOf("\"version\":81", "\"version\":-81"), "DATA_LOSS: manifest.version is not an unsigned integer");
  EXPECT_EQ(ErrorOf("\"row_count\":1000", "\"row_count\":4294967296"),
            "DATA_LOSS: manifest.segments[0].row_count is 4294967296, the limit is 4294967295");
  EXPECT_EQ(ErrorOf("\"deletes\":null", "\"deletes\":{\"id\":7}"),
            "DATA_LOSS: manifest.segments[0].deletes.id is not a string");
  EXPECT_EQ(ErrorOf("\"watermark\":100}", "\"watermark\":100,\"x\":1}"),
            "DATA_LOSS: manifest.open_epochs[0].x is unknown");
  EXPECT_EQ(ErrorOf("\"spec\":{", "\"spec\":{\"color\":1,"),
            "DATA_LOSS: manifest.spec is wrong: color is not a known field");
  EXPECT_THAT(ErrorOf("\"home\":\"node-b\"", "\"home\":\"node-b\",\"later\":1"),
              HasSubstr("manifest.later is unknown"));
  EXPECT_EQ(ErrorOf("akidb.manifest/1", "akidb.manifest/2"),
            "UNIMPLEMENTED: format is akidb.manifest/2, this akidb reads akidb.manifest/1");
  EXPECT_THAT(ErrorOf("akidb.manifest/1", "akidb.catalog/1"), HasSubstr("manifest.format is akidb.catalog/1"));
}

TEST(ManifestFormatTest, OtherSpellingsOfTheSameValuesAreRefused) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"version\":81", "\"version\": 81"},
           {"node-a", "node-\\u0061"},
           {"\"recall\":0.975", "\"recall\":9.75e-1"},
           {"\"vector_dim\":384,\"distance\":\"Euclidean\"", "\"distance\":\"Euclidean\",\"vector_dim\":384"}}) {
    EXPECT_EQ(ErrorOf(from, to), "DATA_LOSS: manifest is not canonical JSON") << to;
  }
}

TEST(ManifestFormatTest, ValidateRefusesWhatCannotBe) {
  const auto problem = [](auto change) {
    Manifest m = FullManifest();
    change(m);
    return std::string(m.Validate().message());
  };
  EXPECT_EQ(problem([](Manifest&) {}), "");
  EXPECT_THAT(problem([](Manifest& m) { m.version = ManifestVersion(0); }), HasSubstr("version is 0"));
  EXPECT_THAT(problem([](Manifest& m) { m.version = ManifestVersion(1); }), HasSubstr("previous_sha256 is set"));
  EXPECT_THAT(problem([](Manifest& m) { m.previous_sha256[3] = 'G'; }), HasSubstr("previous_sha256 is not"));
  EXPECT_THAT(problem([](Manifest& m) { std::swap(m.open_epochs[0], m.open_epochs[1]); }), HasSubstr("not ascending"));
  EXPECT_THAT(problem([](Manifest& m) { m.epoch = Epoch(8); }), HasSubstr("after the writer's"));
  EXPECT_THAT(problem([](Manifest& m) { m.segments[1].object.id = m.segments[0].object.id; }), HasSubstr("twice"));
  EXPECT_THAT(problem([](Manifest& m) { m.segments[0].object.id = "../x"; }), HasSubstr("is not an object id"));
  EXPECT_THAT(problem([](Manifest& m) { m.segments[0].object.sha256 = ""; }), HasSubstr("sha256"));
  EXPECT_THAT(problem([](Manifest& m) { m.segments[0].id_max = "a"; }), HasSubstr("id_min after id_max"));
  EXPECT_THAT(problem([](Manifest& m) { m.segments[1].deleted_count = 1001; }), HasSubstr("above row_count"));
  EXPECT_THAT(problem([](Manifest& m) { m.segments[1].deletes.reset(); }), HasSubstr("without deletes"));
  EXPECT_THAT(problem([](Manifest& m) { m.segments[1].deletes->id = "x"; }), HasSubstr("deletion vector \"x\""));
  EXPECT_THAT(problem([](Manifest& m) { m.pins[0].kind = "note"; }), HasSubstr("unknown kind \"note\""));
  EXPECT_THAT(problem([](Manifest& m) { m.spec.dim = 0; }), HasSubstr("spec vector_dim is 0"));
}

TEST(ManifestTombstoneTest, DecodeGivesBackWhatWasEncodedAndTellsManifestsApart) {
  const std::string bytes = EncodeManifestTombstone(FullTombstone());
  EXPECT_EQ(DecodeManifestTombstone(bytes).value(), FullTombstone());
  EXPECT_EQ(DecodeManifestTombstone(EncodeManifest(FullManifest())).value(), std::nullopt);
  EXPECT_FALSE(DecodeManifest(bytes));
  EXPECT_FALSE(DecodeManifestTombstone(EncodeCatalogVersion(FullCatalogVersion())));
}

TEST(ManifestTombstoneTest, EveryBitFlipIsSeen) {
  std::string bytes = EncodeManifestTombstone(FullTombstone());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    ASSERT_FALSE(DecodeManifestTombstone(bytes)) << "byte " << bit / 8;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
}

TEST(CatalogFormatTest, DecodeGivesBackWhatWasEncoded) {
  CatalogVersion first;
  first.version = ManifestVersion(1);
  for (const CatalogVersion& version : {FullCatalogVersion(), first}) {
    const std::string bytes = EncodeCatalogVersion(version);
    const auto decoded = DecodeCatalogVersion(bytes);
    ASSERT_TRUE(decoded) << decoded.error().ToString();
    EXPECT_EQ(*decoded, version);
    EXPECT_EQ(EncodeCatalogVersion(*decoded), bytes);
  }
}

TEST(CatalogFormatTest, EveryBitFlipIsSeen) {
  std::string bytes = EncodeCatalogVersion(FullCatalogVersion());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    ASSERT_FALSE(DecodeCatalogVersion(bytes)) << "byte " << bit / 8;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
}

TEST(CatalogFormatTest, ValidateRefusesWhatCannotBe) {
  const auto problem = [](auto change) {
    CatalogVersion c = FullCatalogVersion();
    change(c);
    return std::string(c.Validate().message());
  };
  EXPECT_EQ(problem([](CatalogVersion&) {}), "");
  EXPECT_THAT(problem([](CatalogVersion& c) { c.last_checkpoint = ManifestVersion(6); }), HasSubstr("last_checkpoint"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.next_collection_id = CollectionId(12); }),
              HasSubstr("never handed out"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.put[0].id = c.put[1].id; }), HasSubstr("put names collection 3 twice"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.dropped[0] = c.put[0].id; }),
              HasSubstr("dropped names collection 12 twice"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.put[0].spec.name = "../x"; }), HasSubstr("put.spec name must match"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.previous_sha256 = ""; }), HasSubstr("previous_sha256"));
}

}  // namespace
}  // namespace akidb
