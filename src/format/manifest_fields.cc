#include "format/manifest_fields.h"

namespace akidb {

Status Require(bool holds, std::string_view field, std::string_view rule) {
  return holds ? OkStatus() : DataLoss(std::string(field) + " " + std::string(rule));
}

bool IsSha256Hex(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Status ValidatePrevious(uint64_t version, std::string_view previous_sha256) {
  AKI_RETURN_IF_ERROR(Require(version >= 1, "version", "is 0; the first is 1"));
  return version == 1
             ? Require(previous_sha256.empty(), "previous_sha256", "is set although version 1 has no predecessor")
             : Require(IsSha256Hex(previous_sha256), "previous_sha256", "is not 64 hexadecimal digits");
}

Limits FormatLimits() {
  Limits limits;
  limits.vector_dim_max = 1u << 20;
  return limits;
}

CollectionSpec ReadSpec(JsonFields& fields, std::string_view key) {
  const simdjson::dom::element element = fields.Element(key);
  if (!fields.ok()) return {};
  Result<CollectionSpec> spec = ParseCollectionSpec(element, FormatLimits());
  if (spec) return std::move(*spec);
  fields.Fail(key, "is wrong: " + std::string(spec.error().message()));
  return {};
}

}  // namespace akidb
