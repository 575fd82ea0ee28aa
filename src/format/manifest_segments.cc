#include "format/manifest_segments.h"

#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr size_t kVectorIdBytesMax = UINT16_MAX;
constexpr uint32_t kNewest = 3;

void WriteObjectFields(const ObjectRef& object, uint32_t format, JsonWriter& w) {
  w.Key("id").Value(object.id);
  if (format >= 2) w.Key("owner").Value(object.owner.value());
  w.Key("sha256").Value(object.sha256);
  w.Key("version_id").Value(object.version_id);
  w.Key("size_bytes").Value(object.size_bytes);
}

ObjectRef ReadObjectFields(JsonFields& fields, uint32_t format) {
  ObjectRef object;
  object.id = fields.String("id");
  if (format >= 2) object.owner = CollectionId(fields.Uint("owner"));
  object.sha256 = fields.String("sha256");
  object.version_id = fields.String("version_id");
  object.size_bytes = fields.Uint("size_bytes");
  return object;
}

void WriteSegment(const SegmentEntry& segment, uint32_t format, JsonWriter& w) {
  w.BeginObject();
  WriteObjectFields(segment.object, format, w);
  w.Key("row_count").Value(segment.row_count);
  w.Key("id_min").Value(segment.id_min);
  w.Key("id_max").Value(segment.id_max);
  w.Key("footer_offset").Value(segment.footer_offset);
  w.Key("footer_bytes").Value(segment.footer_bytes);
  w.Key("lsn_max").Value(segment.lsn_max.value());
  w.Key("index_kind").Value(segment.index_kind);
  if (format >= 3) {
    w.Key("index");
    WriteObjectOrNull(segment.index, format, w);
  }
  w.Key("deletes");
  WriteObjectOrNull(segment.deletes, format, w);
  w.Key("deleted_count").Value(segment.deleted_count);
  w.EndObject();
}

SegmentEntry ReadSegment(const simdjson::dom::element& json, const std::string& path, uint32_t format, Status* status) {
  JsonFields fields(json, path, status);
  SegmentEntry segment;
  segment.object = ReadObjectFields(fields, format);
  segment.row_count = static_cast<uint32_t>(fields.Uint("row_count", UINT32_MAX));
  segment.id_min = fields.String("id_min", kVectorIdBytesMax);
  segment.id_max = fields.String("id_max", kVectorIdBytesMax);
  segment.footer_offset = fields.Uint("footer_offset");
  segment.footer_bytes = fields.Uint("footer_bytes");
  segment.lsn_max = Lsn(fields.Uint("lsn_max"));
  segment.index_kind = fields.String("index_kind");
  if (format >= 3) segment.index = ReadObjectOrNull(fields, "index", path, format, status);
  segment.deletes = ReadObjectOrNull(fields, "deletes", path, format, status);
  segment.deleted_count = static_cast<uint32_t>(fields.Uint("deleted_count", UINT32_MAX));
  fields.End();
  return segment;
}

Status ValidateSegment(CollectionId own, const SegmentEntry& segment) {
  AKI_RETURN_IF_ERROR(ValidateObject(own, segment.object, "segment"));
  const auto require = [&](bool holds, std::string_view rule) {
    return holds ? OkStatus() : Require(false, "segment \"" + segment.object.id + "\"", rule);
  };
  AKI_RETURN_IF_ERROR(require(segment.id_min <= segment.id_max, "has id_min after id_max"));
  AKI_RETURN_IF_ERROR(require(segment.deleted_count <= segment.row_count, "has deleted_count above row_count"));
  AKI_RETURN_IF_ERROR(require(segment.deletes || segment.deleted_count == 0, "has deleted_count without deletes"));
  AKI_RETURN_IF_ERROR(require(!segment.index || segment.index_kind != "flat", "has an index of the kind flat"));
  if (segment.index) AKI_RETURN_IF_ERROR(ValidateObject(own, *segment.index, "index"));
  return segment.deletes ? ValidateObject(own, *segment.deletes, "deletion vector") : OkStatus();
}

}  // namespace

void WriteObjectRef(const ObjectRef& object, uint32_t format, JsonWriter& w) {
  w.BeginObject();
  WriteObjectFields(object, format, w);
  w.EndObject();
}

void WriteObjectOrNull(const std::optional<ObjectRef>& object, uint32_t format, JsonWriter& w) {
  if (object) {
    WriteObjectRef(*object, format, w);
  } else {
    w.Null();
  }
}

std::optional<ObjectRef> ReadObjectOrNull(JsonFields& fields, std::string_view key, const std::string& path,
                                          uint32_t format, Status* status) {
  const simdjson::dom::element json = fields.Element(key);
  if (!status->ok() || json.is_null()) return std::nullopt;
  JsonFields inner(json, path + "." + std::string(key), status);
  ObjectRef object = ReadObjectFields(inner, format);
  inner.End();
  return object;
}

Status ValidateObject(CollectionId own, const ObjectRef& object, std::string_view what) {
  const auto require = [&](bool holds, std::string_view rule) {
    return holds ? OkStatus() : Require(false, std::string(what) + " \"" + object.id + "\"", rule);
  };
  AKI_RETURN_IF_ERROR(require(ObjectIdStart(object.id).has_value(), "is not an object id"));
  AKI_RETURN_IF_ERROR(require(object.owner.value() == 0 || object.owner != own, "names its own collection as owner"));
  return require(IsSha256Hex(object.sha256), "has a sha256 that is not 64 hexadecimal digits");
}

uint64_t EntryBytes(const SegmentEntry& segment) {
  std::string out;
  JsonWriter w(&out);
  WriteSegment(segment, kNewest, w);
  return out.size() + 1;
}

void WriteSegments(const std::vector<SegmentEntry>& segments, uint32_t format, JsonWriter& w) {
  w.Key("segments").BeginArray();
  for (const SegmentEntry& segment : segments) WriteSegment(segment, format, w);
  w.EndArray();
}

std::vector<SegmentEntry> ReadSegments(JsonFields& fields, uint32_t format, Status* status) {
  std::vector<SegmentEntry> segments;
  fields.Array("segments", kManifestSegmentsMax, [&](const simdjson::dom::element& json, const std::string& path) {
    segments.push_back(ReadSegment(json, path, format, status));
  });
  return segments;
}

Status ValidateSegments(CollectionId own, const std::vector<SegmentEntry>& segments) {
  AKI_RETURN_IF_ERROR(Require(segments.size() <= kManifestSegmentsMax, "segments", "has more than 100,000 items"));
  for (size_t i = 0; i < segments.size(); ++i) {
    AKI_RETURN_IF_ERROR(ValidateSegment(own, segments[i]));
    if (i == 0 || segments[i - 1].object.id < segments[i].object.id) continue;
    const std::string& id = segments[i].object.id;
    return Require(false, "segments",
                   segments[i - 1].object.id == id ? "names " + id + " twice" : "is not ascending at " + id);
  }
  return OkStatus();
}

}  // namespace akidb
