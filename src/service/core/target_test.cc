#include "service/core/target.h"

#include <gtest/gtest.h>

namespace akidb {
namespace {

using Segments = std::vector<std::string>;

TEST(TargetTest, SplitsBeforeDecoding) {
  const auto target = ParseTarget("/collections/a/vectors/x%2Fy%20z");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->segments, (Segments{"collections", "a", "vectors", "x/y z"}));
}

TEST(TargetTest, DecodesOnce) {
  const auto target = ParseTarget("/%252e%252e");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->segments, (Segments{"%2e%2e"}));
}

TEST(TargetTest, IgnoresOneTrailingSlashOnly) {
  EXPECT_EQ(ParseTarget("/jobs/")->segments, (Segments{"jobs"}));
  EXPECT_EQ(ParseTarget("/jobs//")->segments, (Segments{"jobs", ""}));
  EXPECT_EQ(ParseTarget("/")->segments, Segments{});
}

TEST(TargetTest, ReadsTheQuery) {
  const auto target = ParseTarget("/a?x=1&y=b%26c+d&z");
  ASSERT_TRUE(target);
  ASSERT_EQ(target->query.size(), 3u);
  EXPECT_EQ(target->query[1], (std::pair<std::string, std::string>("y", "b&c d")));
  EXPECT_EQ(target->query[2].second, "");
}

TEST(TargetTest, RefusesWhatIsNoPath) {
  for (const char* text : {"", "collections", "*", "http://host/collections", "/%", "/%4", "/%zz", "/a?x=%g0",
                           "/a?x=1&x=2", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"}) {
    const auto target = ParseTarget(text);
    ASSERT_FALSE(target) << text;
    EXPECT_EQ(target.error().reason(), "invalid_target") << text;
  }
}

}  // namespace
}  // namespace akidb
