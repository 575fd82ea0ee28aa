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

TEST(ManifestFormatTest, EveryBitFlipIsSeenOnABaseAndInIt) {
  const ManifestBase base = FullBase();
  std::string bytes = EncodeManifest(FullManifestOnBase(), &base);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    ASSERT_FALSE(DecodeStoredManifest(bytes)) << "byte " << bit / 8;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
  bytes = EncodeManifestBase(base);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    ASSERT_FALSE(DecodeManifestBase(bytes)) << "byte " << bit / 8;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
}

TEST(ManifestFormatTest, AManifestOnABaseNeedsIt) {
  const ManifestBase base = FullBase();
  const std::string bytes = EncodeManifest(FullManifestOnBase(), &base);
  EXPECT_EQ(DecodeManifest(bytes).error().code(), StatusCode::kFailedPrecondition);
  const StoredManifest stored = DecodeStoredManifest(bytes).value();
  EXPECT_EQ(stored.removed, std::vector<std::string>{base.segments[2].object.id});
  EXPECT_EQ(stored.manifest.segments.size(), 2u) << "the changed one and the new one";
  EXPECT_EQ(CompleteManifest(stored, &base).value(), FullManifestOnBase());
}

TEST(ManifestFormatTest, ABaseThatDoesNotFitIsRefused) {
  const ManifestBase base = FullBase();
  const StoredManifest right = DecodeStoredManifest(EncodeManifest(FullManifestOnBase(), &base)).value();
  const auto problem = [](const StoredManifest& stored, const ManifestBase& with) {
    const auto manifest = CompleteManifest(stored, &with);
    return manifest ? "accepted" : manifest.error().ToString();
  };
  ManifestBase other = base;
  other.collection = CollectionId(7);
  EXPECT_THAT(problem(right, other), HasSubstr("is another base"));
  other = base;
  other.segments.pop_back();
  EXPECT_THAT(problem(right, other), HasSubstr("are not what it changed"));
  StoredManifest wrong = right;
  wrong.removed.push_back("00000000000000000080-0000000000000000");
  EXPECT_THAT(problem(wrong, base), HasSubstr("are not what it changed"));
  wrong = right;
  wrong.manifest.segments.insert(wrong.manifest.segments.begin() + 1, base.segments[1]);
  EXPECT_THAT(problem(wrong, base), HasSubstr("are not what it changed")) << "an unchanged segment is not repeated";
}

TEST(ManifestFormatTest, ACloneSeesTheOwnersOfItsSourcesBase) {
  const ManifestBase base = FullBase();  // of collection 12, with one segment of 7
  Manifest clone = FullManifest();
  clone.collection = CollectionId(20);
  clone.base = FullManifestOnBase().base;
  clone.base->owner = CollectionId(12);
  clone.segments = base.segments;
  clone.segments[0].object.owner = CollectionId(12);
  clone.segments[0].index->owner = CollectionId(12);
  clone.segments[1].deletes->owner = CollectionId(12);
  clone.segments[2].object.owner = CollectionId(12);
  const std::string bytes = EncodeManifest(clone, &base);
  EXPECT_TRUE(DecodeStoredManifest(bytes)->manifest.segments.empty()) << "a clone costs no segment list";
  EXPECT_EQ(CompleteManifest(DecodeStoredManifest(bytes).value(), &base).value(), clone);
  std::vector<std::string> keys;
  ForEachObject(clone, [&](CollectionId /*owner*/, const std::string& key, const ObjectRef&) { keys.push_back(key); });
  EXPECT_EQ(keys, (std::vector<std::string>{"t/default/c/12/segments/00000000000000000079-0123456789abcdef.seg",
                                            "t/default/c/12/indexes/00000000000000000080-3333333333333333.idx",
                                            "t/default/c/7/segments/00000000000000000080-fedcba9876543210.seg",
                                            "t/default/c/12/deletes/00000000000000000080-1111111111111111.del",
                                            "t/default/c/7/indexes/00000000000000000080-3333333333333333.idx",
                                            "t/default/c/12/segments/00000000000000000080-ffffffffffffffff.seg",
                                            "t/default/c/12/bases/00000000000000000080-2222222222222222.json"}));
}

TEST(ManifestFormatTest, NormalizeSortsAndNamesNoOwnerOfItsOwn) {
  Manifest manifest = FullManifest();
  std::swap(manifest.segments[0], manifest.segments[1]);
  manifest.segments[1].object.owner = manifest.collection;
  EXPECT_FALSE(manifest.Validate().ok());
  manifest.Normalize();
  EXPECT_EQ(manifest, FullManifest());
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
  EXPECT_EQ(ErrorOf("\"sequence\":0},", "\"sequence\":0,\"x\":1},"), "DATA_LOSS: manifest.open_epochs[0].x is unknown");
  EXPECT_EQ(ErrorOf("\"spec\":{", "\"spec\":{\"color\":1,"),
            "DATA_LOSS: manifest.spec is wrong: color is not a known field; known are name, "
            "vector_dim, distance, vector_type, ack, index, recall, schema");
  EXPECT_THAT(ErrorOf("\"dropped\":true", "\"dropped\":true,\"later\":1"), HasSubstr("manifest.later is unknown"));
  EXPECT_EQ(ErrorOf("\"confirm_ms\":90000", "\"confirm_ms\":90000,\"x\":1"), "DATA_LOSS: manifest.home.x is unknown");
  EXPECT_EQ(ErrorOf("\"survived\":60", "\"survived\":-60"),
            "DATA_LOSS: manifest.rebinds[0].survived is not an unsigned integer");
  EXPECT_EQ(ErrorOf("akidb.manifest/4", "akidb.manifest/5"),
            "UNIMPLEMENTED: format is akidb.manifest/5, this akidb reads akidb.manifest/1 to 4");
  EXPECT_THAT(ErrorOf("akidb.manifest/4", "akidb.catalog/2"), HasSubstr("manifest.format is akidb.catalog/2"));
}

TEST(ManifestFormatTest, ValidateRefusesHomesThatCannotBe) {
  const auto problem = [](auto change) {
    Manifest m = FullManifest();
    change(m);
    return std::string(m.Validate().message());
  };
  EXPECT_THAT(problem([](Manifest& m) { m.log = LogKind::kBucket; }), HasSubstr("home is set although"));
  EXPECT_THAT(problem([](Manifest& m) { m.home->node = "../x"; }), HasSubstr("home has a node"));
  EXPECT_THAT(problem([](Manifest& m) { m.home->disk = "0123"; }), HasSubstr("home has a disk"));
  EXPECT_THAT(problem([](Manifest& m) { m.home->disk.clear(); }), HasSubstr("home has a time"));
  EXPECT_THAT(problem([](Manifest& m) { m.home->confirm_ms = 0; }), HasSubstr("home has a time"));
  EXPECT_THAT(problem([](Manifest& m) { m.home->confirm_ms = 3'600'001; }), HasSubstr("home has a time"));
  EXPECT_THAT(problem([](Manifest& m) { m.home.reset(); }), HasSubstr("rebinds has a wait"));
  EXPECT_THAT(problem([](Manifest& m) { m.rebinds[0].wait_ms = 1; }), HasSubstr("rebinds has a wait"));
  EXPECT_THAT(problem([](Manifest& m) { m.rebinds[1].wait_ms = 7'200'001; }), HasSubstr("rebinds has a wait above"));
  EXPECT_THAT(problem([](Manifest& m) { m.rebinds[1].ended = Epoch(5); }), HasSubstr("rebinds is not ascending"));
  EXPECT_THAT(problem([](Manifest& m) { m.rebinds[1].ended = Epoch(9); }), HasSubstr("rebinds has an epoch"));
}

TEST(ManifestFormatTest, ARebindTakesAwayWhatWasNotPublished) {
  Manifest m;
  m.AddRebind({Epoch(3), Lsn(100), 9});
  m.AddRebind({Epoch(6), Lsn(150), 9});
  EXPECT_FALSE(m.LostByRebind(Epoch(3), Lsn(100)));
  EXPECT_TRUE(m.LostByRebind(Epoch(3), Lsn(101)));
  EXPECT_TRUE(m.LostByRebind(Epoch(2), Lsn(101)));
  EXPECT_FALSE(m.LostByRebind(Epoch(5), Lsn(150)));
  EXPECT_TRUE(m.LostByRebind(Epoch(6), Lsn(151)));
  EXPECT_FALSE(m.LostByRebind(Epoch(7), Lsn(1000)));
  EXPECT_EQ(m.rebinds[0].wait_ms, 0u) << "only the last one is waited for";
}

TEST(ManifestFormatTest, TooManyRebindsForgetNothingThatWasLost) {
  Manifest m;
  for (uint64_t i = 1; i <= kManifestRebindsMax + 1; ++i) m.AddRebind({Epoch(i), Lsn(10 * i), 0});
  EXPECT_EQ(m.rebinds.size(), kManifestRebindsMax);
  EXPECT_TRUE(m.LostByRebind(Epoch(1), Lsn(11)));
  EXPECT_TRUE(m.LostByRebind(Epoch(2), Lsn(21)));
  EXPECT_FALSE(m.LostByRebind(Epoch(1), Lsn(10)));
  EXPECT_FALSE(m.LostByRebind(Epoch(3), Lsn(30)));
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
  EXPECT_THAT(problem([](Manifest& m) { m.pins[0].name = "../x"; }), HasSubstr("pins name must match"));
  EXPECT_THAT(problem([](Manifest& m) { m.pins[0].name = std::string(256, 'a'); }), HasSubstr("pins name"));
  EXPECT_THAT(problem([](Manifest& m) { m.pins.push_back(m.pins[0]); }), HasSubstr("has snapshot before-import twice"));
  EXPECT_THAT(problem([](Manifest& m) { m.pins[0].version = ManifestVersion(0); }), HasSubstr("has version 0"));
  EXPECT_THAT(problem([](Manifest& m) { std::swap(m.segments[0], m.segments[1]); }), HasSubstr("not ascending"));
  EXPECT_THAT(problem([](Manifest& m) { m.segments[0].object.owner = m.collection; }), HasSubstr("own collection"));
  EXPECT_THAT(problem([](Manifest& m) { m.segments[1].deletes->owner = m.collection; }), HasSubstr("own collection"));
  EXPECT_THAT(problem([](Manifest& m) { m.open_epochs[0].sequence = WalSequence(1); }),
              HasSubstr("although the log is local"));
  EXPECT_THAT(problem([](Manifest& m) { m.cloned_from->collection = m.collection; }), HasSubstr("collection itself"));
  EXPECT_THAT(problem([](Manifest& m) { m.base = m.segments[0].object, m.base->id = "../x"; }),
              HasSubstr("base \"../x\""));
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
  CatalogVersion checkpoint = FullCatalogVersionV1();
  checkpoint.aliases_put = FullCatalogVersion().aliases_put;
  for (const CatalogVersion& version : {FullCatalogVersion(), checkpoint, first}) {
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
  EXPECT_THAT(problem([](CatalogVersion& c) { c.purged[0] = c.dropped[0]; }), HasSubstr("purged names collection 4"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.checkpoint = true; }), HasSubstr("purged is set in a checkpoint"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.aliases_put[0].alias = "../x"; }), HasSubstr("aliases_put alias must"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.aliases_put[0].alias = "docs"; }), HasSubstr("named before"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.aliases_put[0].collection = CollectionId(13); }),
              HasSubstr("never handed out"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.aliases_dropped[0] = "current"; }), HasSubstr("named before"));
  EXPECT_THAT(problem([](CatalogVersion& c) { c.previous_sha256 = ""; }), HasSubstr("previous_sha256"));
}

}  // namespace
}  // namespace akidb
