#include "format/collection_spec.h"

#include <simdjson.h>

#include <array>
#include <cstddef>
#include <optional>
#include <utility>

namespace akidb {
namespace {

constexpr size_t kSchemaBytesMax = 64u << 10;
constexpr uint32_t kGraphDegreeMin = 2;
constexpr uint32_t kGraphDegreeMax = 128;
constexpr uint32_t kEfConstructionMin = 8;
constexpr uint32_t kEfConstructionMax = 4096;

constexpr std::array<std::string_view, 3> kAckNames = {"local", "object", "committed"};
constexpr std::array<std::string_view, 3> kIndexKindNames = {"auto", "flat", "hnsw"};
constexpr std::array<std::string_view, 3> kLayoutNames = {"auto", "fast", "compact"};

Status Wrong(std::string_view field, std::string_view problem) {
  return InvalidArgument(std::string(field) + " " + std::string(problem));
}

Status OutOfBounds(std::string_view field, uint64_t value, uint64_t min, uint64_t max) {
  return Wrong(field,
               "is " + std::to_string(value) + ", must be " + std::to_string(min) + " to " + std::to_string(max));
}

Result<std::string_view> StringOf(std::string_view field, const simdjson::dom::element& value) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return std::unexpected(Wrong(field, "must be a string"));
  return text;
}

Status ReadUint32(std::string_view field, const simdjson::dom::element& value, uint32_t* out) {
  uint64_t number = 0;
  if (value.get_uint64().get(number) != simdjson::SUCCESS) return Wrong(field, "must be an unsigned integer");
  if (number > UINT32_MAX) return OutOfBounds(field, number, 0, UINT32_MAX);
  *out = static_cast<uint32_t>(number);
  return OkStatus();
}

Status UnknownWord(std::string_view field, std::string_view word, const std::string& known) {
  return Wrong(field, "is \"" + std::string(word.substr(0, 64)) + "\", must be one of " + known);
}

// Words whose position is the enumerator's number.
template <class Enum>
Status ReadEnum(std::string_view field, const simdjson::dom::element& value,
                const std::array<std::string_view, 3>& names, Enum* out) {
  AKI_ASSIGN_OR_RETURN(const std::string_view word, StringOf(field, value));
  std::string known;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == word) {
      *out = static_cast<Enum>(i);
      return OkStatus();
    }
    known += (i == 0 ? "\"" : ", \"") + std::string(names[i]) + "\"";
  }
  return UnknownWord(field, word, known);
}

template <class Enum>
std::string_view NameIn(const std::array<std::string_view, 3>& names, Enum value) {
  const auto index = static_cast<size_t>(value);
  return index < names.size() ? names[index] : "unknown";
}

Status ReadVectorType(const simdjson::dom::element& value, VectorType* out) {
  AKI_ASSIGN_OR_RETURN(const std::string_view word, StringOf("vector_type", value));
  const std::optional<VectorType> type = ParseVectorType(word);
  if (!type) return UnknownWord("vector_type", word, R"("f32", "f16", "int8")");
  *out = *type;
  return OkStatus();
}

Status ReadDistance(const simdjson::dom::element& value, Distance* out) {
  AKI_ASSIGN_OR_RETURN(const std::string_view word, StringOf("distance", value));
  const std::optional<Distance> distance = ParseDistance(word);
  if (!distance) return UnknownWord("distance", word, R"("Cosine", "Euclidean", "DotProduct")");
  *out = *distance;
  return OkStatus();
}

// Walks an object's fields; a field given twice is refused, because readers disagree on which one counts.
template <class F>
Status ForEachField(std::string_view what, const simdjson::dom::element& json, F read) {
  simdjson::dom::object object;
  if (json.get_object().get(object) != simdjson::SUCCESS) return Wrong(what, "must be a JSON object");
  std::array<std::string_view, 16> seen;
  size_t seen_count = 0;
  for (const auto [key, value] : object) {
    for (size_t i = 0; i < seen_count; ++i) {
      if (seen[i] == key) return Wrong(key, "is given twice");
    }
    AKI_RETURN_IF_ERROR(read(key, value));
    if (seen_count < seen.size()) seen[seen_count++] = key;
  }
  return OkStatus();
}

Status UnknownField(std::string_view field, std::string_view known) {
  return Wrong(field.substr(0, 64), "is not a known field; known are " + std::string(known))
      .WithReason("unknown_field");
}

Status ReadIndex(const simdjson::dom::element& json, IndexSpec* index) {
  return ForEachField("index", json, [index](std::string_view key, const simdjson::dom::element& value) -> Status {
    if (key == "kind") return ReadEnum("index.kind", value, kIndexKindNames, &index->kind);
    if (key == "m") return ReadUint32("index.m", value, &index->m);
    if (key == "ef_construction") return ReadUint32("index.ef_construction", value, &index->ef_construction);
    if (key == "layout") return ReadEnum("index.layout", value, kLayoutNames, &index->layout);
    return UnknownField("index." + std::string(key), "kind, m, ef_construction, layout");
  });
}

Status ReadSchema(const simdjson::dom::element& value, std::string* out) {
  if (!value.is_object()) return Wrong("schema", "must be a JSON object");
  *out = simdjson::minify(value);
  return OkStatus();
}

Status ReadRecall(const simdjson::dom::element& value, double* out) {
  if (value.get_double().get(*out) != simdjson::SUCCESS) return Wrong("recall", "must be a number");
  return OkStatus();
}

// The schema goes into canonical JSON as it is, so it must be an object in the one compact spelling.
Status ValidateSchema(const std::string& schema) {
  if (schema.size() > kSchemaBytesMax) {
    return Wrong("schema",
                 "has " + std::to_string(schema.size()) + " bytes, the limit is " + std::to_string(kSchemaBytesMax));
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(schema).get(root) != simdjson::SUCCESS || !root.is_object()) {
    return Wrong("schema", "must be a JSON object");
  }
  return simdjson::minify(root) == schema ? OkStatus() : Wrong("schema", "must be compact JSON");
}

constexpr bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

std::string_view AckLevelName(AckLevel level) { return NameIn(kAckNames, level); }

Status ValidateName(std::string_view what, std::string_view name) {
  constexpr size_t kNameBytesMax = 255;
  if (name.empty()) return Wrong(what, "is empty");
  if (name.size() > kNameBytesMax) {
    return Wrong(what, "has " + std::to_string(name.size()) + " bytes, the limit is " + std::to_string(kNameBytesMax));
  }
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!IsAlphanumeric(c) && (i == 0 || (c != '_' && c != '.' && c != '-'))) {
      return Wrong(what, "must match [A-Za-z0-9][A-Za-z0-9_.-]{0,254}");
    }
  }
  return OkStatus();
}

Status CollectionSpec::Validate(const Limits& limits) const {
  AKI_RETURN_IF_ERROR(ValidateName("name", name));
  if (name.size() > limits.collection_name_bytes_max) {
    return OutOfBounds("length of name", name.size(), 1, limits.collection_name_bytes_max);
  }
  if (dim < 1 || dim > limits.vector_dim_max) return OutOfBounds("vector_dim", dim, 1, limits.vector_dim_max);
  if (!(recall > 0 && recall <= 1))
    return Wrong("recall", "is " + std::to_string(recall) + ", must be above 0, at most 1");
  if (index.m < kGraphDegreeMin || index.m > kGraphDegreeMax) {
    return OutOfBounds("index.m", index.m, kGraphDegreeMin, kGraphDegreeMax);
  }
  if (index.ef_construction < kEfConstructionMin || index.ef_construction > kEfConstructionMax) {
    return OutOfBounds("index.ef_construction", index.ef_construction, kEfConstructionMin, kEfConstructionMax);
  }
  return ValidateSchema(schema_json);
}

Result<CollectionSpec> ParseCollectionSpec(const simdjson::dom::element& json, const Limits& limits) {
  CollectionSpec spec;
  bool has_name = false;
  bool has_dim = false;
  bool has_distance = false;
  AKI_RETURN_IF_ERROR(
      ForEachField("collection", json, [&](std::string_view key, const simdjson::dom::element& value) -> Status {
        if (key == "name") {
          AKI_ASSIGN_OR_RETURN(spec.name, StringOf(key, value));
          has_name = true;
          return OkStatus();
        }
        if (key == "vector_dim") {
          has_dim = true;
          return ReadUint32(key, value, &spec.dim);
        }
        if (key == "distance") {
          has_distance = true;
          return ReadDistance(value, &spec.distance);
        }
        if (key == "vector_type") return ReadVectorType(value, &spec.vector_type);
        if (key == "ack") return ReadEnum(key, value, kAckNames, &spec.ack);
        if (key == "index") return ReadIndex(value, &spec.index);
        if (key == "recall") return ReadRecall(value, &spec.recall);
        if (key == "schema") return ReadSchema(value, &spec.schema_json);
        return UnknownField(key, "name, vector_dim, distance, vector_type, ack, index, recall, schema");
      }));
  if (!has_name) return std::unexpected(Wrong("name", "is required"));
  if (!has_dim) return std::unexpected(Wrong("vector_dim", "is required"));
  if (!has_distance) return std::unexpected(Wrong("distance", "is required"));
  AKI_RETURN_IF_ERROR(spec.Validate(limits));
  return spec;
}

void WriteCollectionSpec(const CollectionSpec& spec, JsonWriter* writer) {
  JsonWriter& w = *writer;
  w.BeginObject();
  w.Key("name").Value(spec.name);
  w.Key("vector_dim").Value(spec.dim);
  w.Key("distance").Value(DistanceName(spec.distance));
  w.Key("vector_type").Value(VectorTypeName(spec.vector_type));
  w.Key("ack").Value(AckLevelName(spec.ack));
  w.Key("index").BeginObject();
  w.Key("kind").Value(NameIn(kIndexKindNames, spec.index.kind));
  w.Key("m").Value(spec.index.m);
  w.Key("ef_construction").Value(spec.index.ef_construction);
  w.Key("layout").Value(NameIn(kLayoutNames, spec.index.layout));
  w.EndObject();
  w.Key("recall").Value(spec.recall);
  w.Key("schema").Raw(spec.schema_json);
  w.EndObject();
}

}  // namespace akidb
