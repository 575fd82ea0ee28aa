#include "base/clock.h"

#include <gtest/gtest.h>

namespace akidb {
namespace {

std::string Normalized(std::string_view text) {
  const auto time = ParseRfc3339(text);
  return time ? FormatRfc3339(*time) : "refused";
}

TEST(ClockTest, TimesOfRfc3339AreUnderstood) {
  EXPECT_EQ(Normalized("2026-11-23T02:14:17.123Z"), "2026-11-23T02:14:17.123Z");
  EXPECT_EQ(Normalized("2026-11-23t02:14:17z"), "2026-11-23T02:14:17.000Z");
  EXPECT_EQ(Normalized("2026-11-23 02:14:17.9999999999Z"), "2026-11-23T02:14:17.999Z");
  EXPECT_EQ(Normalized("2026-11-23T02:14:17+05:30"), "2026-11-22T20:44:17.000Z");
  EXPECT_EQ(Normalized("2026-12-31T23:59:59-00:01"), "2027-01-01T00:00:59.000Z");
  EXPECT_EQ(Normalized("2024-02-29T00:00:00Z"), "2024-02-29T00:00:00.000Z");
  EXPECT_EQ(Normalized("2016-12-31T23:59:60Z"), "2017-01-01T00:00:00.000Z");
  EXPECT_EQ(Normalized("1970-01-01T00:00:00Z"), "1970-01-01T00:00:00.000Z");
}

TEST(ClockTest, WhatIsNoTimeIsRefused) {
  for (const std::string_view text :
       {"", "2026", "2026-11-23", "2026-11-23T02:14:17", "2026-11-23T02:14Z", "2026-11-31T00:00:00Z",
        "2023-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T02:60:00Z",
        "2026-11-23T02:14:17.Z", "2026-11-23T02:14:17+5:30", "2026-11-23T02:14:17+24:00", "2026-11-23T02:14:17Z ",
        "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "20 6-11-23T02:14:17Z", "-026-11-23T02:14:17Z"}) {
    EXPECT_EQ(Normalized(text), "refused") << text;
  }
}

}  // namespace
}  // namespace akidb
