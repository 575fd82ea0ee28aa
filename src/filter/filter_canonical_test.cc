#include <gtest/gtest.h>

#include "filter/filter_testing.h"

namespace akidb {
namespace {

std::string CanonicalOf(std::string_view filter) {
  const auto parsed = ParseFilterText(filter);
  return parsed ? (*parsed)->Canonical() : parsed.error().ToString();
}

// All filters have the canonical text `expected`, which is its own.
void ExpectSameCanonical(std::string_view expected, std::initializer_list<std::string_view> filters) {
  EXPECT_EQ(CanonicalOf(expected), expected);
  for (const std::string_view filter : filters) EXPECT_EQ(CanonicalOf(filter), expected) << filter;
}

TEST(FilterCanonicalTest, ShortFormsBecomeLong) {
  ExpectSameCanonical(
      R"({"key":"a","match":{"any":["x"]}})",
      {R"({"key":"a","value":"x"})", R"({"value":"x","key":"a"})", R"({"key":"a","match":{"value":"x"}})",
       R"({"key":"a","in":["x","x"]})", R"({"key":"a","contains":"x"})", R"({"key":"a","value":{"in":["x"]}})",
       R"({"key":"a","value":{"contains":"x"}})", R"({"must":[{"key":"a","value":"x"}]})",
       R"({"should":{"key":"a","value":"x"}})"});
  ExpectSameCanonical(R"({"key":"a","range":{"gt":1,"lte":5}})", {R"({"key":"a","value":{"lte":5.0,"gt":1}})"});
  ExpectSameCanonical(
      R"({"key":"a","values_count":{"gte":0,"lte":0}})",
      {R"({"is_empty":{"key":"a"}})", R"({"key":"a","is_empty":true})", R"({"key":"a","values_count":{"lt":1}})"});
  ExpectSameCanonical(R"({"key":"a","is_null":true})", {R"({"is_null":{"key":"a"}})"});
  ExpectSameCanonical(R"({"key":"p","geo_radius":{"center":{"lat":1,"lon":2},"radius_m":5}})",
                      {R"({"key":"p","geo_radius":{"radius":5.0,"center":{"lon":2,"lat":1.0}}})"});
}

TEST(FilterCanonicalTest, ListsAreSortedAndUnique) {
  ExpectSameCanonical(R"({"key":"a","match":{"any":[false,true,-1,1,1.5,"a","b"]}})",
                      {R"({"key":"a","in":["b",1.5,1.0,true,"a",1,-1,false,"b"]})"});
  ExpectSameCanonical(R"({"key":"a","match":{"except":["x","y"]}})", {R"({"key":"a","match":{"except":["y","x"]}})"});
  ExpectSameCanonical(R"({"has_id":["1","b"]})", {R"({"has_id":["b",1,"1"]})"});
  ExpectSameCanonical(R"({"key":"a","match":{"text":"hello world"}})",
                      {R"({"key":"a","match":{"text":"World, hello HELLO"}})"});
}

TEST(FilterCanonicalTest, TimesAreInUtc) {
  ExpectSameCanonical(R"({"key":"a","range":{"gte":"2024-05-01T08:00:00Z"}})",
                      {R"({"key":"a","range":{"gte":"2024-05-01T10:00:00+02:00"}})",
                       R"({"key":"a","range":{"gte":"2024-05-01 08:00:00.000"}})"});
}

TEST(FilterCanonicalTest, GroupsAreFlatSortedAndUnique) {
  ExpectSameCanonical(
      R"({"must":[{"key":"a","match":{"any":[1]}},{"key":"b","match":{"any":[1]}}],"must_not":[{"key":"c","match":{"any":[1]}}]})",
      {R"({"must_not":{"key":"c","value":1},"must":[{"key":"b","value":1},{"key":"a","value":1}]})",
       R"({"must":[{"key":"a","value":1},{"must":[{"key":"b","value":1},{"must_not":[{"key":"c","value":1}]}]},{"key":"a","value":1},{}]})",
       R"({"must_not":{"should":[{"key":"c","value":1},{"must_not":{"key":"a","value":1}},{"must_not":{"key":"b","value":1}}]}})"});
  ExpectSameCanonical(
      R"({"should":[{"key":"a","match":{"any":[1]}},{"key":"b","match":{"any":[1]}}]})",
      {R"({"should":[{"should":[{"key":"b","value":1}]},{"key":"a","value":1},{"key":"b","value":1},{"must_not":{}}]})",
       R"({"min_should":1,"should":[{"key":"b","value":1},{"key":"a","value":1}]})",
       R"({"min_should":2,"should":[{"should":[{"key":"b","value":1},{"key":"a","value":1}]},{}]})",
       R"({"must_not":{"must_not":{"should":[{"key":"b","value":1},{"key":"a","value":1}]}}})"});
  ExpectSameCanonical(
      R"({"min_should":2,"should":[{"key":"a","match":{"any":[1]}},{"key":"b","match":{"any":[1]}},{"key":"c","match":{"any":[1]}}]})",
      {R"({"min_should":{"min_count":2,"conditions":[{"key":"c","value":1},{"key":"b","value":1},{"key":"a","value":1}]}})",
       R"({"min_should":3,"should":[{"key":"c","value":1},{"key":"b","value":1},{"key":"a","value":1},{}]})"});
}

TEST(FilterCanonicalTest, AlwaysAndNever) {
  ExpectSameCanonical("{}",
                      {R"({"must":[]})", R"({"should":[{},{"key":"a","value":1}]})", R"({"must_not":{"must_not":{}}})",
                       R"({"min_should":1,"should":[{},{"key":"a","value":1}]})"});
  ExpectSameCanonical(R"({"must_not":[{}]})",
                      {R"({"must":[{"must_not":{}},{"key":"a","value":1}]})", R"({"should":{"must_not":[{}]}})"});
}

TEST(FilterCanonicalTest, DifferentMeaningIsDifferentText) {
  EXPECT_NE(CanonicalOf(R"({"key":"a.b","value":1})"), CanonicalOf(R"({"key":"a\\.b","value":1})"));
  EXPECT_NE(CanonicalOf(R"({"key":"a","value":1})"), CanonicalOf(R"({"key":"a","value":"1"})"));
  EXPECT_NE(CanonicalOf(R"({"key":"a","range":{"gt":9007199254740993}})"),
            CanonicalOf(R"({"key":"a","range":{"gt":9007199254740992}})"));
  EXPECT_NE(CanonicalOf(R"({"key":"a","range":{"gt":1}})"), CanonicalOf(R"({"key":"a","range":{"gte":1}})"));
  EXPECT_NE(
      CanonicalOf(R"({"min_should":2,"should":[{"key":"a","value":1},{"key":"a","value":1},{"key":"b","value":1}]})"),
      CanonicalOf(R"({"must":[{"key":"a","value":1},{"key":"b","value":1}]})"));
}

TEST(FilterCanonicalTest, NestedAndEscapedPathsSurvive) {
  ExpectSameCanonical(
      R"({"nested":{"key":"a\\.b.c\\\\","filter":{"must":[{"key":"x","match":{"any":[1]}},{"key":"y","match":{"prefix":"p"}}]}}})",
      {R"({"nested":{"filter":{"must":[{"match":{"prefix":"p"},"key":"y"},{"must":{"key":"x","value":1}}]},"key":"a\\.b.c\\\\"}})"});
}

}  // namespace
}  // namespace akidb
