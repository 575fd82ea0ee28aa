#include "format/manifest_format.h"

#include <algorithm>
#include <unordered_set>

#include "base/check.h"
#include "base/json_writer.h"
#include "format/manifest_fields.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr std::string_view kFamily = "akidb.manifest";
constexpr std::string_view kTombstoneFamily = "akidb.tombstone";
constexpr uint64_t kTombstoneBytesMax = 64u << 10;
constexpr size_t kEpochsMax = 100'000;
constexpr size_t kPinsMax = 100'000;
constexpr size_t kVectorIdBytesMax = UINT16_MAX;

void WriteObjectFields(const ObjectRef& object, JsonWriter& w) {
  w.Key("id").Value(object.id);
  w.Key("sha256").Value(object.sha256);
  w.Key("version_id").Value(object.version_id);
  w.Key("size_bytes").Value(object.size_bytes);
}

ObjectRef ReadObjectFields(JsonFields& fields) {
  ObjectRef object;
  object.id = fields.String("id");
  object.sha256 = fields.String("sha256");
  object.version_id = fields.String("version_id");
  object.size_bytes = fields.Uint("size_bytes");
  return object;
}

Status ValidateObject(const ObjectRef& object, std::string_view what) {
  const std::string name = std::string(what) + " \"" + object.id + "\"";
  AKI_RETURN_IF_ERROR(Require(ObjectIdStart(object.id).has_value(), name, "is not an object id"));
  return Require(IsSha256Hex(object.sha256), name, "has a sha256 that is not 64 hexadecimal digits");
}

void WriteSegment(const SegmentEntry& segment, JsonWriter& w) {
  w.BeginObject();
  WriteObjectFields(segment.object, w);
  w.Key("row_count").Value(segment.row_count);
  w.Key("id_min").Value(segment.id_min);
  w.Key("id_max").Value(segment.id_max);
  w.Key("footer_offset").Value(segment.footer_offset);
  w.Key("footer_bytes").Value(segment.footer_bytes);
  w.Key("lsn_max").Value(segment.lsn_max.value());
  w.Key("index_kind").Value(segment.index_kind);
  w.Key("deletes");
  if (segment.deletes) {
    w.BeginObject();
    WriteObjectFields(*segment.deletes, w);
    w.EndObject();
  } else {
    w.Null();
  }
  w.Key("deleted_count").Value(segment.deleted_count);
  w.EndObject();
}

SegmentEntry ReadSegment(const simdjson::dom::element& json, const std::string& path, Status* status) {
  JsonFields fields(json, path, status);
  SegmentEntry segment;
  segment.object = ReadObjectFields(fields);
  segment.row_count = static_cast<uint32_t>(fields.Uint("row_count", UINT32_MAX));
  segment.id_min = fields.String("id_min", kVectorIdBytesMax);
  segment.id_max = fields.String("id_max", kVectorIdBytesMax);
  segment.footer_offset = fields.Uint("footer_offset");
  segment.footer_bytes = fields.Uint("footer_bytes");
  segment.lsn_max = Lsn(fields.Uint("lsn_max"));
  segment.index_kind = fields.String("index_kind");
  const simdjson::dom::element deletes = fields.Element("deletes");
  if (status->ok() && !deletes.is_null()) {
    JsonFields inner(deletes, path + ".deletes", status);
    segment.deletes = ReadObjectFields(inner);
    inner.End();
  }
  segment.deleted_count = static_cast<uint32_t>(fields.Uint("deleted_count", UINT32_MAX));
  fields.End();
  return segment;
}

Status ValidateSegment(const SegmentEntry& segment) {
  AKI_RETURN_IF_ERROR(ValidateObject(segment.object, "segment"));
  const std::string name = "segment \"" + segment.object.id + "\"";
  AKI_RETURN_IF_ERROR(Require(segment.id_min <= segment.id_max, name, "has id_min after id_max"));
  AKI_RETURN_IF_ERROR(Require(segment.deleted_count <= segment.row_count, name, "has deleted_count above row_count"));
  AKI_RETURN_IF_ERROR(
      Require(segment.deletes || segment.deleted_count == 0, name, "has deleted_count without deletes"));
  return segment.deletes ? ValidateObject(*segment.deletes, "deletion vector") : OkStatus();
}

EpochEntry ReadEpoch(const simdjson::dom::element& json, const std::string& path, Status* status) {
  JsonFields fields(json, path, status);
  EpochEntry entry;
  entry.epoch = Epoch(fields.Uint("epoch"));
  entry.node = fields.String("node");
  entry.watermark = Lsn(fields.Uint("watermark"));
  fields.End();
  return entry;
}

PinEntry ReadPin(const simdjson::dom::element& json, const std::string& path, Status* status) {
  JsonFields fields(json, path, status);
  PinEntry pin;
  pin.kind = fields.String("kind");
  pin.name = fields.String("name");
  pin.version = ManifestVersion(fields.Uint("version"));
  pin.created_at = fields.String("created_at");
  fields.End();
  return pin;
}

Manifest ReadManifest(JsonFields& fields, Status* status) {
  Manifest m;
  m.collection = CollectionId(fields.Uint("collection"));
  m.version = ManifestVersion(fields.Uint("version"));
  m.previous_sha256 = fields.String("previous_sha256");
  m.attempt_id = fields.String("attempt_id");
  m.created_at = fields.String("created_at");
  m.epoch = Epoch(fields.Uint("epoch"));
  fields.Array("open_epochs", kEpochsMax, [&](const simdjson::dom::element& json, const std::string& path) {
    m.open_epochs.push_back(ReadEpoch(json, path, status));
  });
  fields.Array("segments", kManifestSegmentsMax, [&](const simdjson::dom::element& json, const std::string& path) {
    m.segments.push_back(ReadSegment(json, path, status));
  });
  fields.Array("pins", kPinsMax, [&](const simdjson::dom::element& json, const std::string& path) {
    m.pins.push_back(ReadPin(json, path, status));
  });
  m.gc_boundary = ManifestVersion(fields.Uint("gc_boundary"));
  m.revert_generation = fields.Uint("revert_generation");
  m.home = fields.String("home");
  m.dropped = fields.Bool("dropped");
  m.spec = ReadSpec(fields, "spec");
  return m;
}

bool KnownPinKind(std::string_view kind) {
  return kind == "snapshot" || kind == "clone" || kind == "package" || kind == "reader" || kind == "hold";
}

ManifestTombstone ReadTombstone(JsonFields& fields, Status* /*status*/) {
  ManifestTombstone tombstone;
  tombstone.version = ManifestVersion(fields.Uint("version"));
  tombstone.attempt_id = fields.String("attempt_id");
  tombstone.epoch = Epoch(fields.Uint("epoch"));
  tombstone.sha256 = fields.String("sha256");
  return tombstone;
}

}  // namespace

Status Manifest::Validate() const {
  AKI_RETURN_IF_ERROR(ValidatePrevious(version.value(), previous_sha256));
  AKI_RETURN_IF_ERROR(Require(segments.size() <= kManifestSegmentsMax, "segments", "has more than 100,000 items"));
  AKI_RETURN_IF_ERROR(Require(open_epochs.size() <= kEpochsMax, "open_epochs", "has more than 100,000 items"));
  AKI_RETURN_IF_ERROR(Require(pins.size() <= kPinsMax, "pins", "has more than 100,000 items"));
  for (size_t i = 0; i < open_epochs.size(); ++i) {
    AKI_RETURN_IF_ERROR(
        Require(i == 0 || open_epochs[i - 1].epoch < open_epochs[i].epoch, "open_epochs", "is not ascending"));
    AKI_RETURN_IF_ERROR(Require(open_epochs[i].epoch <= epoch, "open_epochs", "has an epoch after the writer's"));
  }
  std::unordered_set<std::string_view> ids;
  for (const SegmentEntry& segment : segments) {
    AKI_RETURN_IF_ERROR(ValidateSegment(segment));
    AKI_RETURN_IF_ERROR(
        Require(ids.insert(segment.object.id).second, "segments", "names " + segment.object.id + " twice"));
  }
  for (const PinEntry& pin : pins) {
    AKI_RETURN_IF_ERROR(Require(KnownPinKind(pin.kind), "pins", "has the unknown kind \"" + pin.kind + "\""));
  }
  const Status spec_status = spec.Validate(FormatLimits());
  return Require(spec_status.ok(), "spec", spec_status.message());
}

std::string EncodeManifest(const Manifest& manifest) {
  AKI_CHECK(manifest.Validate().ok());
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("format").Value(std::string(kFamily) + "/1");
  w.Key("collection").Value(manifest.collection.value());
  w.Key("version").Value(manifest.version.value());
  w.Key("previous_sha256").Value(manifest.previous_sha256);
  w.Key("attempt_id").Value(manifest.attempt_id);
  w.Key("created_at").Value(manifest.created_at);
  w.Key("epoch").Value(manifest.epoch.value());
  w.Key("open_epochs").BeginArray();
  for (const EpochEntry& entry : manifest.open_epochs) {
    w.BeginObject().Key("epoch").Value(entry.epoch.value());
    w.Key("node").Value(entry.node).Key("watermark").Value(entry.watermark.value()).EndObject();
  }
  w.EndArray().Key("segments").BeginArray();
  for (const SegmentEntry& segment : manifest.segments) WriteSegment(segment, w);
  w.EndArray().Key("pins").BeginArray();
  for (const PinEntry& pin : manifest.pins) {
    w.BeginObject().Key("kind").Value(pin.kind).Key("name").Value(pin.name);
    w.Key("version").Value(pin.version.value()).Key("created_at").Value(pin.created_at).EndObject();
  }
  w.EndArray();
  w.Key("gc_boundary").Value(manifest.gc_boundary.value());
  w.Key("revert_generation").Value(manifest.revert_generation);
  w.Key("home").Value(manifest.home);
  w.Key("dropped").Value(manifest.dropped);
  w.Key("spec");
  WriteCollectionSpec(manifest.spec, &w);
  w.EndObject();
  return SealJson(std::move(out));
}

Result<Manifest> DecodeManifest(std::string_view bytes) {
  return DecodeCanonical<Manifest>("manifest", kFamily, bytes, kManifestBytesMax, ReadManifest, EncodeManifest);
}

Status ManifestTombstone::Validate() const {
  AKI_RETURN_IF_ERROR(Require(version.value() >= 1, "version", "is 0; the first is 1"));
  return Require(IsSha256Hex(sha256), "sha256", "is not 64 hexadecimal digits");
}

std::string EncodeManifestTombstone(const ManifestTombstone& tombstone) {
  AKI_CHECK(tombstone.Validate().ok());
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("format").Value(std::string(kTombstoneFamily) + "/1");
  w.Key("version").Value(tombstone.version.value());
  w.Key("attempt_id").Value(tombstone.attempt_id);
  w.Key("epoch").Value(tombstone.epoch.value());
  w.Key("sha256").Value(tombstone.sha256);
  w.EndObject();
  return SealJson(std::move(out));
}

Result<std::optional<ManifestTombstone>> DecodeManifestTombstone(std::string_view bytes) {
  // The seal is checked on the way in both cases, so a prefix is enough to tell them apart.
  const std::string manifest_start = "{\"format\":\"" + std::string(kFamily) + "/";
  if (bytes.starts_with(manifest_start)) {
    AKI_RETURN_IF_ERROR(CheckJsonSeal("manifest", bytes, kManifestBytesMax));
    return std::optional<ManifestTombstone>();
  }
  AKI_ASSIGN_OR_RETURN(ManifestTombstone tombstone,
                       DecodeCanonical<ManifestTombstone>("tombstone", kTombstoneFamily, bytes, kTombstoneBytesMax,
                                                          ReadTombstone, EncodeManifestTombstone));
  return std::optional(std::move(tombstone));
}

}  // namespace akidb
