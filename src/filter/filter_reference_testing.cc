#include "filter/filter_reference_testing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <set>

#include "base/json_writer.h"

namespace akidb::reference {
namespace {

static_assert(std::numeric_limits<long double>::digits >= 64, "every 64-bit integer must be exact");

using Kind = Json::Kind;

std::vector<std::string> SplitPath(const std::string& path) {
  std::vector<std::string> parts = {""};
  bool escaped = false;
  for (const char c : path) {
    if (!escaped && c == '\\') {
      escaped = true;
    } else if (!escaped && c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
      escaped = false;
    }
  }
  return parts;
}

// Replaces each array by its elements, until none is left.
std::vector<const Json*> Unpack(std::vector<const Json*> values) {
  for (size_t i = 0; i < values.size();) {
    if (values[i]->kind != Kind::kArray) {
      ++i;
      continue;
    }
    const Json* array = values[i];
    values.erase(values.begin() + static_cast<std::ptrdiff_t>(i));
    for (const Json& item : array->items) values.push_back(&item);
  }
  return values;
}

// All values at `path`; arrays at its end are left as they are.
std::vector<const Json*> ValuesAt(const std::string& path, const Json& root) {
  std::vector<const Json*> current = {&root};
  for (const std::string& part : SplitPath(path)) {
    std::vector<const Json*> next;
    for (const Json* value : Unpack(current)) {
      if (const Json* member = value->Find(part)) next.push_back(member);
    }
    current = next;
  }
  return current;
}

long double ToNumber(const Json& json) {
  const bool integer = json.text.find_first_of(".eE") == std::string::npos;
  // A number with a point or exponent is the nearest double, not the nearest long double.
  return integer ? std::strtold(json.text.c_str(), nullptr)
                 : static_cast<long double>(std::strtod(json.text.c_str(), nullptr));
}

// Seconds since 1970; the generator writes no invalid times except words.
bool ToTime(const Json& json, long double* seconds) {
  if (json.kind != Kind::kString) return false;
  std::tm tm{};
  double second = 0;
  char sign = 'Z';
  int zone_hours = 0;
  int zone_minutes = 0;
  const int got = std::sscanf(json.text.c_str(), "%4d-%2d-%2dT%2d:%2d:%lf%c%2d:%2d", &tm.tm_year, &tm.tm_mon,
                              &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &second, &sign, &zone_hours, &zone_minutes);
  if (got != 3 && got != 7 && got != 9) return false;
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  const long double offset = (zone_hours * 60 + zone_minutes) * 60 * (sign == '-' ? -1 : 1);
  *seconds = static_cast<long double>(timegm(&tm)) + static_cast<long double>(second) - offset;
  return true;
}

bool Equal(const Json& a, const Json& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kBool: return a.boolean == b.boolean;
    case Kind::kNumber: return ToNumber(a) == ToNumber(b);
    case Kind::kString: return a.text == b.text;
    default: return false;
  }
}

bool InRange(const Json& bounds, const Json& value) {
  for (const auto& [name, bound] : bounds.fields) {
    long double limit = 0;
    long double number = 0;
    if (bound.kind == Kind::kNumber) {
      if (value.kind != Kind::kNumber) return false;
      limit = ToNumber(bound);
      number = ToNumber(value);
    } else if (!ToTime(bound, &limit) || !ToTime(value, &number)) {
      return false;
    }
    if (name == "gt" && !(number > limit)) return false;
    if (name == "gte" && !(number >= limit)) return false;
    if (name == "lt" && !(number < limit)) return false;
    if (name == "lte" && !(number <= limit)) return false;
  }
  return true;
}

// ASCII only: the generator writes no other text into fields it searches for words.
std::set<std::string> Words(const std::string& text) {
  std::set<std::string> words;
  std::string word;
  for (const char c : text + " ") {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!word.empty()) {
      words.insert(word);
      word.clear();
    }
  }
  return words;
}

bool ToPoint(const Json& json, double* lat, double* lon) {
  const Json* a = json.Find("lat");
  const Json* b = json.Find("lon");
  if (!a || !b || a->kind != Kind::kNumber || b->kind != Kind::kNumber) return false;
  *lat = static_cast<double>(ToNumber(*a));
  *lon = static_cast<double>(ToNumber(*b));
  return std::abs(*lat) <= 90 && std::abs(*lon) <= 180;
}

// By the angle between two vectors, unlike the evaluator's haversine.
double DistanceM(double lat1, double lon1, double lat2, double lon2) {
  const double r = std::acos(-1.0) / 180;
  const double dot =
      std::cos(lat1 * r) * std::cos(lat2 * r) * std::cos((lon1 - lon2) * r) + std::sin(lat1 * r) * std::sin(lat2 * r);
  return 6371008.8 * std::acos(std::clamp(dot, -1.0, 1.0));
}

bool InCircle(const Json& circle, const Json& value) {
  double center_lat = 0;
  double center_lon = 0;
  double lat = 0;
  double lon = 0;
  const Json* radius = circle.Find("radius_m") ? circle.Find("radius_m") : circle.Find("radius");
  return ToPoint(*circle.Find("center"), &center_lat, &center_lon) && ToPoint(value, &lat, &lon) &&
         DistanceM(center_lat, center_lon, lat, lon) <= static_cast<double>(ToNumber(*radius));
}

bool InBox(const Json& box, const Json& value) {
  double top = 0;
  double left = 0;
  double bottom = 0;
  double right = 0;
  double lat = 0;
  double lon = 0;
  if (!ToPoint(*box.Find("top_left"), &top, &left) || !ToPoint(*box.Find("bottom_right"), &bottom, &right))
    return false;
  if (!ToPoint(value, &lat, &lon) || lat > top || lat < bottom) return false;
  // Walk east from the left edge: the point comes before the right edge.
  const double width = right >= left ? right - left : right - left + 360;
  for (const double turn : {-360.0, 0.0, 360.0}) {
    if (lon + turn >= left && lon + turn <= left + width) return true;
  }
  return false;
}

bool Passes(const std::string& test, const Json& argument, const Json& value) {
  const bool scalar = value.kind == Kind::kBool || value.kind == Kind::kNumber || value.kind == Kind::kString;
  const auto equals_value = [&value](const Json& item) { return Equal(item, value); };
  if (test == "match" || (test == "value" && argument.kind == Kind::kObject && argument.fields.size() == 1 &&
                          (argument.Find("in") || argument.Find("contains")))) {
    return Passes(argument.fields[0].name, argument.fields[0].value, value);
  }
  if (test == "range" || (test == "value" && argument.kind == Kind::kObject)) return InRange(argument, value);
  if (test == "value" || test == "contains") return Equal(argument, value);
  if (test == "any" || test == "in") return std::ranges::any_of(argument.items, equals_value);
  if (test == "except") return scalar && std::ranges::none_of(argument.items, equals_value);
  if (test == "text")
    return value.kind == Kind::kString && std::ranges::includes(Words(value.text), Words(argument.text));
  if (test == "prefix")
    return value.kind == Kind::kString && value.text.compare(0, argument.text.size(), argument.text) == 0;
  if (test == "is_null") return value.kind == Kind::kNull;
  if (test == "geo_radius") return InCircle(argument, value);
  if (test == "geo_bounding_box") return InBox(argument, value);
  std::abort();
}

size_t Count(const std::string& key, const Json& root) {
  size_t count = 0;
  for (const Json* value : ValuesAt(key, root)) {
    count += value->kind == Kind::kArray ? value->items.size() : value->kind == Kind::kNull ? 0 : 1;
  }
  return count;
}

bool LeafMatches(const Json& leaf, const std::string& id, const Json& root) {
  if (const Json* ids = leaf.Find("has_id"))
    return std::ranges::any_of(ids->items, [&](const Json& item) { return item.text == id; });
  if (const Json* nested = leaf.Find("nested")) {
    const auto values = Unpack(ValuesAt(nested->Find("key")->text, root));
    return std::ranges::any_of(
        values, [&](const Json* v) { return v->kind == Kind::kObject && Matches(*nested->Find("filter"), id, *v); });
  }
  const Json* own_key = leaf.Find("key");
  const Field test = *std::ranges::find_if(leaf.fields, [](const auto& field) { return field.name != "key"; });
  const std::string key = own_key ? own_key->text : test.value.Find("key")->text;
  const bool wanted =
      test.value.kind != Kind::kBool || test.value.boolean || (test.name != "is_null" && test.name != "is_empty");
  if (test.name == "is_empty") return (Count(key, root) == 0) == wanted;
  if (test.name == "values_count") return InRange(test.value, Json::Number(std::to_string(Count(key, root))));
  const auto values = Unpack(ValuesAt(key, root));
  return std::ranges::any_of(values, [&](const Json* v) { return Passes(test.name, test.value, *v); }) == wanted;
}

std::vector<Json> List(const Json* conditions) {
  if (conditions == nullptr) return {};
  return conditions->kind == Kind::kArray ? conditions->items : std::vector<Json>{*conditions};
}

}  // namespace

Json Json::Null() { return {}; }
Json Json::Bool(bool value) {
  Json json;
  json.kind = Kind::kBool;
  json.boolean = value;
  return json;
}
Json Json::Number(std::string text) {
  Json json;
  json.kind = Kind::kNumber;
  json.text = std::move(text);
  return json;
}
Json Json::String(std::string text) {
  Json json = Number(std::move(text));
  json.kind = Kind::kString;
  return json;
}
Json Json::Array(std::vector<Json> items) {
  Json json;
  json.kind = Kind::kArray;
  json.items = std::move(items);
  return json;
}
Json Json::Object(std::vector<Field> fields) {
  Json json;
  json.kind = Kind::kObject;
  json.fields = std::move(fields);
  return json;
}

const Json* Json::Find(const std::string& name) const {
  for (const auto& [field, value] : fields) {
    if (field == name) return &value;
  }
  return nullptr;
}

std::string Json::Text() const {
  std::string out;
  switch (kind) {
    case Kind::kNull: return "null";
    case Kind::kBool: return boolean ? "true" : "false";
    case Kind::kNumber: return text;
    case Kind::kString: AppendJsonString(text, &out); return out;
    case Kind::kArray:
      for (const Json& item : items) out += (out.empty() ? "" : ",") + item.Text();
      return "[" + out + "]";
    case Kind::kObject:
      for (const auto& [name, value] : fields)
        out += (out.empty() ? "" : ",") + String(name).Text() + ":" + value.Text();
      return "{" + out + "}";
  }
  std::abort();
}

bool Matches(const Json& filter, const std::string& id, const Json& payload) {
  const auto count = [&](const Json* conditions) {
    const auto list = List(conditions);
    return static_cast<size_t>(std::ranges::count_if(list, [&](const Json& c) { return Matches(c, id, payload); }));
  };
  const Json* must = filter.Find("must");
  const Json* should = filter.Find("should");
  const Json* must_not = filter.Find("must_not");
  const Json* min_should = filter.Find("min_should");
  if (!must && !should && !must_not && !min_should) return filter.fields.empty() || LeafMatches(filter, id, payload);
  if (count(must) != List(must).size() || count(must_not) != 0) return false;
  size_t wanted = List(should).empty() ? 0 : 1;
  if (min_should && min_should->kind == Kind::kNumber) wanted = std::stoul(min_should->text);
  if (count(should) < wanted) return false;
  if (!min_should || min_should->kind == Kind::kNumber) return true;
  return count(min_should->Find("conditions")) >= std::stoul(min_should->Find("min_count")->text);
}

}  // namespace akidb::reference
