#include "filter/filter.h"

#include <gtest/gtest.h>

#include "filter/filter_testing.h"

namespace akidb {
namespace {

bool PayloadMatches(std::string_view filter, std::string_view payload, std::string_view id = "id-1") {
  const auto parsed = ParseFilterText(filter);
  if (!parsed) {
    ADD_FAILURE() << filter << ": " << parsed.error().ToString();
    return false;
  }
  return PaddedEvaluator(**parsed).Matches(id, payload);
}

struct PayloadCase {
  std::string_view payload;
  bool matches;
};

void ExpectMatches(std::string_view filter, std::initializer_list<PayloadCase> cases) {
  for (const PayloadCase& c : cases)
    EXPECT_EQ(PayloadMatches(filter, c.payload), c.matches) << filter << " on " << c.payload;
}

TEST(FilterTest, EmptyTreeMatchesAll) {
  for (const auto* filter : {"{}", R"({"must":[]})", R"({"should":[],"must_not":[]})", R"({"must":{}})"}) {
    EXPECT_TRUE(PayloadMatches(filter, R"({"a":1})")) << filter;
    EXPECT_TRUE(PayloadMatches(filter, "")) << filter;
  }
  EXPECT_FALSE(PayloadMatches(R"({"must_not":{}})", R"({"a":1})"));
}

TEST(FilterTest, MustShouldMustNotCombine) {
  ExpectMatches(
      R"({"must":[{"key":"a","value":1}],"should":[{"key":"b","value":1},{"key":"c","value":1}],"must_not":[{"key":"d","value":1}]})",
      {{R"({"a":1,"b":1})", true},
       {R"({"a":1,"c":1})", true},
       {R"({"a":1})", false},
       {R"({"b":1,"c":1})", false},
       {R"({"a":1,"b":1,"d":1})", false},
       {R"({"a":1,"b":1,"d":2})", true}});
}

TEST(FilterTest, TreesNest) {
  ExpectMatches(
      R"({"should":[{"must":[{"key":"a","value":1},{"must_not":{"key":"b","value":1}}]},{"must_not":[{"should":{"key":"c","value":1}}]}]})",
      {{R"({"a":1,"c":1})", true}, {R"({"a":1,"b":1,"c":1})", false}, {R"({"b":1})", true}});
}

TEST(FilterTest, MinShouldCounts) {
  for (
      const auto* filter :
      {R"({"min_should":2,"should":[{"key":"a","value":1},{"key":"b","value":1},{"key":"c","value":1}]})",
       R"({"min_should":{"min_count":2,"conditions":[{"key":"a","value":1},{"key":"b","value":1},{"key":"c","value":1}]}})"}) {
    ExpectMatches(filter, {{R"({"a":1,"b":1})", true},
                           {R"({"b":1,"c":1})", true},
                           {R"({"a":1,"b":1,"c":1})", true},
                           {R"({"c":1})", false},
                           {"{}", false}});
  }
}

TEST(FilterTest, MinShouldCountsAConditionTwiceIfGivenTwice) {
  ExpectMatches(R"({"min_should":2,"should":[{"key":"a","value":1},{"key":"a","value":1},{"key":"b","value":1}]})",
                {{R"({"a":1})", true}, {R"({"b":1})", false}});
}

TEST(FilterTest, NegatedMinShouldIsFewerThanThat) {
  ExpectMatches(
      R"({"must_not":{"min_should":2,"should":[{"key":"a","value":1},{"key":"b","value":1},{"key":"c","value":1}]}})",
      {{R"({"a":1,"b":1})", false}, {R"({"c":1})", true}, {"{}", true}, {R"({"a":1,"b":1,"c":1})", false}});
}

TEST(FilterTest, MatchValueComparesTypeAndValue) {
  ExpectMatches(
      R"({"key":"a","match":{"value":"fr"}})",
      {{R"({"a":"fr"})", true}, {R"({"a":"FR"})", false}, {R"({"a":["en","fr"]})", true}, {R"({"a":["en"]})", false}});
  ExpectMatches(R"({"key":"a","match":{"value":1}})", {{R"({"a":1})", true},
                                                       {R"({"a":1.0})", true},
                                                       {R"({"a":"1"})", false},
                                                       {R"({"a":true})", false},
                                                       {R"({"a":1.5})", false}});
  ExpectMatches(
      R"({"key":"a","match":{"value":true}})",
      {{R"({"a":true})", true}, {R"({"a":false})", false}, {R"({"a":1})", false}, {R"({"a":"true"})", false}});
}

TEST(FilterTest, MatchAnyAndExcept) {
  ExpectMatches(R"({"key":"a","match":{"any":["x",2,false]}})", {{R"({"a":"x"})", true},
                                                                 {R"({"a":2.0})", true},
                                                                 {R"({"a":false})", true},
                                                                 {R"({"a":true})", false},
                                                                 {R"({"a":[3,"x"]})", true}});
  ExpectMatches(R"({"key":"a","match":{"except":["x",2]}})", {{R"({"a":"x"})", false},
                                                              {R"({"a":"y"})", true},
                                                              {R"({"a":3})", true},
                                                              {R"({"a":true})", true},
                                                              {R"({"a":["x",2]})", false},
                                                              {R"({"a":["x","y"]})", true},
                                                              {R"({"a":null})", false},
                                                              {R"({"a":{}})", false},
                                                              {R"({"a":[]})", false},
                                                              {"{}", false}});
  ExpectMatches(R"({"key":"a","match":{"any":[]}})", {{R"({"a":"x"})", false}, {"{}", false}});
  ExpectMatches(R"({"key":"a","match":{"except":[]}})", {{R"({"a":"x"})", true}, {"{}", false}});
}

TEST(FilterTest, MatchTextAndPrefix) {
  ExpectMatches(R"({"key":"a","match":{"text":"Hello world"}})", {{R"({"a":"the WORLD says hello!"})", true},
                                                                  {R"({"a":"hello"})", false},
                                                                  {R"({"a":["hello","world"]})", false},
                                                                  {R"({"a":["x","hello world"]})", true},
                                                                  {R"({"a":5})", false}});
  ExpectMatches(R"({"key":"a","match":{"prefix":"lib"}})", {{R"({"a":"libc"})", true},
                                                            {R"({"a":"lib"})", true},
                                                            {R"({"a":"li"})", false},
                                                            {R"({"a":"LIBC"})", false},
                                                            {R"({"a":["x","libc"]})", true}});
  ExpectMatches(R"({"key":"a","match":{"prefix":""}})", {{R"({"a":""})", true}, {R"({"a":1})", false}});
}

TEST(FilterTest, RangeComparesNumbersExactly) {
  ExpectMatches(R"({"key":"a","range":{"gte":1,"lt":5}})", {{R"({"a":1})", true},
                                                            {R"({"a":4.999})", true},
                                                            {R"({"a":5})", false},
                                                            {R"({"a":5.0})", false},
                                                            {R"({"a":0.999})", false},
                                                            {R"({"a":"3"})", false},
                                                            {R"({"a":true})", false},
                                                            {R"({"a":null})", false},
                                                            {"{}", false}});
  ExpectMatches(R"({"key":"a","range":{"gt":9007199254740992}})", {{R"({"a":9007199254740993})", true},
                                                                   {R"({"a":9007199254740992.0})", false},
                                                                   {R"({"a":9007199254740992})", false}});
  ExpectMatches(R"({"key":"a","range":{"gt":9007199254740992.0}})", {{R"({"a":9007199254740993})", true}});
  ExpectMatches(R"({"key":"a","range":{"lt":18446744073709551615}})", {{R"({"a":18446744073709551614})", true},
                                                                       {R"({"a":18446744073709551615})", false},
                                                                       {R"({"a":1.8446744073709552e19})", false}});
  ExpectMatches(
      R"({"key":"a","range":{"lte":-9223372036854775808}})",
      {{R"({"a":-9223372036854775808})", true}, {R"({"a":-9223372036854775807})", false}, {R"({"a":-1e19})", true}});
}

TEST(FilterTest, RangeWantsOneElementInsideBothBounds) {
  ExpectMatches(
      R"({"key":"a","range":{"gt":2,"lt":4}})",
      {{R"({"a":[1,5]})", false}, {R"({"a":[1,3]})", true}, {R"({"a":[[3]]})", true}, {R"({"a":[]})", false}});
}

TEST(FilterTest, RangeOverTimesKnowsZones) {
  ExpectMatches(R"({"key":"a","range":{"gte":"2024-05-01T10:00:00+02:00","lt":"2024-05-02"}})",
                {{R"({"a":"2024-05-01T08:00:00Z"})", true},
                 {R"({"a":"2024-05-01T09:59:59+02:00"})", false},
                 {R"({"a":"2024-05-01T23:59:59.999Z"})", true},
                 {R"({"a":"2024-05-01T20:00:00-04:00"})", false},
                 {R"({"a":"2024-05-01"})", false},
                 {R"({"a":"yesterday"})", false},
                 {R"({"a":1714557600})", false}});
}

TEST(FilterTest, ShortFormsMeanTheirLongForms) {
  ExpectMatches(R"({"key":"a","value":"x"})", {{R"({"a":"x"})", true}, {R"({"a":"y"})", false}});
  ExpectMatches(R"({"key":"a","value":{"gt":1}})", {{R"({"a":2})", true}, {R"({"a":1})", false}});
  ExpectMatches(R"({"key":"a","in":["x","y"]})", {{R"({"a":"y"})", true}, {R"({"a":"z"})", false}});
  ExpectMatches(R"({"key":"a","value":{"in":["x","y"]}})", {{R"({"a":"y"})", true}, {R"({"a":"z"})", false}});
  ExpectMatches(R"({"key":"a","contains":"x"})", {{R"({"a":["w","x"]})", true}, {R"({"a":["wx"]})", false}});
  ExpectMatches(R"({"key":"a","value":{"contains":"x"}})", {{R"({"a":["w","x"]})", true}, {R"({"a":"wx"})", false}});
}

TEST(FilterTest, IsEmptyIsMissingNullOrEmptyArray) {
  for (const auto* filter : {R"({"is_empty":{"key":"a"}})", R"({"key":"a","is_empty":true})",
                             R"({"must_not":{"key":"a","is_empty":false}})"}) {
    ExpectMatches(filter, {{"{}", true},
                           {"", true},
                           {R"({"a":null})", true},
                           {R"({"a":[]})", true},
                           {R"({"a":[null]})", false},
                           {R"({"a":""})", false},
                           {R"({"a":{}})", false},
                           {R"({"a":0})", false}});
  }
}

TEST(FilterTest, IsNullIsANullThatIsThere) {
  for (const auto* filter : {R"({"is_null":{"key":"a"}})", R"({"key":"a","is_null":true})"}) {
    ExpectMatches(filter, {{R"({"a":null})", true},
                           {R"({"a":[1,null]})", true},
                           {"{}", false},
                           {R"({"a":[]})", false},
                           {R"({"a":0})", false}});
  }
}

TEST(FilterTest, ValuesCountSumsOverThePath) {
  ExpectMatches(R"({"key":"a","values_count":{"gte":2,"lt":4}})", {{R"({"a":[1,2]})", true},
                                                                   {R"({"a":[1,2,3]})", true},
                                                                   {R"({"a":[1,2,3,4]})", false},
                                                                   {R"({"a":1})", false},
                                                                   {"{}", false}});
  ExpectMatches(R"({"key":"a","values_count":{"lt":1}})",
                {{"{}", true}, {R"({"a":null})", true}, {R"({"a":[]})", true}, {R"({"a":1})", false}});
  ExpectMatches(R"({"key":"a.b","values_count":{"gte":3}})",
                {{R"({"a":[{"b":[1,2]},{"b":3}]})", true}, {R"({"a":[{"b":[1,2]},{"b":null},{}]})", false}});
  ExpectMatches(R"({"key":"a","values_count":{"lt":0}})", {{"{}", false}, {R"({"a":1})", false}});
  ExpectMatches(R"({"key":"a","values_count":{"gt":18446744073709551615}})", {{"{}", false}, {R"({"a":1})", false}});
}

TEST(FilterTest, HasIdComparesText) {
  const auto* filter = R"({"has_id":["x",7,-3,18446744073709551615]})";
  EXPECT_TRUE(PayloadMatches(filter, "{}", "x"));
  EXPECT_TRUE(PayloadMatches(filter, "{}", "7"));
  EXPECT_TRUE(PayloadMatches(filter, "{}", "-3"));
  EXPECT_TRUE(PayloadMatches(filter, "{}", "18446744073709551615"));
  EXPECT_FALSE(PayloadMatches(filter, "{}", "07"));
  EXPECT_FALSE(PayloadMatches(R"({"has_id":[]})", "{}", "x"));
}

TEST(FilterTest, PathsGoThroughArraysOfObjects) {
  ExpectMatches(R"({"key":"a.b.c","value":1})", {{R"({"a":{"b":{"c":1}}})", true},
                                                 {R"({"a":[{"b":{"c":2}},{"b":[{"c":3},{"c":[0,1]}]}]})", true},
                                                 {R"({"a":[[{"b":{"c":1}}]]})", true},
                                                 {R"({"a":{"b":1}})", false},
                                                 {R"({"a":["b"]})", false},
                                                 {R"({"a.b.c":1})", false}});
}

TEST(FilterTest, BackslashEscapesDotsAndItself) {
  ExpectMatches(R"({"key":"a\\.b.c","value":1})", {{R"({"a.b":{"c":1}})", true}, {R"({"a":{"b":{"c":1}}})", false}});
  ExpectMatches(R"({"key":"a\\\\","value":1})", {{R"({"a\\":1})", true}});
}

TEST(FilterTest, EscapedJsonKeysAndValuesCompareDecoded) {
  ExpectMatches(R"({"key":"caf\u00e9","value":"\u00fc"})",
                {{"{\"café\":\"ü\"}", true}, {R"({"caf\u00e9":"\u00fc"})", true}});
}

TEST(FilterTest, NestedWantsOneElementToPassAll) {
  const auto* nested = R"({"nested":{"key":"a","filter":{"must":[{"key":"x","value":1},{"key":"y","value":2}]}}})";
  ExpectMatches(nested, {{R"({"a":[{"x":1,"y":2}]})", true},
                         {R"({"a":[{"x":1},{"y":2}]})", false},
                         {R"({"a":{"x":1,"y":2}})", true},
                         {"{}", false},
                         {R"({"a":[[{"x":1,"y":2}]]})", true},
                         {R"({"a":[1,null]})", false}});
  ExpectMatches(R"({"must":[{"key":"a.x","value":1},{"key":"a.y","value":2}]})",
                {{R"({"a":[{"x":1},{"y":2}]})", true}});
}

TEST(FilterTest, NestedNegationIsPerElement) {
  ExpectMatches(
      R"({"nested":{"key":"a","filter":{"must_not":{"key":"x","value":1}}}})",
      {{R"({"a":[{"x":1},{"x":2}]})", true}, {R"({"a":[{"x":1}]})", false}, {R"({"a":[1]})", false}, {"{}", false}});
  ExpectMatches(R"({"nested":{"key":"a.b","filter":{"nested":{"key":"c","filter":{"key":"x","value":1}}}}})",
                {{R"({"a":[{"b":[{"c":[{"x":0},{"x":1}]}]}]})", true}, {R"({"a":{"b":{"c":{"x":0}}}})", false}});
}

TEST(FilterTest, HasIdInsideNestedIsTheRow) {
  const auto* filter = R"({"nested":{"key":"a","filter":{"must":[{"has_id":["id-1"]},{"key":"x","value":1}]}}})";
  EXPECT_TRUE(PayloadMatches(filter, R"({"a":{"x":1}})"));
  EXPECT_FALSE(PayloadMatches(filter, R"({"a":{"x":1}})", "id-2"));
}

TEST(FilterTest, GeoRadiusIsGreatCircleDistance) {
  // Berlin to Potsdam's centre is 26.8 km, to Hamburg 255 km.
  ExpectMatches(R"({"key":"at","geo_radius":{"center":{"lat":52.5200,"lon":13.4050},"radius_m":30000}})",
                {{R"({"at":{"lat":52.3906,"lon":13.0645}})", true},
                 {R"({"at":{"lat":53.5511,"lon":9.9937}})", false},
                 {R"({"at":[{"lat":0,"lon":0},{"lat":52.5,"lon":13.4}]})", true},
                 {R"({"at":{"lat":52.5}})", false},
                 {R"({"at":{"lat":"52.5","lon":"13.4"}})", false},
                 {R"({"at":[13.4,52.5]})", false},
                 {"{}", false}});
  ExpectMatches(R"({"key":"at","geo_radius":{"center":{"lat":0,"lon":179.9},"radius":30000}})",
                {{R"({"at":{"lat":0,"lon":-179.9}})", true}});
  ExpectMatches(R"({"key":"at","geo_radius":{"center":{"lat":90,"lon":0},"radius":1000000}})",
                {{R"({"at":{"lat":89,"lon":-120}})", true}, {R"({"at":{"lat":80,"lon":0}})", false}});
  ExpectMatches(R"({"key":"at","geo_radius":{"center":{"lat":1,"lon":2},"radius":0}})",
                {{R"({"at":{"lat":1,"lon":2}})", true}, {R"({"at":{"lat":1,"lon":2.00001}})", false}});
}

TEST(FilterTest, GeoRadiusAgreesWithKnownDistance) {
  // Paris to London: 343.56 km on the mean sphere.
  const std::string_view payload = R"({"at":{"lat":51.5074,"lon":-0.1278}})";
  ExpectMatches(R"({"key":"at","geo_radius":{"center":{"lat":48.8566,"lon":2.3522},"radius_m":343000}})",
                {{payload, false}});
  ExpectMatches(R"({"key":"at","geo_radius":{"center":{"lat":48.8566,"lon":2.3522},"radius_m":344000}})",
                {{payload, true}});
}

TEST(FilterTest, GeoBoxIncludesEdgesAndCrossesTheDateLine) {
  ExpectMatches(
      R"({"key":"at","geo_bounding_box":{"top_left":{"lat":50,"lon":-10},"bottom_right":{"lat":40,"lon":10}}})",
      {{R"({"at":{"lat":45,"lon":0}})", true},
       {R"({"at":{"lat":50,"lon":10}})", true},
       {R"({"at":{"lat":50.1,"lon":0}})", false},
       {R"({"at":{"lat":45,"lon":10.1}})", false},
       {R"({"at":{"lat":91,"lon":0}})", false},
       {R"({"at":"45,0"})", false}});
  ExpectMatches(
      R"({"key":"at","geo_bounding_box":{"top_left":{"lat":10,"lon":170},"bottom_right":{"lat":-10,"lon":-170}}})",
      {{R"({"at":{"lat":0,"lon":175}})", true},
       {R"({"at":{"lat":0,"lon":-175}})", true},
       {R"({"at":{"lat":0,"lon":180}})", true},
       {R"({"at":{"lat":0,"lon":0}})", false}});
  ExpectMatches(
      R"({"key":"at","geo_bounding_box":{"top_left":{"lat":10,"lon":-180},"bottom_right":{"lat":-10,"lon":-170}}})",
      {{R"({"at":{"lat":0,"lon":180}})", true}});
}

TEST(FilterTest, MustNotOfAMissingFieldIsTrue) {
  for (const auto* leaf :
       {R"({"key":"a","value":1})", R"({"key":"a","range":{"gt":0}})", R"({"key":"a","match":{"except":[1]}})",
        R"({"key":"a","match":{"text":"x"}})", R"({"is_null":{"key":"a"}})", R"({"nested":{"key":"a","filter":{}}})"}) {
    EXPECT_FALSE(PayloadMatches(leaf, "{}")) << leaf;
    EXPECT_TRUE(PayloadMatches(std::string(R"({"must_not":)") + leaf + "}", "{}")) << leaf;
  }
}

TEST(FilterTest, BrokenPayloadMatchesNothing) {
  for (const auto* payload : {"{", "[1]", "nul", "{\"a\":\"\xFF\"}"}) {
    ExpectMatches(R"({"key":"a","value":1})", {{payload, false}});
    ExpectMatches(R"({"must_not":{"key":"a","value":1}})", {{payload, false}});
  }
}

TEST(FilterTest, EvaluatorIsReusableAfterABrokenPayload) {
  const auto filter = ParseFilterText(R"({"key":"a","value":1})");
  ASSERT_TRUE(filter);
  PaddedEvaluator evaluator(**filter);
  EXPECT_FALSE(evaluator.Matches("x", "{"));
  EXPECT_TRUE(evaluator.Matches("x", R"({"a":1})"));
  EXPECT_FALSE(evaluator.Matches("x", ""));
  EXPECT_TRUE(evaluator.Matches("x", R"({"pad":")" + std::string(200000, 'x') + R"(","a":1})"));
}

TEST(FilterTest, FirstOfTwoEqualKeysCounts) {
  ExpectMatches(R"({"key":"a","value":1})", {{R"({"a":1,"a":2})", true}, {R"({"a":2,"a":1})", false}});
}

TEST(FilterTest, NeedsPayloadOnlyIfALeafReadsIt) {
  const auto needs = [](const char* text) { return (*ParseFilterText(text))->NeedsPayload(); };
  EXPECT_FALSE(needs("{}"));
  EXPECT_FALSE(needs(R"({"must_not":{"has_id":["a"]},"should":[{"has_id":["b"]}]})"));
  EXPECT_FALSE(needs(R"({"should":[{},{"key":"a","value":1}]})"));
  EXPECT_TRUE(needs(R"({"must":[{"has_id":["a"]},{"key":"a","value":1}]})"));
}

TEST(FilterTest, IdsDecideBeforeThePayloadIsRead) {
  // A broken payload would make the answer false.
  EXPECT_TRUE(PayloadMatches(R"({"should":[{"key":"a","value":1},{"has_id":["x"]}]})", "{", "x"));
}

}  // namespace
}  // namespace akidb
