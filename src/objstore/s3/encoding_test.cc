// How requests and dates are spelled.
#include <gtest/gtest.h>

#include "objstore/s3/http_date.h"
#include "objstore/s3/uri.h"

namespace akidb::s3 {
namespace {

TEST(UriTest, EncodesAllButTheUnreserved) {
  EXPECT_EQ(UriEncode("a-Z_0.~/b", Slash::kKeep), "a-Z_0.~/b");
  EXPECT_EQ(UriEncode("a/b", Slash::kEncode), "a%2Fb");
  EXPECT_EQ(UriEncode("a b+c=%\xC3\xA9", Slash::kKeep), "a%20b%2Bc%3D%25%C3%A9");
}

TEST(UriTest, DecodesWhatItEncodesAndRefusesTheRest) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(UriDecode(UriEncode(all, Slash::kEncode)), all);
  EXPECT_EQ(UriDecode("a+b%2fc"), "a b/c");
  for (const char* bad : {"%", "%1", "%zz", "a%2"}) EXPECT_FALSE(UriDecode(bad)) << bad;
}

TEST(EndpointTest, TakesHostAndPort) {
  const auto plain = ParseEndpoint("http://127.0.0.1:9000/");
  ASSERT_TRUE(plain) << plain.error().ToString();
  EXPECT_EQ(plain->HostHeader(), "127.0.0.1:9000");
  EXPECT_EQ(ParseEndpoint("https://s3.example")->port, 443);
  EXPECT_EQ(ParseEndpoint("https://s3.example")->HostHeader(), "s3.example");
  EXPECT_EQ(ParseEndpoint("http://[::1]:9000")->host, "::1");
  EXPECT_EQ(ParseEndpoint("http://[::1]:9000")->HostHeader(), "[::1]:9000");
  for (const char* bad : {"", "127.0.0.1:9000", "ftp://h", "http://", "http://h:0", "http://h:99999", "http://h:x",
                          "http://h/path", "http://u@h", "http://h\r\n:1", "http://[::1", "http://h?q"}) {
    EXPECT_EQ(ParseEndpoint(bad).error().code(), StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(EndpointOfUrl("http://h:9000/bucket/key?x")->Url(), "http://h:9000");
}

TEST(HttpDateTest, SpellingsAgree) {
  const auto time = ParseHttpDate("Tue, 24 Nov 2026 01:02:03 GMT");
  ASSERT_TRUE(time);
  EXPECT_EQ(FormatAmzDate(*time), "20261124T010203Z");
  EXPECT_EQ(FormatIsoDate(*time), "2026-11-24T01:02:03Z");
  EXPECT_EQ(ParseIsoDate("2026-11-24T01:02:03Z"), time);
  EXPECT_EQ(*ParseIsoDate("2026-11-24T01:02:03.250Z") - *time, std::chrono::milliseconds(250));
}

TEST(HttpDateTest, NonsenseIsNoDate) {
  for (const char* bad :
       {"", "Tue, 24 Nov 2026 01:02:03", "Tue, 31 Feb 2026 01:02:03 GMT", "Tue, 24 Xxx 2026 01:02:03 GMT",
        "Tue, 24 Nov 2026 25:02:03 GMT", "Tue, -4 Nov 2026 01:02:03 GMT"}) {
    EXPECT_FALSE(ParseHttpDate(bad)) << bad;
  }
  for (const char* bad : {"2026-11-24", "2026-13-24T01:02:03Z", "2026-11-24T01:02:03.Z", "9999-11-24T01:02:03Z",
                          "2026-11-24T01:02:03.1234567890123Z"}) {
    EXPECT_FALSE(ParseIsoDate(bad)) << bad;
  }
}

}  // namespace
}  // namespace akidb::s3
