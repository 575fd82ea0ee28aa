// Random filters and payloads for property tests, here and in folders above.
//
// Threads: one generator, one thread.
// Errors:  none.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "filter/filter_reference_testing.h"

namespace akidb {

// Draws from pools so small that filters and payloads often meet.
class FilterGenerator {
 public:
  using Field = reference::Field;
  using Json = reference::Json;

  explicit FilterGenerator(uint64_t seed) : random_(NewSeededRandom(seed)) {}

  uint64_t Below(uint64_t bound) { return random_->Below(bound); }

  Json Payload() { return Object(4); }
  // One scalar, null or object of such a field.
  Json PlainPayload() {
    std::vector<Field> fields;
    for (const char* key : {"a", "b", "c.d", "e\\"}) {
      if (Below(4) != 0) Add(fields, key, Below(4) == 0 ? Json::Object({{"a", Scalar()}, {"b", Scalar()}}) : Scalar());
    }
    return Json::Object(std::move(fields));
  }

  Json Filter(int depth) {
    if (depth == 0 || Below(3) == 0) return Leaf(depth);
    std::vector<Field> fields;
    if (Below(2) == 0) Add(fields, "must", Conditions(depth));
    if (Below(3) == 0) Add(fields, "must_not", Conditions(depth));
    if (Below(2) == 0) {
      const Json should = Conditions(depth);
      if (!should.items.empty() && Below(2) == 0) Add(fields, "min_should", Whole(1 + Below(should.items.size())));
      Add(fields, "should", should);
    } else if (Below(3) == 0) {
      const Json conditions = Json::Array({Filter(depth - 1), Filter(depth - 1), Filter(depth - 1)});
      Add(fields, "min_should", Json::Object({{"min_count", Whole(1 + Below(3))}, {"conditions", conditions}}));
    }
    return Json::Object(std::move(fields));
  }

  // The field of each leaf made so far that names its test.
  const std::map<std::string, size_t>& tests() const { return tests_; }

 private:
  template <class T>
  T Pick(std::initializer_list<T> pool) {
    return pool.begin()[Below(pool.size())];
  }
  static void Add(std::vector<Field>& fields, std::string name, Json value) {
    fields.push_back({std::move(name), std::move(value)});
  }
  static Json Whole(uint64_t value) { return Json::Number(std::to_string(value)); }

  std::string Key() { return Pick<std::string>({"a", "b", "c.d", "e\\"}); }
  std::string Path() {
    std::string path;
    for (uint64_t parts = Below(4) == 0 ? 1 + Below(3) : 1; parts > 0; --parts) {
      path += (path.empty() ? "" : ".") + Pick<std::string>({"a", "a", "b", "b", "c\\.d", "e\\\\", "x"});
    }
    return path;
  }
  Json Number() {
    return Json::Number(Pick<std::string>({"0", "-0.0", "1", "1.0", "-1", "1.5", "2", "3", "9007199254740992",
                                           "9007199254740993", "9007199254740992.0", "9223372036854775807",
                                           "9.223372036854775807e18", "18446744073709551615", "1.8446744073709552e19",
                                           "-9223372036854775808", "-1e300", "5e-324"}));
  }
  Json Time() {
    return Json::String(
        Pick<std::string>({"2024-05-01", "2024-05-01T10:00:00Z", "2024-05-01T12:00:00+02:00", "2024-05-01T10:00:00.5Z",
                           "2024-04-30T14:00:00-10:00", "1969-12-31T23:59:59.25Z"}));
  }
  Json Text() {
    return Json::String(
        Pick<std::string>({"x", "y", "Hello, world", "world", "hello", "lib", "libc", "", "1", "true"}));
  }
  Json Scalar() {
    switch (Below(5)) {
      case 0: return Json::Bool(Below(2) == 0);
      case 1: return Time();
      case 2: return Text();
      default: return Number();
    }
  }
  Json Point() {
    return Json::Object({{"lat", Json::Number(Pick<std::string>({"-90", "-45.5", "0", "10", "60.25", "90"}))},
                         {"lon", Json::Number(Pick<std::string>({"-180", "-170.5", "-20", "0", "33", "175", "180"}))}});
  }

  Json Value(int depth) {
    switch (depth == 0 ? 9 : Below(12)) {
      case 0: return Json::Null();
      case 1: return Point();
      case 2: return Json::Object({{"lat", Scalar()}, {"lon", Scalar()}});
      case 3:
      case 4: return Object(depth - 1);
      case 5:
      case 6:
      case 7: {
        std::vector<Json> items;
        for (uint64_t n = Below(4); n > 0; --n) items.push_back(Value(depth - 1));
        return Json::Array(std::move(items));
      }
      default: return Scalar();
    }
  }
  Json Object(int depth) {
    std::vector<Field> fields;
    for (uint64_t n = Below(5); n > 0; --n) {
      const std::string key = Key();
      if (!Json::Object(fields).Find(key)) Add(fields, key, Value(depth));
    }
    return Json::Object(std::move(fields));
  }

  Json Conditions(int depth) {
    std::vector<Json> conditions;
    for (uint64_t n = Below(4); n > 0; --n) conditions.push_back(Filter(depth - 1));
    return Json::Array(std::move(conditions));
  }
  Json Scalars() {
    std::vector<Json> items;
    for (uint64_t n = Below(4); n > 0; --n) items.push_back(Scalar());
    return Json::Array(std::move(items));
  }
  template <class Bound>
  Json Range(Bound&& bound) {
    std::vector<Field> fields;
    const uint64_t sides = 1 + Below(3);
    if (sides & 1) Add(fields, Pick<std::string>({"gt", "gte"}), bound());
    if (sides & 2) Add(fields, Pick<std::string>({"lt", "lte"}), bound());
    return Json::Object(std::move(fields));
  }
  Json NumberOrTimeRange() {
    return Below(3) == 0 ? Range([this] { return Time(); }) : Range([this] { return Number(); });
  }
  Json Box() {
    Json a = Point();
    Json b = Point();
    if (std::stod(a.Find("lat")->text) < std::stod(b.Find("lat")->text)) std::swap(a, b);
    return Json::Object({{"top_left", a}, {"bottom_right", b}});
  }

  Json Keyed(std::string test, Json argument) {
    ++tests_[test == "match" ? argument.fields[0].name : test];
    std::vector<Field> fields = {{"key", Json::String(Path())}, {std::move(test), std::move(argument)}};
    if (Below(2) == 0) std::swap(fields[0], fields[1]);
    return Json::Object(std::move(fields));
  }
  Json Leaf(int depth) {
    switch (Below(18)) {
      case 0: return Keyed("match", Json::Object({{"value", Scalar()}}));
      case 1: return Keyed("match", Json::Object({{"any", Scalars()}}));
      case 2: return Keyed("match", Json::Object({{"except", Scalars()}}));
      case 3:
        return Keyed(
            "match",
            Json::Object({{"text", Json::String(Pick<std::string>({"hello", "WORLD hello", "lib", "10 00"}))}}));
      case 4: return Keyed("match", Json::Object({{"prefix", Text()}}));
      case 5:
      case 6: return Keyed("range", NumberOrTimeRange());
      case 7: return Keyed("value", Below(2) == 0 ? Scalar() : NumberOrTimeRange());
      case 8:
        return Keyed("value", Json::Object({Below(2) == 0 ? Field{"in", Scalars()} : Field{"contains", Scalar()}}));
      case 9: return Keyed("in", Scalars());
      case 10: return Keyed("contains", Scalar());
      case 11: return Keyed("values_count", Range([this] { return Whole(Below(4)); }));
      case 12:
        return Keyed("geo_radius", Json::Object({{"center", Point()},
                                                 {Pick<std::string>({"radius", "radius_m"}),
                                                  Json::Number(Pick<std::string>({"1234.5", "3500123", "9000001"}))}}));
      case 13: return Keyed("geo_bounding_box", Box());
      case 14: return Keyed(Pick<std::string>({"is_null", "is_empty"}), Json::Bool(Below(2) == 0));
      case 15:
        return Json::Object(
            {{Pick<std::string>({"is_null", "is_empty"}), Json::Object({{"key", Json::String(Path())}})}});
      case 16:
        return Json::Object({{"has_id", Json::Array({Json::String("id-1"),
                                                     Below(2) == 0 ? Json::Number("7") : Json::String("id-2")})}});
      default:
        ++tests_["nested"];
        return Json::Object(
            {{"nested", Json::Object({{"key", Json::String(Path())}, {"filter", Filter(depth > 0 ? depth - 1 : 0)}})}});
    }
  }

  std::unique_ptr<Random> random_;
  std::map<std::string, size_t> tests_;
};

}  // namespace akidb
