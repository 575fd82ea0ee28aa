#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "service/core/fields.h"
#include "service/core/service_testing.h"

namespace akidb {
namespace {

using testing::HasSubstr;

class SnapshotsTest : public testing::Test {
 protected:
  SnapshotsTest() {
    EXPECT_EQ(Send("POST", "/collections", R"({"name":"docs","vector_dim":2,"distance":"Euclidean"})").status, 201);
    Write(R"({"id":"a","vector":[0,0],"payload":{"n":1}},{"id":"b","vector":[3,4],"payload":{"n":2}})");
    EXPECT_EQ(Send("POST", "/collections/docs/snapshots", R"({"name":"first"})").status, 201);
    EXPECT_EQ(Send("DELETE", "/collections/docs/vectors/a").status, 200);
    Write(R"({"id":"b","vector":[9,9],"payload":{"n":3}},{"id":"c","vector":[1,1]})");
  }
  HttpResponse Send(std::string method, std::string target, std::string body = "") {
    return test_.Send(std::move(method), std::move(target), std::move(body), "application/json");
  }
  void Write(const std::string& rows) {
    EXPECT_EQ(Send("POST", "/collections/docs/vectors", R"({"vectors":[)" + rows + "]}").status, 200);
  }
  HttpResponse Search(const std::string& at) {
    return Send("POST", "/collections/docs/search", R"({"vector":[0,0],"at":)" + at + "}");
  }
  static std::string Member(const HttpResponse& response, std::string_view key) {
    simdjson::dom::parser parser;
    simdjson::dom::element value;
    if (parser.parse(response.body)[key].get(value) != simdjson::SUCCESS) return "";
    return value.is_string() ? std::string(value.get_string().value()) : simdjson::minify(value);
  }

  TestService test_;
};

constexpr std::string_view kThen = R"([{"id":"a","score":0,"payload":{"n":1}},{"id":"b","score":5,"payload":{"n":2}}])";

TEST_F(SnapshotsTest, ComeAndGo) {
  const HttpResponse created = Send("POST", "/collections/docs/snapshots", R"({"name":"second"})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(Member(created, "name"), "second");
  EXPECT_THAT(Member(created, "created_at"), testing::MatchesRegex("....-..-..T..:..:......Z"));
  EXPECT_EQ(Send("GET", "/collections/docs/snapshots/second").body, created.body);
  const HttpResponse again = Send("POST", "/collections/docs/snapshots", R"({"name":"second"})");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(Member(again, "code"), "snapshot_exists");
  EXPECT_THAT(Send("GET", "/collections/docs/snapshots").body, HasSubstr(R"({"name":"first","version":2,)"));
  EXPECT_EQ(Member(Send("GET", "/collections/docs"), "snapshot_count"), "2");
  EXPECT_EQ(Member(Send("GET", "/collections/docs"), "oldest_version"), "1");
  EXPECT_EQ(Send("DELETE", "/collections/docs/snapshots/second").body, R"({"deleted":true})");
  EXPECT_EQ(Send("DELETE", "/collections/docs/snapshots/second").status, 404);
  EXPECT_EQ(Member(Send("GET", "/collections/docs/snapshots/second"), "code"), "snapshot_not_found");
  for (const char* bad : {R"({"name":"a/b"})", R"({"name":""})", R"({"name":7})", "{}", R"({"name":"x","y":1})"}) {
    EXPECT_EQ(Send("POST", "/collections/docs/snapshots", bad).status, 400) << bad;
  }
  EXPECT_EQ(Send("POST", "/collections/none/snapshots", R"({"name":"x"})").status, 404);
  EXPECT_THAT(Send("GET", "/metrics").body, HasSubstr("akidb_snapshots 1"));
}

TEST_F(SnapshotsTest, EveryReadTakesAt) {
  for (const char* at : {R"("first")", R"({"snapshot":"first"})", R"({"version":2})"}) {
    EXPECT_EQ(Member(Search(at), "results"), kThen) << at;
  }
  EXPECT_EQ(Member(Send("POST", "/collections/docs/vectors/count", R"({"at":"first"})"), "count"), "2");
  EXPECT_EQ(
      Send("POST", "/collections/docs/vectors/get", R"({"ids":["a","b","c"],"with_vector":false,"at":"first"})").body,
      R"({"vectors":[{"id":"a","payload":{"n":1}},{"id":"b","payload":{"n":2}}]})");
  EXPECT_EQ(Send("GET", "/collections/docs/vectors/a?with_vector=false&at=first").body,
            R"({"id":"a","payload":{"n":1}})");
  EXPECT_EQ(Send("GET", "/collections/docs/vectors/a?with_vector=false&at=%7B%22version%22%3A2%7D").status, 200);
  EXPECT_EQ(Send("GET", "/collections/docs/vectors/c?at=first").status, 404);
  EXPECT_THAT(
      Member(
          Send("POST", "/collections/docs/batch-search",
               R"({"queries":[{"vector":[0,0],"at":"first"},{"vector":[0,0],"top_k":1},{"vector":[0,0],"at":"x"}]})"),
          "results"),
      testing::AllOf(
          testing::StartsWith(R"([{"results":)" + std::string(kThen) +
                              R"(},{"results":[{"id":"c","score":1.4142135623730951,"payload":{}}]},{"error":{)"),
          HasSubstr(R"("code":"snapshot_not_found")")));
}

TEST_F(SnapshotsTest, TimesAreResolved) {
  EXPECT_EQ(Member(Search(R"({"time":"1999-01-01T00:00:00Z"})"), "code"), "version_not_found");
  const HttpResponse future = Search(R"({"time":"2199-01-01T00:00:00+01:00"})");
  EXPECT_EQ(future.status, 200) << future.body;
}

TEST_F(SnapshotsTest, BadPointsAreNamed) {
  for (const char* at : {R"({})", R"({"version":1,"snapshot":"first"})", R"({"version":0})", R"({"version":-1})", "7",
                         R"("a/b")", R"("")", R"({"time":"yesterday"})", R"({"when":1})", "[]", "true"}) {
    const HttpResponse response = Search(at);
    EXPECT_EQ(response.status, 400) << at << response.body;
    EXPECT_THAT(Member(response, "detail"), HasSubstr("at")) << at;
  }
  EXPECT_EQ(Search(R"("none")").status, 404);
  EXPECT_EQ(Member(Search(R"({"version":99})"), "code"), "version_not_found");
  const std::string token = Member(Send("DELETE", "/collections/docs/vectors/zzz"), "commit");
  EXPECT_EQ(
      Send("POST", "/collections/docs/search", R"({"vector":[0,0],"at":"first","min_commit":")" + token + "\"}").status,
      400);
  EXPECT_EQ(Send("GET", "/collections/docs/vectors/a?at=first&min_commit=" + token).status, 400);
  EXPECT_EQ(Send("GET", "/collections/docs/vectors/a?at=%7B%22version%22%3A").status, 400);
  EXPECT_EQ(Send("GET", "/collections/docs/vectors/a?at=").status, 400);
}

TEST_F(SnapshotsTest, AScrollKeepsItsVersionAcrossPages) {
  const HttpResponse first = Send("POST", "/collections/docs/vectors/scroll", R"({"limit":1,"at":"first"})");
  EXPECT_EQ(Member(first, "vectors"), R"([{"id":"a","payload":{"n":1}}])");
  const std::string token = Member(first, "next_page_token");
  ASSERT_EQ(Send("DELETE", "/collections/docs/snapshots/first").status, 200);
  const auto next = [&](const std::string& more) {
    return Send("POST", "/collections/docs/vectors/scroll", R"({"limit":1,"page_token":")" + token + "\"" + more + "}");
  };
  EXPECT_EQ(next(R"(,"at":{"version":1})").status, 400);
  EXPECT_EQ(Member(next(R"(,"at":"first")"), "vectors"), R"([{"id":"b","payload":{"n":2}}])");
}

TEST_F(SnapshotsTest, RevertBringsRowsBack) {
  const HttpResponse reverted = Send("POST", "/collections/docs/snapshots/first/revert");
  EXPECT_EQ(reverted.status, 200) << reverted.body;
  EXPECT_EQ(Member(reverted, "version"), "2");
  EXPECT_EQ(Member(reverted, "manifest_version"), Member(Send("GET", "/collections/docs"), "manifest_version"));
  EXPECT_EQ(Member(Send("POST", "/collections/docs/search", R"({"vector":[0,0]})"), "results"), kThen);
  EXPECT_EQ(Send("POST", "/collections/docs/snapshots/none/revert").status, 404);
  EXPECT_EQ(Send("POST", "/collections/docs/snapshots/first/revert", R"({"x":1})").status, 400);
}

}  // namespace
}  // namespace akidb
