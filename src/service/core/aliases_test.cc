#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "service/core/service_testing.h"

namespace akidb {
namespace {

using testing::HasSubstr;

class AliasesTest : public testing::Test {
 protected:
  AliasesTest() {
    for (const std::string name : {"docs-1", "docs-2"}) {
      const std::string row = R"({"vectors":[{"id":")" + name + R"(","vector":[1,0]}]})";
      EXPECT_EQ(Send("POST", "/collections", R"({"name":")" + name + R"(","vector_dim":2,"distance":"Cosine"})").status,
                201);
      EXPECT_EQ(Send("POST", "/collections/" + name + "/vectors", row).status, 200);
    }
  }
  HttpResponse Send(std::string method, std::string target, std::string body = "") {
    return test_.Send(std::move(method), std::move(target), std::move(body));
  }
  // Status and code of a problem: "409 alias_moved".
  std::string Problem(std::string method, std::string target, std::string body = "") {
    const HttpResponse response = Send(std::move(method), std::move(target), std::move(body));
    simdjson::dom::parser parser;
    std::string_view code;
    const bool is_problem = response.content_type == "application/problem+json" &&
                            parser.parse(response.body)["code"].get(code) == simdjson::SUCCESS;
    return std::to_string(response.status) + (is_problem ? " " + std::string(code) : "");
  }
  std::string FoundThrough(const std::string& name) {
    return Send("POST", "/collections/" + name + "/search", R"({"vector":[1,0],"top_k":1,"with_payload":false})").body;
  }

  TestService test_;
};

TEST_F(AliasesTest, AnAliasStandsForItsCollectionInEveryRead) {
  EXPECT_EQ(Send("PUT", "/aliases/docs", R"({"collection":"docs-1"})").body,
            R"({"alias":"docs","collection":"docs-1"})");
  EXPECT_EQ(Send("GET", "/aliases").body, R"({"aliases":[{"alias":"docs","collection":"docs-1"}]})");
  EXPECT_THAT(Send("GET", "/collections/docs").body, HasSubstr(R"("name":"docs-1")"));
  EXPECT_THAT(FoundThrough("docs"), HasSubstr(R"("id":"docs-1")"));
  EXPECT_EQ(Send("POST", "/collections/docs/vectors", R"({"vectors":[{"id":"x","vector":[0,1]}]})").status, 200);
  EXPECT_EQ(Send("POST", "/collections/docs-1/vectors/count").body, R"({"count":2})");
  EXPECT_EQ(Send("PATCH", "/collections/docs", R"({"recall":0.9})").status, 200);
  EXPECT_EQ(Send("PUT", "/aliases/docs", R"({"collection":"docs-2"})").status, 200);
  EXPECT_THAT(FoundThrough("docs"), HasSubstr(R"("id":"docs-2")"));
  EXPECT_EQ(Send("DELETE", "/aliases/docs").body, R"({"dropped":true})");
  EXPECT_EQ(Problem("GET", "/collections/docs"), "404 collection_not_found");
  EXPECT_EQ(Send("GET", "/aliases").body, R"({"aliases":[]})");
}

TEST_F(AliasesTest, ASwitchNeedsTheCollectionItIsToLeave) {
  ASSERT_EQ(Send("PUT", "/aliases/docs", R"({"collection":"docs-1"})").status, 200);
  const std::string forward = R"({"alias":"docs","from":"docs-1","to":"docs-2"})";
  EXPECT_EQ(Send("POST", "/aliases:switch", forward).body, R"({"alias":"docs","collection":"docs-2"})");
  EXPECT_EQ(Problem("POST", "/aliases:switch", forward), "409 alias_moved");
  EXPECT_THAT(FoundThrough("docs"), HasSubstr(R"("id":"docs-2")"));
  EXPECT_EQ(Problem("POST", "/aliases:switch", R"({"alias":"docs","from":"docs-2","to":"nothing"})"),
            "404 collection_not_found");
  EXPECT_EQ(Problem("POST", "/aliases:switch", R"({"alias":"nothing","from":"docs-2","to":"docs-1"})"),
            "404 alias_not_found");
}

TEST_F(AliasesTest, ANameIsACollectionsOrAnAlias) {
  ASSERT_EQ(Send("PUT", "/aliases/docs", R"({"collection":"docs-1"})").status, 200);
  EXPECT_EQ(Problem("POST", "/collections", R"({"name":"docs","vector_dim":2,"distance":"Cosine"})"),
            "409 alias_exists");
  EXPECT_EQ(Problem("PUT", "/aliases/docs-2", R"({"collection":"docs-1"})"), "409 collection_exists");
  EXPECT_EQ(Problem("PUT", "/aliases/other", R"({"collection":"docs"})"), "404 collection_not_found");
}

TEST_F(AliasesTest, WhatAnAliasPointsToIsNotDropped) {
  ASSERT_EQ(Send("PUT", "/aliases/docs", R"({"collection":"docs-1"})").status, 200);
  EXPECT_EQ(Problem("DELETE", "/collections/docs-1"), "409 collection_has_aliases");
  EXPECT_THAT(Send("DELETE", "/collections/docs-1").body, HasSubstr("alias docs points to"));
  EXPECT_EQ(Problem("DELETE", "/collections/docs"), "409 is_alias");
  ASSERT_EQ(Send("DELETE", "/aliases/docs").status, 200);
  EXPECT_EQ(Send("DELETE", "/collections/docs-1").status, 200);
}

TEST_F(AliasesTest, BadInputIsRefused) {
  EXPECT_EQ(Problem("PUT", "/aliases/%2E%2E%2Fx", R"({"collection":"docs-1"})"), "400 invalid_argument");
  EXPECT_EQ(Problem("PUT", "/aliases/docs", R"({"collection":"../x"})"), "400 invalid_argument");
  EXPECT_EQ(Problem("PUT", "/aliases/docs", R"({"collection":7})"), "400 invalid_field");
  EXPECT_EQ(Problem("PUT", "/aliases/docs", R"({})"), "400 missing_field");
  EXPECT_EQ(Problem("PUT", "/aliases/docs", R"({"collection":"docs-1","x":1})"), "400 unknown_field");
  EXPECT_EQ(Problem("PUT", "/aliases/docs", R"({"collection":"nothing"})"), "404 collection_not_found");
  EXPECT_EQ(Problem("POST", "/aliases:switch", R"({"alias":"docs","from":"docs-1"})"), "400 missing_field");
  EXPECT_EQ(Problem("DELETE", "/aliases/nothing"), "404 alias_not_found");
  EXPECT_EQ(Problem("DELETE", "/aliases/" + std::string(256, 'a')), "400 invalid_argument");
  EXPECT_EQ(Problem("POST", "/aliases/docs"), "405 method_not_allowed");
}

}  // namespace
}  // namespace akidb
