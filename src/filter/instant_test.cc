#include "filter/instant.h"

#include <gtest/gtest.h>

#include <utility>

namespace akidb::filter {
namespace {

std::string Canonical(std::string_view text) {
  const auto instant = ParseInstant(text);
  if (!instant) return "invalid";
  std::string canonical;
  AppendInstant(*instant, &canonical);
  return canonical;
}

TEST(InstantTest, ReadsZonesFractionsAndShortForms) {
  const std::pair<const char*, const char*> cases[] = {
      {"2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"},
      {"2024-05-01t10:00:00z", "2024-05-01T10:00:00Z"},
      {"2024-05-01 10:00:00", "2024-05-01T10:00:00Z"},
      {"2024-05-01", "2024-05-01T00:00:00Z"},
      {"2024-05-01T10:00:00+02:00", "2024-05-01T08:00:00Z"},
      {"2024-05-01T00:30:00+05:45", "2024-04-30T18:45:00Z"},
      {"2024-12-31T23:30:00-01:00", "2025-01-01T00:30:00Z"},
      {"2024-05-01T10:00:00.250Z", "2024-05-01T10:00:00.25Z"},
      {"2024-05-01T10:00:00.123456789Z", "2024-05-01T10:00:00.123456789Z"},
      {"1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"},
      {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
      {"2024-02-29", "2024-02-29T00:00:00Z"},
      {"0000-01-01", "0000-01-01T00:00:00Z"},
      {"9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"},
  };
  for (const auto& [text, canonical] : cases) EXPECT_EQ(Canonical(text), canonical) << text;
}

TEST(InstantTest, CountsSecondsSince1970) {
  EXPECT_EQ(ParseInstant("1970-01-01")->seconds, 0);
  EXPECT_EQ(ParseInstant("2001-09-09T01:46:40Z")->seconds, 1000000000);
  EXPECT_EQ(ParseInstant("1969-12-31T23:59:59.25Z"), (Instant{.seconds = -1, .nanos = 250000000}));
}

TEST(InstantTest, RefusesWhatIsNoTime) {
  for (const char* text : {"",
                           "NaN",
                           "now",
                           "2024",
                           "2024-05",
                           "2024-5-1",
                           "2024-13-01",
                           "2024-00-01",
                           "2024-02-30",
                           "2023-02-29",
                           "2024-05-01T",
                           "2024-05-01T10:00",
                           "2024-05-01T24:00:00Z",
                           "2024-05-01T10:60:00Z",
                           "2024-05-01T10:00:61Z",
                           "2024-05-01T10:00:00.Z",
                           "2024-05-01T10:00:00.1234567890Z",
                           "2024-05-01T10:00:00+2:00",
                           "2024-05-01T10:00:00+0200",
                           "2024-05-01T10:00:00+24:00",
                           "2024-05-01T10:00:00ZZ",
                           "2024-05-01Z",
                           " 2024-05-01",
                           "2024-05-01 ",
                           "+2024-05-01",
                           "2024/05/01",
                           "2024-05-01T-1:00:00Z",
                           "0000-01-01T00:00:00+00:01",
                           "9999-12-31T23:59:59-00:01"}) {
    EXPECT_EQ(Canonical(text), "invalid") << text;
  }
}

}  // namespace
}  // namespace akidb::filter
