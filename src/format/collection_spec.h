// What a user chose for a collection. It lies in the catalog and in every manifest of the collection.
//
// Threads: value.
// Errors:  ParseCollectionSpec: kInvalidArgument naming the field; Validate likewise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/status.h"
#include "base/vector_types.h"

namespace simdjson::dom {
class element;
}

namespace akidb {

enum class AckLevel : uint8_t { kLocal, kObject, kCommitted };
enum class IndexKind : uint8_t { kAuto, kFlat, kHnsw };
enum class IndexLayout : uint8_t { kAuto, kFast, kCompact };

struct IndexSpec {
  IndexKind kind = IndexKind::kAuto;
  uint32_t m = 16;
  uint32_t ef_construction = 200;
  IndexLayout layout = IndexLayout::kAuto;

  bool operator==(const IndexSpec&) const = default;
};

struct CollectionSpec {
  std::string name;
  uint32_t dim = 0;
  Distance distance = Distance::kCosine;
  VectorType vector_type = VectorType::kF32;
  AckLevel ack = AckLevel::kLocal;
  IndexSpec index;
  double recall = 0.95;
  std::string schema_json = "{}";  // declared payload fields, compact JSON object

  Status Validate(const Limits& limits) const;
  bool operator==(const CollectionSpec&) const = default;
};

// [A-Za-z0-9][A-Za-z0-9_.-]{0,254}: the one check between a user's string and anything that becomes a path or key.
Status ValidateName(std::string_view what, std::string_view name);

// The JSON of POST /collections: "name", "vector_dim", "distance" required, unknown fields refused, defaults as in
// docs/guide/collections.md.
Result<CollectionSpec> ParseCollectionSpec(const simdjson::dom::element& json, const Limits& limits);
// The same fields, all of them, in a fixed order.
void WriteCollectionSpec(const CollectionSpec& spec, JsonWriter* writer);

std::string_view AckLevelName(AckLevel level);  // "local" "object" "committed"

}  // namespace akidb
