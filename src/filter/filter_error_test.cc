#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "filter/filter_testing.h"

namespace akidb {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Message(std::string_view filter, const Limits& limits = Limits()) {
  const auto parsed = ParseFilterText(filter, limits);
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(parsed.error().reason(), "invalid_filter") << filter;
  return std::string(parsed.error().message());
}

// `inner` below `depth` further conditions.
std::string Deep(size_t depth, std::string inner) {
  for (size_t i = 0; i < depth; ++i) inner = R"({"must":[)" + inner + "]}";
  return inner;
}

std::string Repeat(size_t times, const std::string& item) {
  std::string list;
  for (size_t i = 0; i < times; ++i) list += (i == 0 ? "" : ",") + item;
  return list;
}

constexpr std::string_view kLeaf = R"({"key":"a","value":1})";

TEST(FilterErrorTest, DepthBeyondTheLimitNamesPlaceAndLimit) {
  EXPECT_EQ(Message(Deep(31, std::string(kLeaf))), "accepted");
  EXPECT_EQ(Message(Deep(2, std::string(kLeaf)), {.filter_depth_max = 2}),
            "filter at /must/0/must/0: depth 3 is beyond filter_depth_max = 2");
  EXPECT_THAT(Message(Deep(32, std::string(kLeaf))), HasSubstr("depth 33 is beyond filter_depth_max = 32"));
}

TEST(FilterErrorTest, NestedFiltersCountTowardsDepth) {
  std::string filter(kLeaf);
  for (int i = 0; i < 32; ++i) filter = R"({"nested":{"key":"a","filter":)" + filter + "}}";
  EXPECT_THAT(Message(filter), HasSubstr("/nested/filter: depth 33 is beyond"));
}

TEST(FilterErrorTest, NodesBeyondTheLimitNamePlaceAndLimit) {
  EXPECT_EQ(Message(R"({"must":[)" + Repeat(999, std::string(kLeaf)) + "]}"), "accepted");
  EXPECT_EQ(Message(R"({"must":[)" + Repeat(1000, std::string(kLeaf)) + "]}"),
            "filter at /must/999: condition number 1001 is beyond filter_nodes_max = 1000");
}

TEST(FilterErrorTest, ValuesBeyondTheLimitNamePlaceAndLimit) {
  EXPECT_EQ(Message(R"({"has_id":[)" + Repeat(10000, "1") + "]}"), "accepted");
  EXPECT_EQ(Message(R"({"has_id":[)" + Repeat(10001, "1") + "]}"),
            "filter at /has_id/10000: number of values 10001 is beyond filter_values_max = 10000");
  EXPECT_THAT(
      Message(R"({"must":[{"has_id":[)" + Repeat(9000, "1") + R"(]},{"key":"a","in":[)" + Repeat(1001, "1") + "]}]}"),
      StartsWith("filter at /must/1/in/1000: number of values 10001"));
}

TEST(FilterErrorTest, WordsAndPathPartsHaveLimits) {
  std::string words;
  for (int i = 0; i < 65; ++i) words += "w" + std::to_string(i) + " ";
  EXPECT_EQ(Message(R"({"key":"a","match":{"text":")" + words + "\"}}"),
            "filter at /match/text: number of words 65 is beyond filter_text_words_max = 64");
  std::string path = "a";
  for (int i = 0; i < 64; ++i) path += ".a";
  EXPECT_EQ(Message(R"({"key":")" + path + R"(","value":1})"),
            "filter at /key: path depth 65 is beyond payload_depth_max = 64");
}

TEST(FilterErrorTest, UnknownFieldsAreNamed) {
  EXPECT_THAT(Message(R"({"must":[{"key":"a","rang":{}}]})"),
              StartsWith(R"(filter at /must/0: unknown field "rang"; known here: must,)"));
  EXPECT_EQ(Message(R"({"key":"a","match":{"vaule":1}})"),
            R"(filter at /match: unknown field "vaule"; known here: value, any, except, text, prefix)");
  EXPECT_EQ(Message(R"({"key":"a","range":{"ge":1}})"),
            R"(filter at /range: unknown field "ge"; known here: gt, gte, lt, lte)");
  EXPECT_THAT(Message(R"({"key":"a","value":{"eq":1}})"), StartsWith(R"(filter at /value: unknown field "eq")"));
  EXPECT_THAT(Message(R"({"nested":{"key":"a","filters":{}}})"),
              StartsWith(R"(filter at /nested: unknown field "filters")"));
  EXPECT_THAT(Message(R"({"key":"a","geo_radius":{"center":{"lat":1,"lng":1},"radius":1}})"),
              StartsWith(R"(filter at /geo_radius/center: unknown field "lng")"));
}

struct Case {
  std::string_view filter;
  std::string_view message;
};

void Check(std::initializer_list<Case> cases) {
  for (const Case& c : cases) EXPECT_EQ(Message(c.filter), c.message) << c.filter;
}

TEST(FilterErrorTest, WrongTypesNameExpectationAndValue) {
  Check({
      {"[]", "filter: expected an object, got an array"},
      {"7", "filter: expected an object, got 7"},
      {R"({"must":3})", "filter at /must: expected a condition or an array of conditions, got 3"},
      {R"({"must":[3]})", "filter at /must/0: expected an object, got 3"},
      {R"({"key":5,"value":1})", "filter at /key: expected a dotted path, got 5"},
      {R"({"key":"a","range":[1,2]})", "filter at /range: expected an object, got an array"},
      {R"({"must":[{},{},{"key":"a","range":{"gte":true}}]})",
       "filter at /must/2/range/gte: expected a number, or an RFC 3339 time as text, got true"},
      {R"({"key":"a","range":{"gt":null}})",
       "filter at /range/gt: expected a number, or an RFC 3339 time as text, got null"},
      {R"({"key":"a","match":"x"})", R"(filter at /match: expected an object, got "x")"},
      {R"({"key":"a","match":{"any":"x"}})", R"(filter at /match/any: expected an array, got "x")"},
      {R"({"key":"a","match":{"any":["x",[]]}})",
       "filter at /match/any/1: expected a string, number or boolean, got an array"},
      {R"({"key":"a","match":{"value":{}}})",
       "filter at /match/value: expected a string, number or boolean, got an object"},
      {R"({"key":"a","match":{"text":1}})", "filter at /match/text: expected a string, got 1"},
      {R"({"key":"a","match":{"text":" - "}})", R"(filter at /match/text: expected at least one word, got " - ")"},
      {R"({"key":"a","match":{"prefix":1}})", "filter at /match/prefix: expected a string, got 1"},
      {R"({"key":"a","value":[1]})", "filter at /value: expected a string, number or boolean, got an array"},
      {R"({"key":"a","in":{}})", "filter at /in: expected an array, got an object"},
      {R"({"has_id":"x"})", R"(filter at /has_id: expected an array, got "x")"},
      {R"({"has_id":[1.5]})", "filter at /has_id/0: expected a string or an integer, got 1.5"},
      {R"({"is_null":true})", "filter at /is_null: expected an object, got true"},
      {R"({"key":"a","is_empty":1})", "filter at /is_empty: expected true or false beside \"key\", got 1"},
      {R"({"nested":[]})", "filter at /nested: expected an object, got an array"},
      {R"({"nested":{"key":"a","filter":5}})", "filter at /nested/filter: expected an object, got 5"},
      {R"({"key":"a","values_count":{"gt":-1}})",
       "filter at /values_count/gt: expected a whole number, at least 0, got -1"},
      {R"({"key":"a","values_count":{"gt":1.5}})",
       "filter at /values_count/gt: expected a whole number, at least 0, got 1.5"},
      {R"({"key":"a","values_count":{}})", "filter at /values_count: give at least one of gt, gte, lt, lte"},
  });
}

TEST(FilterErrorTest, NullIsNoValue) {
  Check({{R"({"key":"a","value":null})", "filter at /value: null is no value to match; use is_null or is_empty"},
         {R"({"key":"a","match":{"except":["x",null]}})",
          "filter at /match/except/1: null is no value to match; use is_null or is_empty"}});
}

TEST(FilterErrorTest, BoundsThatAreNoTime) {
  constexpr std::string_view kTime = R"(expected an RFC 3339 time such as "2024-05-01T10:00:00Z", got )";
  for (const std::string bound : {R"("NaN")", R"("5")", R"("2024-02-30")", R"("2024-05-01T10:00:00+25:00")", R"("")"}) {
    EXPECT_EQ(Message(R"({"key":"a","range":{"gte":)" + bound + "}}"),
              "filter at /range/gte: " + std::string(kTime) + bound);
  }
  EXPECT_EQ(Message(R"({"key":"a","range":{"gte":"2024-05-01","lt":5}})"),
            "filter at /range/lt: " + std::string(kTime) + "5");
}

TEST(FilterErrorTest, LongValuesAreCutInMessages) {
  EXPECT_EQ(Message(R"({"key":"a","range":{"gt":")" + std::string(1000, 'x') + "\"}}"),
            R"(filter at /range/gt: expected an RFC 3339 time such as "2024-05-01T10:00:00Z", got ")" +
                std::string(64, 'x') + "\"...");
}

TEST(FilterErrorTest, NotANumberInJsonIsRefusedByTheJsonParser) {
  for (const auto* filter :
       {R"({"key":"a","range":{"gt":NaN}})", R"({"key":"a","range":{"gt":Infinity}})",
        R"({"key":"a","range":{"gt":1e400}})", R"({"key":"a","range":{"gt":99999999999999999999}})"}) {
    const auto parsed = ParseFilterText(filter);
    ASSERT_FALSE(parsed) << filter;
    EXPECT_EQ(parsed.error().code(), StatusCode::kInvalidArgument);
  }
}

TEST(FilterErrorTest, ContradictoryOrMissingParts) {
  Check({
      {R"({"key":"a"})",
       "filter: give exactly one of match, range, value, in, contains, geo_radius, geo_bounding_box, values_count, "
       "is_empty, is_null, has_id, nested; got none"},
      {R"({"key":"a","value":1,"in":[1]})",
       "filter: give exactly one of match, range, value, in, contains, geo_radius, geo_bounding_box, values_count, "
       "is_empty, is_null, has_id, nested; got value, in"},
      {R"({"value":1})", "filter: field \"key\" is missing"},
      {R"({"must":[],"key":"a","value":1})", "filter: \"key\" cannot stand beside \"must\"; put the leaf into a list"},
      {R"({"key":"a","has_id":[]})", "filter: \"key\" cannot stand beside \"has_id\""},
      {R"({"must":[],"must":[]})", "filter: field \"must\" is given twice"},
      {R"({"key":"a","range":{}})", "filter at /range: give at least one of gt, gte, lt, lte"},
      {R"({"key":"a","value":{}})", "filter at /value: give at least one of gt, gte, lt, lte"},
      {R"({"key":"a","range":{"gt":1,"gte":1}})", "filter at /range: give gt or gte, not both"},
      {R"({"key":"a","range":{"lt":1,"lte":1}})", "filter at /range: give lt or lte, not both"},
      {R"({"key":"a","match":{}})", "filter at /match: give exactly one of value, any, except, text, prefix; got none"},
      {R"({"key":"a","match":{"value":1,"any":[1]}})",
       "filter at /match: give exactly one of value, any, except, text, prefix; got value, any"},
      {R"({"key":"a","value":{"gt":1,"in":[1]}})",
       "filter at /value: give exactly one of gt, gte, lt, lte, in, contains; got gt, in"},
      {R"({"nested":{"key":"a"}})", "filter at /nested: field \"filter\" is missing"},
      {R"({"nested":{"filter":{}}})", "filter at /nested: field \"key\" is missing"},
      {R"({"is_null":{}})", "filter at /is_null: field \"key\" is missing"},
  });
}

TEST(FilterErrorTest, MinShouldMustBeReachable) {
  Check({
      {R"({"min_should":1})",
       "filter at /min_should: expected a whole number from 1 to the number of conditions, 0, got 1"},
      {R"({"min_should":3,"should":[{},{}]})",
       "filter at /min_should: expected a whole number from 1 to the number of conditions, 2, got 3"},
      {R"({"min_should":0,"should":[{}]})",
       "filter at /min_should: expected a whole number from 1 to the number of conditions, 1, got 0"},
      {R"({"min_should":1.0,"should":[{}]})",
       "filter at /min_should: expected a whole number from 1 to the number of conditions, 1, got 1.0"},
      {R"({"min_should":{"conditions":[{}],"min_count":2}})",
       "filter at /min_should/min_count: expected a whole number from 1 to the number of conditions, 1, got 2"},
      {R"({"min_should":{"conditions":[{}]}})", "filter at /min_should: field \"min_count\" is missing"},
  });
}

TEST(FilterErrorTest, PathsWithoutMeaning) {
  for (const auto* path : {"", ".", "a.", ".a", "a..b"}) {
    EXPECT_EQ(Message(R"({"key":")" + std::string(path) + R"(","value":1})"),
              "filter at /key: expected a path without empty parts, got \"" + std::string(path) + "\"");
  }
  EXPECT_EQ(Message(R"({"key":"a\\b","value":1})"),
            R"(filter at /key: expected a dot or a backslash after each backslash, got "a\\b")");
  EXPECT_EQ(Message(R"({"key":"a\\","value":1})"),
            R"(filter at /key: expected a dot or a backslash after each backslash, got "a\\")");
}

TEST(FilterErrorTest, GeoOutOfRange) {
  Check({
      {R"({"key":"a","geo_radius":{"center":{"lat":91,"lon":0},"radius":1}})",
       "filter at /geo_radius/center/lat: expected degrees in [-90, 90], got 91"},
      {R"({"key":"a","geo_radius":{"center":{"lat":0,"lon":"1"},"radius":1}})",
       R"(filter at /geo_radius/center/lon: expected degrees in [-180, 180], got "1")"},
      {R"({"key":"a","geo_radius":{"center":{"lat":0},"radius":1}})",
       "filter at /geo_radius/center: field \"lon\" is missing"},
      {R"({"key":"a","geo_radius":{"radius":1}})", "filter at /geo_radius: field \"center\" is missing"},
      {R"({"key":"a","geo_radius":{"center":{"lat":0,"lon":0}}})",
       "filter at /geo_radius: give exactly one of radius_m, radius; got none"},
      {R"({"key":"a","geo_radius":{"center":{"lat":0,"lon":0},"radius":-1}})",
       "filter at /geo_radius/radius: expected metres, at least 0, got -1"},
      {R"({"key":"a","geo_bounding_box":{"top_left":{"lat":0,"lon":0}}})",
       "filter at /geo_bounding_box: field \"bottom_right\" is missing"},
      {R"({"key":"a","geo_bounding_box":{"top_left":{"lat":0,"lon":0},"bottom_right":{"lat":1,"lon":1}}})",
       "filter at /geo_bounding_box: top_left/lat is south of bottom_right/lat"},
  });
}

}  // namespace
}  // namespace akidb
