#include "filter/json_fields.h"

#include <algorithm>

#include "base/json_writer.h"

namespace akidb::filter {
namespace {

constexpr size_t kShownBytesMax = 64;

// The value as a message shows it: scalars as JSON, cut when long.
std::string Shown(const JsonElement& json) {
  std::string text;
  std::string_view string;
  if (json.is_array()) return "an array";
  if (json.is_object()) return "an object";
  if (json.get(string)) return simdjson::minify(json);
  AppendJsonString(string.substr(0, kShownBytesMax), &text);
  if (string.size() > kShownBytesMax) text += "...";
  return text;
}

std::string Quoted(std::string_view name) {
  std::string text;
  AppendJsonString(name.substr(0, kShownBytesMax), &text);
  return text;
}

template <class Wanted>
std::string Names(std::span<const Field> fields, Wanted&& wanted) {
  std::string names;
  for (const Field& field : fields) {
    if (wanted(field)) names.append(names.empty() ? "" : ", ").append(field.name);
  }
  return names;
}

bool IsGiven(const Field& field) { return field.value.has_value(); }
bool IsAny(const Field&) { return true; }

}  // namespace

Pointer::Step::Step(Pointer& pointer, std::string_view field) : pointer_(pointer), parent_size_(pointer.text_.size()) {
  pointer_.text_.append("/").append(field);
}

Status Pointer::Error(std::string_view what) const {
  std::string message = text_.empty() ? "filter: " : "filter at " + text_ + ": ";
  message += what;
  return InvalidArgument(std::move(message)).WithReason("invalid_filter");
}

Status Pointer::Expected(std::string_view expected, const JsonElement& got) const {
  return Error("expected " + std::string(expected) + ", got " + Shown(got));
}

Status ReadFields(const JsonElement& json, std::span<Field> fields, const Pointer& at) {
  simdjson::dom::object object;
  if (json.get(object)) return at.Expected("an object", json);
  for (const auto [name, value] : object) {
    const auto field = std::ranges::find(fields, name, &Field::name);
    if (field == fields.end()) {
      return at.Error("unknown field " + Quoted(name) + "; known here: " + Names(fields, IsAny));
    }
    if (field->value) return at.Error("field " + Quoted(name) + " is given twice");
    field->value = value;
  }
  return OkStatus();
}

Result<Field> ExactlyOne(std::span<const Field> fields, const Pointer& at) {
  const auto given = std::ranges::count_if(fields, IsGiven);
  if (given == 1) return *std::ranges::find_if(fields, IsGiven);
  const std::string got = given == 0 ? "none" : Names(fields, IsGiven);
  return std::unexpected(at.Error("give exactly one of " + Names(fields, IsAny) + "; got " + got));
}

Result<JsonElement> Required(const Field& field, const Pointer& at) {
  if (!field.value) return std::unexpected(at.Error("field " + Quoted(field.name) + " is missing"));
  return *field.value;
}

std::optional<Number> AsNumber(const JsonElement& json) {
  switch (json.type()) {
    case simdjson::dom::element_type::INT64: return Number(int64_t{json.get_int64().value_unsafe()});
    case simdjson::dom::element_type::UINT64: return Number(uint64_t{json.get_uint64().value_unsafe()});
    case simdjson::dom::element_type::DOUBLE: return Number(double{json.get_double().value_unsafe()});
    default: return std::nullopt;
  }
}

std::optional<GeoPoint> AsGeoPoint(const JsonElement& json) {
  simdjson::dom::object object;
  GeoPoint point;
  if (json.get(object) || object.at_key("lat").get(point.lat) || object.at_key("lon").get(point.lon) ||
      !point.Valid()) {
    return std::nullopt;
  }
  return point;
}

}  // namespace akidb::filter
