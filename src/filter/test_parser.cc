#include "filter/test_parser.h"

#include <array>

#include "filter/words.h"

namespace akidb::filter {
namespace {

using Step = Pointer::Step;
using Bounds = std::span<const Field, 4>;  // gt, gte, lt, lte

std::optional<Instant> AsInstant(const JsonElement& json) {
  std::string_view text;
  if (json.get(text)) return std::nullopt;
  return ParseInstant(text);
}

std::optional<uint64_t> AsCount(const JsonElement& json) {
  uint64_t count = 0;
  if (json.get(count)) return std::nullopt;
  return count;
}

// The side of a range that `exclusive` and `inclusive` name, as `read` reads it.
template <class T, class Read>
Status ReadSide(const Field& exclusive, const Field& inclusive, Read&& read, std::string_view expected,
                std::optional<Bound<T>>* side, ParseState& state) {
  if (exclusive.value && inclusive.value) {
    return state.at.Error("give " + std::string(exclusive.name) + " or " + std::string(inclusive.name) + ", not both");
  }
  const Field& field = exclusive.value ? exclusive : inclusive;
  if (!field.value) return OkStatus();
  const Step step(state.at, field.name);
  const std::optional<T> value = read(*field.value);
  if (!value) return state.at.Expected(expected, *field.value);
  *side = Bound<T>{.value = *value, .inclusive = &field == &inclusive};
  return OkStatus();
}

template <class T, class Read>
Result<Range<T>> ReadRange(Bounds bounds, Read&& read, std::string_view expected, ParseState& state) {
  Range<T> range;
  AKI_RETURN_IF_ERROR(ReadSide(bounds[0], bounds[1], read, expected, &range.low, state));
  AKI_RETURN_IF_ERROR(ReadSide(bounds[2], bounds[3], read, expected, &range.high, state));
  if (!range.low && !range.high) return std::unexpected(state.at.Error("give at least one of gt, gte, lt, lte"));
  return range;
}

// The first bound decides whether numbers or times are compared.
Result<ValueTest> NumberOrTimeRange(Bounds bounds, ParseState& state) {
  for (const Field& bound : bounds) {
    if (!bound.value || !bound.value->is_string()) continue;
    return ReadRange<Instant>(bounds, AsInstant, "an RFC 3339 time such as \"2024-05-01T10:00:00Z\"", state);
  }
  return ReadRange<Number>(bounds, AsNumber, "a number, or an RFC 3339 time as text", state);
}

Result<ValueTest> ParseRange(const JsonElement& json, ParseState& state) {
  std::array<Field, 4> bounds = {{{"gt"}, {"gte"}, {"lt"}, {"lte"}}};
  AKI_RETURN_IF_ERROR(ReadFields(json, bounds, state.at));
  return NumberOrTimeRange(bounds, state);
}

Status AddScalar(const JsonElement& json, OneOf* set, ParseState& state) {
  AKI_RETURN_IF_ERROR(state.CountValues(1));
  std::string_view string;
  bool boolean = false;
  if (!json.get(string)) {
    set->strings.emplace_back(string);
  } else if (!json.get(boolean)) {
    (boolean ? set->has_true : set->has_false) = true;
  } else if (const std::optional<Number> number = AsNumber(json)) {
    set->numbers.push_back(*number);
  } else if (json.is_null()) {
    return state.at.Error("null is no value to match; use is_null or is_empty");
  } else {
    return state.at.Expected("a string, number or boolean", json);
  }
  return OkStatus();
}

Result<ValueTest> OneScalar(const JsonElement& json, ParseState& state) {
  OneOf set;
  AKI_RETURN_IF_ERROR(AddScalar(json, &set, state));
  return set;
}

Result<ValueTest> ScalarList(const JsonElement& json, bool except, ParseState& state) {
  simdjson::dom::array array;
  if (json.get(array)) return std::unexpected(state.at.Expected("an array", json));
  OneOf set;
  set.except = except;
  size_t index = 0;
  for (const JsonElement item : array) {
    const Step step(state.at, index++);
    AKI_RETURN_IF_ERROR(AddScalar(item, &set, state));
  }
  return set;
}

Result<ValueTest> ParseText(const JsonElement& json, ParseState& state) {
  std::string_view text;
  if (json.get(text)) return std::unexpected(state.at.Expected("a string", json));
  HasWords test{.words = FoldedWords(text)};
  if (test.words.empty()) return std::unexpected(state.at.Expected("at least one word", json));
  if (test.words.size() > kWordsMax) {
    return std::unexpected(state.LimitError("number of words", test.words.size(), "filter_text_words_max", kWordsMax));
  }
  AKI_RETURN_IF_ERROR(state.CountValues(test.words.size()));
  return test;
}

Result<ValueTest> ParseMatch(const JsonElement& json, ParseState& state) {
  std::array<Field, 5> fields = {{{"value"}, {"any"}, {"except"}, {"text"}, {"prefix"}}};
  AKI_RETURN_IF_ERROR(ReadFields(json, fields, state.at));
  AKI_ASSIGN_OR_RETURN(const Field field, ExactlyOne(fields, state.at));
  const Step step(state.at, field.name);
  if (field.name == "value") return OneScalar(*field.value, state);
  if (field.name == "any") return ScalarList(*field.value, false, state);
  if (field.name == "except") return ScalarList(*field.value, true, state);
  if (field.name == "text") return ParseText(*field.value, state);
  std::string_view prefix;
  if (field.value->get(prefix)) return std::unexpected(state.at.Expected("a string", *field.value));
  return HasPrefix{.prefix = std::string(prefix)};
}

// {"value": x}, or an operator as in {"value": {"gt": 1}}.
Result<ValueTest> ParseShortForm(const JsonElement& json, ParseState& state) {
  if (!json.is_object()) return OneScalar(json, state);
  std::array<Field, 6> fields = {{{"gt"}, {"gte"}, {"lt"}, {"lte"}, {"in"}, {"contains"}}};
  AKI_RETURN_IF_ERROR(ReadFields(json, fields, state.at));
  if (!fields[4].value && !fields[5].value) return NumberOrTimeRange(Bounds(fields.data(), 4), state);
  AKI_ASSIGN_OR_RETURN(const Field field, ExactlyOne(fields, state.at));
  const Step step(state.at, field.name);
  return field.name == "in" ? ScalarList(*field.value, false, state) : OneScalar(*field.value, state);
}

Result<GeoPoint> ParsePoint(const Field& field, ParseState& state) {
  AKI_ASSIGN_OR_RETURN(const JsonElement json, Required(field, state.at));
  const Step step(state.at, field.name);
  std::array<Field, 2> fields = {{{"lat"}, {"lon"}}};
  AKI_RETURN_IF_ERROR(ReadFields(json, fields, state.at));
  for (const Field& part : fields) {
    AKI_ASSIGN_OR_RETURN(const JsonElement degrees, Required(part, state.at));
    const double max = part.name == "lat" ? 90 : 180;
    double value = 0;
    if (degrees.get(value) || value < -max || value > max) {
      const Step part_step(state.at, part.name);
      return std::unexpected(state.at.Expected(max == 90 ? "degrees in [-90, 90]" : "degrees in [-180, 180]", degrees));
    }
  }
  return *AsGeoPoint(json);
}

Result<ValueTest> ParseCircle(const JsonElement& json, ParseState& state) {
  std::array<Field, 3> fields = {{{"radius_m"}, {"radius"}, {"center"}}};
  AKI_RETURN_IF_ERROR(ReadFields(json, fields, state.at));
  GeoCircle circle;
  AKI_ASSIGN_OR_RETURN(circle.center, ParsePoint(fields[2], state));
  AKI_ASSIGN_OR_RETURN(const Field radius, ExactlyOne(std::span(fields).first(2), state.at));
  const Step step(state.at, radius.name);
  if (radius.value->get(circle.radius_m) || circle.radius_m < 0) {
    return std::unexpected(state.at.Expected("metres, at least 0", *radius.value));
  }
  return circle;
}

Result<ValueTest> ParseBox(const JsonElement& json, ParseState& state) {
  std::array<Field, 2> fields = {{{"top_left"}, {"bottom_right"}}};
  AKI_RETURN_IF_ERROR(ReadFields(json, fields, state.at));
  GeoBox box;
  AKI_ASSIGN_OR_RETURN(box.top_left, ParsePoint(fields[0], state));
  AKI_ASSIGN_OR_RETURN(box.bottom_right, ParsePoint(fields[1], state));
  if (box.top_left.lat < box.bottom_right.lat) {
    return std::unexpected(state.at.Error("top_left/lat is south of bottom_right/lat"));
  }
  return box;
}

}  // namespace

Status ParseState::LimitError(std::string_view what, size_t value, std::string_view limit_name, size_t limit) const {
  std::string message(what);
  message.append(" ").append(std::to_string(value)).append(" is beyond ");
  message.append(limit_name).append(" = ").append(std::to_string(limit));
  return at.Error(message);
}

Status ParseState::CountValues(size_t count) {
  values += count;
  if (values <= limits.filter_values_max) return OkStatus();
  return LimitError("number of values", values, "filter_values_max", limits.filter_values_max);
}

Result<ValueTest> ParseTest(const Field& test, ParseState& state) {
  const Step step(state.at, test.name);
  if (test.name == "match") return ParseMatch(*test.value, state);
  if (test.name == "range") return ParseRange(*test.value, state);
  if (test.name == "value") return ParseShortForm(*test.value, state);
  if (test.name == "in") return ScalarList(*test.value, false, state);
  if (test.name == "contains") return OneScalar(*test.value, state);
  if (test.name == "geo_radius") return ParseCircle(*test.value, state);
  return ParseBox(*test.value, state);
}

Result<ValuesCount> ParseValuesCount(const JsonElement& json, ParseState& state) {
  const Step step(state.at, "values_count");
  std::array<Field, 4> bounds = {{{"gt"}, {"gte"}, {"lt"}, {"lte"}}};
  AKI_RETURN_IF_ERROR(ReadFields(json, bounds, state.at));
  AKI_ASSIGN_OR_RETURN(const Range<uint64_t> range,
                       ReadRange<uint64_t>(bounds, AsCount, "a whole number, at least 0", state));
  ValuesCount count;
  if (range.low) count.min = range.low->value;
  if (range.high) count.max = range.high->value;
  const bool below_zero = range.high && !range.high->inclusive && count.max == 0;
  const bool above_all = range.low && !range.low->inclusive && count.min == std::numeric_limits<uint64_t>::max();
  if (below_zero || above_all) return ValuesCount{.path = {}, .min = 1, .max = 0};
  if (range.low && !range.low->inclusive) ++count.min;
  if (range.high && !range.high->inclusive) --count.max;
  return count;
}

Result<HasId> ParseHasId(const JsonElement& json, ParseState& state) {
  const Step step(state.at, "has_id");
  simdjson::dom::array array;
  if (json.get(array)) return std::unexpected(state.at.Expected("an array", json));
  HasId leaf;
  size_t index = 0;
  for (const JsonElement item : array) {
    const Step item_step(state.at, index++);
    AKI_RETURN_IF_ERROR(state.CountValues(1));
    std::string_view string;
    if (!item.get(string)) {
      leaf.ids.emplace_back(string);
    } else if (item.is_int64() || item.is_uint64()) {
      leaf.ids.push_back(simdjson::minify(item));
    } else {
      return std::unexpected(state.at.Expected("a string or an integer", item));
    }
  }
  return leaf;
}

}  // namespace akidb::filter
