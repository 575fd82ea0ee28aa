#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/json_writer.h"
#include "format/manifest_fields.h"
#include "format/manifest_format.h"

namespace akidb {
namespace {

constexpr std::string_view kCatalogFamily = "akidb.catalog";
constexpr uint32_t kCatalogFormat = 2;
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

std::vector<CollectionId> ReadIds(JsonFields& fields, std::string_view key, Status* status) {
  std::vector<CollectionId> ids;
  fields.Array(key, kEntriesMax, [&](const simdjson::dom::element& json, const std::string& path) {
    uint64_t id = 0;
    if (json.get_uint64().get(id) != simdjson::SUCCESS) *status = DataLoss(path + " is not an unsigned integer");
    ids.push_back(CollectionId(id));
  });
  return ids;
}

CatalogVersion ReadCatalog(JsonFields& fields, uint32_t format, Status* status) {
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
  c.dropped = ReadIds(fields, "dropped", status);
  if (format == 1) return c;
  c.purged = ReadIds(fields, "purged", status);
  fields.Array("aliases_put", kEntriesMax, [&](const simdjson::dom::element& json, const std::string& path) {
    JsonFields inner(json, path, status);
    AliasEntry entry;
    entry.alias = inner.String("alias");
    entry.collection = CollectionId(inner.Uint("collection"));
    inner.End();
    c.aliases_put.push_back(std::move(entry));
  });
  fields.Array("aliases_dropped", kEntriesMax, [&](const simdjson::dom::element& json, const std::string& path) {
    std::string_view alias;
    if (json.get_string().get(alias) != simdjson::SUCCESS) *status = DataLoss(path + " is not a string");
    c.aliases_dropped.emplace_back(alias);
  });
  return c;
}

void WriteIds(std::string_view key, const std::vector<CollectionId>& ids, JsonWriter& w) {
  w.Key(key).BeginArray();
  for (const CollectionId id : ids) w.Value(id.value());
  w.EndArray();
}

std::string WriteCatalog(const CatalogVersion& version, uint32_t format) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("format").Value(std::string(kCatalogFamily) + "/" + std::to_string(format));
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
  w.EndArray();
  WriteIds("dropped", version.dropped, w);
  if (format >= 2) {
    WriteIds("purged", version.purged, w);
    w.Key("aliases_put").BeginArray();
    for (const AliasEntry& entry : version.aliases_put) {
      w.BeginObject().Key("alias").Value(entry.alias).Key("collection").Value(entry.collection.value()).EndObject();
    }
    w.EndArray().Key("aliases_dropped").BeginArray();
    for (const std::string& alias : version.aliases_dropped) w.Value(alias);
    w.EndArray();
  }
  w.EndObject();
  return SealJson(std::move(out));
}

Status ValidateAliases(const CatalogVersion& version) {
  std::unordered_set<std::string_view> names;
  for (const CatalogEntry& entry : version.put) names.insert(entry.spec.name);
  const auto check = [&](std::string_view field, const std::string& alias) -> Status {
    const Status valid = ValidateName("alias", alias);
    AKI_RETURN_IF_ERROR(Require(valid.ok(), field, valid.message()));
    return Require(names.insert(alias).second, field, "names " + alias + ", which is named before");
  };
  for (const AliasEntry& entry : version.aliases_put) {
    AKI_RETURN_IF_ERROR(check("aliases_put", entry.alias));
    AKI_RETURN_IF_ERROR(Require(entry.collection < version.next_collection_id, "aliases_put",
                                "gives " + entry.alias + " to a collection that was never handed out"));
  }
  names.clear();  // an alias may be dropped and its name given to a collection at once
  for (const AliasEntry& entry : version.aliases_put) names.insert(entry.alias);
  for (const std::string& alias : version.aliases_dropped) AKI_RETURN_IF_ERROR(check("aliases_dropped", alias));
  return OkStatus();
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
  for (const auto& [field, list] : {std::pair("dropped", &dropped), std::pair("purged", &purged)}) {
    for (const CollectionId id : *list) {
      AKI_RETURN_IF_ERROR(
          Require(ids.insert(id).second, field, "names collection " + std::to_string(id.value()) + " twice"));
    }
  }
  AKI_RETURN_IF_ERROR(Require(!checkpoint || purged.empty(), "purged", "is set in a checkpoint"));
  AKI_RETURN_IF_ERROR(Require(!checkpoint || aliases_dropped.empty(), "aliases_dropped", "is set in a checkpoint"));
  return ValidateAliases(*this);
}

std::string EncodeCatalogVersion(const CatalogVersion& version) {
  AKI_CHECK(version.Validate().ok());
  return WriteCatalog(version, kCatalogFormat);
}

Result<CatalogVersion> DecodeCatalogVersion(std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(auto decoded, DecodeCanonical<CatalogVersion>("catalog", kCatalogFamily, kCatalogFormat, bytes,
                                                                     kCatalogBytesMax, ReadCatalog, WriteCatalog));
  AKI_RETURN_IF_ERROR(decoded.value.Validate());
  return std::move(decoded.value);
}

}  // namespace akidb
