#include "format/format_testing.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/hash.h"

namespace akidb {
namespace {

CollectionSpec FullSpec(std::string name) {
  CollectionSpec spec;
  spec.name = std::move(name);
  spec.dim = 384;
  spec.distance = Distance::kEuclidean;
  spec.vector_type = VectorType::kF16;
  spec.ack = AckLevel::kObject;
  spec.index = {.kind = IndexKind::kHnsw, .m = 24, .ef_construction = 300, .layout = IndexLayout::kCompact};
  spec.recall = 0.975;
  spec.schema_json = R"({"lang":"keyword","size":"integer"})";
  return spec;
}

SegmentEntry FullSegment(std::string id) {
  SegmentEntry segment;
  segment.object = {.id = std::move(id), .sha256 = Sha256Hex("segment"), .version_id = "v-1", .size_bytes = 123456};
  segment.row_count = 1000;
  segment.id_min = "doc-\"0\"";
  segment.id_max = "doc-\xC3\xA9";
  segment.footer_offset = 123000;
  segment.footer_bytes = 456;
  segment.lsn_max = Lsn(UINT64_MAX);
  return segment;
}

std::string GoldenPath(const std::string& name) {
  return std::string(AKIDB_SOURCE_DIR) + "/tests/compat/format/" + name;
}

}  // namespace

Manifest FullManifestV1() {
  Manifest m;
  m.collection = CollectionId(12);
  m.version = ManifestVersion(81);
  m.previous_sha256 = Sha256Hex("predecessor");
  m.attempt_id = "00ff00ff00ff00ff";
  m.created_at = "2026-11-23T02:14:17.123Z";
  m.epoch = Epoch(9);
  m.open_epochs = {{Epoch(7), "node-a", Lsn(100), {}}, {Epoch(9), "node-b", Lsn(0), {}}};
  m.segments = {FullSegment("00000000000000000079-fedcba9876543210"),
                FullSegment("00000000000000000080-0123456789abcdef")};
  m.segments[0].deletes = ObjectRef{.id = "00000000000000000080-1111111111111111",
                                    .sha256 = Sha256Hex("deletes"),
                                    .version_id = "",
                                    .size_bytes = 99};
  m.segments[0].deleted_count = 3;
  m.pins = {{"snapshot", "before-import", ManifestVersion(70), "2026-11-22T00:00:00.000Z", ""}};
  m.gc_boundary = ManifestVersion(60);
  m.revert_generation = 2;
  m.home = Home{.node = "node-b"};
  m.dropped = true;
  m.spec = FullSpec("docs");
  return m;
}

Manifest FullManifestV2() {
  Manifest m = FullManifestV1();
  m.open_epochs = {{Epoch(7), "node-a", Lsn(100), WalSequence(40)}, {Epoch(9), "node-b", Lsn(0), WalSequence(0)}};
  m.log = LogKind::kBucket;
  m.segments = {FullSegment("00000000000000000079-0123456789abcdef"),
                FullSegment("00000000000000000080-fedcba9876543210")};
  m.segments[1].object.owner = CollectionId(7);
  m.segments[1].deletes = ObjectRef{.id = "00000000000000000080-1111111111111111",
                                    .sha256 = Sha256Hex("deletes"),
                                    .version_id = "",
                                    .size_bytes = 99};
  m.segments[1].deleted_count = 3;
  m.pins.push_back({"reader", "node-c", ManifestVersion(81), "2026-11-22T00:00:00.000Z", "2026-11-22T00:05:00.000Z"});
  m.cloned_from = CloneOrigin{CollectionId(7), ManifestVersion(33)};
  return m;
}

Manifest FullManifestV3() {
  Manifest m = FullManifestV2();
  for (SegmentEntry& segment : m.segments) {
    segment.index_kind = "hnsw";
    segment.index = ObjectRef{.id = "00000000000000000080-3333333333333333",
                              .sha256 = Sha256Hex("index"),
                              .version_id = "v-3",
                              .size_bytes = 1234};
  }
  m.segments[1].index->owner = CollectionId(7);
  return m;
}

Manifest FullManifest() {
  Manifest m = FullManifestV3();
  m.log = LogKind::kLocal;
  for (EpochEntry& entry : m.open_epochs) entry.sequence = WalSequence(0);
  m.home = Home{.node = "node-b", .disk = "0123456789abcdef0123456789abcdef", .confirm_ms = 90'000};
  m.rebinds = {{Epoch(5), Lsn(60), 0}, {Epoch(8), Lsn(100), 99'000}};
  return m;
}

namespace {

ManifestBase BaseOf(const Manifest& manifest) {
  ManifestBase base{CollectionId(12), "00000000000000000080-2222222222222222", manifest.segments};
  base.segments.push_back(FullSegment("00000000000000000080-ffffffffffffffff"));
  return base;
}

Manifest OnBase(Manifest m) {
  m.base = ObjectRef{.id = FullBase().id, .sha256 = Sha256Hex("base"), .version_id = "v-2", .size_bytes = 1500};
  m.segments[0].deletes = m.segments[1].deletes;
  m.segments[0].deleted_count = 1;
  m.segments.push_back(FullSegment("00000000000000000081-0123456789abcdef"));
  return m;
}

}  // namespace

ManifestBase FullBaseV1() { return BaseOf(FullManifestV2()); }
ManifestBase FullBase() { return BaseOf(FullManifest()); }
Manifest FullManifestOnBaseV2() { return OnBase(FullManifestV2()); }
Manifest FullManifestOnBaseV3() { return OnBase(FullManifestV3()); }
Manifest FullManifestOnBase() { return OnBase(FullManifest()); }

CatalogVersion FullCatalogVersionV1() {
  CatalogVersion c;
  c.version = ManifestVersion(5);
  c.previous_sha256 = Sha256Hex("predecessor");
  c.attempt_id = "00ff00ff00ff00ff";
  c.created_at = "2026-11-23T02:14:17.123Z";
  c.checkpoint = true;
  c.last_checkpoint = ManifestVersion(4);
  c.next_collection_id = CollectionId(13);
  c.put = {{CollectionId(12), "2026-11-23T02:14:17.000Z", FullSpec("docs")},
           {CollectionId(3), "2026-11-20T00:00:00.000Z", FullSpec("notes")}};
  c.dropped = {CollectionId(4), CollectionId(5)};
  return c;
}

CatalogVersion FullCatalogVersion() {
  CatalogVersion c = FullCatalogVersionV1();
  c.checkpoint = false;
  c.purged = {CollectionId(1), CollectionId(2)};
  c.aliases_put = {{"current", CollectionId(12)}, {"stable", CollectionId(3)}};
  c.aliases_dropped = {"old"};
  return c;
}

ManifestTombstone FullTombstone() {
  return {.version = ManifestVersion(17),
          .attempt_id = "00ff00ff00ff00ff",
          .epoch = Epoch(4),
          .sha256 = Sha256Hex("manifest")};
}

std::string ReadGolden(const std::string& name) {
  std::ifstream file(GoldenPath(name), std::ios::binary);
  EXPECT_TRUE(file.is_open()) << "no golden file " << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void ExpectGolden(const std::string& name, std::string_view bytes) {
  if (ReadGolden(name) == bytes) return;
  const std::string actual = testing::TempDir() + name;
  std::ofstream(actual, std::ios::binary) << bytes;
  ADD_FAILURE() << "bytes differ from golden file " << name << "; they are in " << actual;
}

}  // namespace akidb
