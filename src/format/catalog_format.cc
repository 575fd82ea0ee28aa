#include <unordered_set>

#include "base/check.h"
#include "base/json_writer.h"
#include "format/manifest_fields.h"
#include "format/manifest_format.h"

namespace akidb {
namespace {

constexpr std::string_view kFamily = "akidb.catalog";
constexpr size_t kEntriesMax = 1'000'000;

CatalogEntry ReadEntry(const simdjson::dom::element& json, const std::string& path, Status* status) {
  JsonFields fields(json, path, status);
  CatalogEntry entry;
  entry.id = CollectionId(fields.Uint("id"));
  entry.created_at = fields.String("created_at");
  entry.spec = ReadSpec(fields, "spec");
  fields.End();
  return entry;
}

CatalogVersion ReadCatalog(JsonFields& fields, Status* status) {
  CatalogVersion c;
  c.version = ManifestVersion(fields.Uint("version"));
  c.previous_sha256 = fields.String("previous_sha256");
  c.attempt_id = fields.String("attempt_id");
  c.created_at = fields.String("created_at");
  c.checkpoint = fields.Bool("checkpoint");
  c.last_checkpoint = ManifestVersion(fields.Uint("last_checkpoint"));
  c.next_collection_id = CollectionId(fields.Uint("next_collection_id"));
  fields.Array("put", kEntriesMax, [&](const simdjson::dom::element& json, const std::string& path) {
    c.put.push_back(ReadEntry(json, path, status));
  });
  fields.Array("dropped", kEntriesMax, [&](const simdjson::dom::element& json, const std::string& path) {
    uint64_t id = 0;
    if (json.get_uint64().get(id) != simdjson::SUCCESS) *status = DataLoss(path + " is not an unsigned integer");
    c.dropped.push_back(CollectionId(id));
  });
  return c;
}

}  // namespace

Status CatalogVersion::Validate() const {
  AKI_RETURN_IF_ERROR(ValidatePrevious(version.value(), previous_sha256));
  AKI_RETURN_IF_ERROR(Require(last_checkpoint <= version, "last_checkpoint", "is after the version itself"));
  AKI_RETURN_IF_ERROR(Require(put.size() <= kEntriesMax, "put", "has more than 1,000,000 items"));
  AKI_RETURN_IF_ERROR(Require(dropped.size() <= kEntriesMax, "dropped", "has more than 1,000,000 items"));
  std::unordered_set<CollectionId> ids;
  for (const CatalogEntry& entry : put) {
    const std::string id = std::to_string(entry.id.value());
    AKI_RETURN_IF_ERROR(Require(ids.insert(entry.id).second, "put", "names collection " + id + " twice"));
    AKI_RETURN_IF_ERROR(
        Require(entry.id < next_collection_id, "put", "names collection " + id + ", which was never handed out"));
    const Status spec = entry.spec.Validate(FormatLimits());
    AKI_RETURN_IF_ERROR(Require(spec.ok(), "put.spec", spec.message()));
  }
  for (const CollectionId id : dropped) {
    AKI_RETURN_IF_ERROR(
        Require(ids.insert(id).second, "dropped", "names collection " + std::to_string(id.value()) + " twice"));
  }
  return OkStatus();
}

std::string EncodeCatalogVersion(const CatalogVersion& version) {
  AKI_CHECK(version.Validate().ok());
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("format").Value(std::string(kFamily) + "/1");
  w.Key("version").Value(version.version.value());
  w.Key("previous_sha256").Value(version.previous_sha256);
  w.Key("attempt_id").Value(version.attempt_id);
  w.Key("created_at").Value(version.created_at);
  w.Key("checkpoint").Value(version.checkpoint);
  w.Key("last_checkpoint").Value(version.last_checkpoint.value());
  w.Key("next_collection_id").Value(version.next_collection_id.value());
  w.Key("put").BeginArray();
  for (const CatalogEntry& entry : version.put) {
    w.BeginObject().Key("id").Value(entry.id.value()).Key("created_at").Value(entry.created_at).Key("spec");
    WriteCollectionSpec(entry.spec, &w);
    w.EndObject();
  }
  w.EndArray().Key("dropped").BeginArray();
  for (const CollectionId id : version.dropped) w.Value(id.value());
  w.EndArray().EndObject();
  return SealJson(std::move(out));
}

Result<CatalogVersion> DecodeCatalogVersion(std::string_view bytes) {
  return DecodeCanonical<CatalogVersion>("catalog", kFamily, bytes, kCatalogBytesMax, ReadCatalog,
                                         EncodeCatalogVersion);
}

}  // namespace akidb
