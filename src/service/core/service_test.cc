#include "service/core/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <atomic>
#include <future>
#include <thread>

#include "format/columns.h"
#include "objstore/forwarding_store_testing.h"
#include "objstore/memory/memory_store.h"
#include "service/core/service_testing.h"

namespace akidb {
namespace {

using testing::HasSubstr;

class ServiceTest : public testing::Test {
 protected:
  void CreateDocs() {
    ASSERT_EQ(Send("POST", "/collections", R"({"name":"docs","vector_dim":2,"distance":"Euclidean"})").status, 201);
  }
  void FillDocs() {
    CreateDocs();
    ASSERT_EQ(
        Send(
            "POST", "/collections/docs/vectors",
            R"({"vectors":[{"id":"a","vector":[0,0],"payload":{"n":1,"t":"x"}},{"id":"b","vector":[3,4],"payload":{"n":2}},{"id":3,"vector":[6,8]}]})")
            .status,
        200);
  }
  HttpResponse Send(std::string method, std::string target, std::string body = "",
                    std::string type = "application/json") {
    return test_.Send(std::move(method), std::move(target), std::move(body), std::move(type));
  }
  // The problem's code, or "" if the answer is none.
  static std::string Code(const HttpResponse& response) {
    return response.content_type == "application/problem+json" ? Member(response, "code") : "";
  }
  static std::string Member(const HttpResponse& response, std::string_view key) {
    simdjson::dom::parser parser;
    simdjson::dom::element value;
    if (parser.parse(response.body)[key].get(value) != simdjson::SUCCESS) return "";
    return value.is_string() ? std::string(value.get_string().value()) : simdjson::minify(value);
  }
  // The body without the members that change from run to run.
  static std::string Results(const HttpResponse& response) { return Member(response, "results"); }

  TestService test_;
};

TEST_F(ServiceTest, CollectionsComeAndGo) {
  const HttpResponse created =
      Send("POST", "/collections", R"({"name":"docs","vector_dim":384,"distance":"Cosine","vector_type":"f16"})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(Member(created, "vector_type"), "f16");
  EXPECT_EQ(Member(created, "vector_count"), "0");
  EXPECT_EQ(Send("POST", "/collections", R"({"name":"docs","vector_dim":2,"distance":"Cosine"})").status, 409);
  EXPECT_THAT(Send("GET", "/collections").body, HasSubstr(R"("name":"docs")"));
  EXPECT_EQ(Member(Send("GET", "/collections/docs"), "vector_dim"), "384");
  EXPECT_EQ(Send("DELETE", "/collections/docs").status, 200);
  EXPECT_EQ(Send("GET", "/collections/docs").status, 404);
  EXPECT_EQ(Send("DELETE", "/collections/docs").status, 404);
}

TEST_F(ServiceTest, PatchChangesWhatMayChange) {
  CreateDocs();
  const HttpResponse changed = Send("PATCH", "/collections/docs", R"({"recall":0.9,"index":{"m":32}})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(Member(changed, "recall"), "0.9");
  EXPECT_THAT(Member(changed, "index"), HasSubstr(R"("m":32)"));
  EXPECT_THAT(Member(changed, "index"), HasSubstr(R"("ef_construction":200)"));
  EXPECT_EQ(Code(Send("PATCH", "/collections/docs", R"({"vector_dim":3})")), "immutable_field");
  EXPECT_EQ(Code(Send("PATCH", "/collections/docs", R"({"nothing":3})")), "unknown_field");
  EXPECT_EQ(Send("PATCH", "/collections/docs", R"({"index":{"nothing":3}})").status, 400);
  EXPECT_EQ(Member(Send("GET", "/collections/docs"), "recall"), "0.9");
}

TEST_F(ServiceTest, WritesAreReadBack) {
  FillDocs();
  EXPECT_EQ(Send("GET", "/collections/docs/vectors/a").body, R"({"id":"a","vector":[0,0],"payload":{"n":1,"t":"x"}})");
  EXPECT_EQ(Send("GET", "/collections/docs/vectors/3?with_vector=false").body, R"({"id":"3","payload":{}})");
  EXPECT_EQ(Code(Send("GET", "/collections/docs/vectors/z")), "id_not_found");
  EXPECT_EQ(Send("POST", "/collections/docs/vectors/get", R"({"ids":[3,"z","a"],"with_payload":false})").body,
            R"({"vectors":[{"id":"3","vector":[6,8]},{"id":"a","vector":[0,0]}]})");
  EXPECT_EQ(Send("POST", "/collections/docs/vectors/count").body, R"({"count":3})");
  EXPECT_EQ(
      Send("POST", "/collections/docs/vectors/count", R"({"filter":{"must":[{"key":"n","range":{"gte":2}}]}})").body,
      R"({"count":1})");
}

TEST_F(ServiceTest, IdsArePercentDecodedOnce) {
  CreateDocs();
  ASSERT_EQ(Send("POST", "/collections/docs/vectors", R"({"vectors":[{"id":"a/b%20c","vector":[1,2]}]})").status, 200);
  EXPECT_EQ(Member(Send("GET", "/collections/docs/vectors/a%2Fb%2520c"), "id"), "a/b%20c");
}

TEST_F(ServiceTest, ABadRowRefusesTheBatchAndPartialReportsIt) {
  CreateDocs();
  const std::string rows =
      R"([{"id":"a","vector":[1,2]},{"id":"b","vector":[1,2,3]},{"id":"","vector":[1,2]},{"id":"d","vector":[1,2],"payload":7}])";
  EXPECT_EQ(Code(Send("POST", "/collections/docs/vectors", R"({"vectors":)" + rows + "}")), "wrong_dimension");
  EXPECT_EQ(Send("POST", "/collections/docs/vectors/count").body, R"({"count":0})");
  const HttpResponse partial = Send("POST", "/collections/docs/vectors?partial=true", R"({"vectors":)" + rows + "}");
  EXPECT_EQ(partial.status, 207) << partial.body;
  EXPECT_EQ(Member(partial, "upserted"), "1");
  simdjson::dom::parser parser;
  std::vector<std::string> codes;
  for (const auto item : parser.parse(partial.body)["items"].get_array()) {
    std::string_view code;
    codes.emplace_back(item["code"].get_string().get(code) == simdjson::SUCCESS ? code : "");
  }
  EXPECT_EQ(codes, (std::vector<std::string>{"", "wrong_dimension", "empty_id", "invalid_payload"}));
  EXPECT_EQ(Send("POST", "/collections/docs/vectors/count").body, R"({"count":1})");
}

TEST_F(ServiceTest, ModesAreKept) {
  FillDocs();
  EXPECT_EQ(Code(Send("POST", "/collections/docs/vectors?mode=insert", R"({"vectors":[{"id":"a","vector":[1,2]}]})")),
            "id_exists");
  EXPECT_EQ(
      Code(Send("POST", "/collections/docs/vectors", R"({"mode":"update","vectors":[{"id":"new","vector":[1,2]}]})")),
      "id_not_found");
  EXPECT_EQ(Code(Send("POST", "/collections/docs/vectors?mode=insert", R"({"mode":"update","vectors":[]})")),
            "duplicate_field");
  EXPECT_EQ(
      Send("POST", "/collections/docs/vectors", R"({"mode":"update","vectors":[{"id":"a","vector":[1,2]}]})").status,
      200);
}

TEST_F(ServiceTest, AcceptsColumns) {
  CreateDocs();
  const float vectors[] = {1, 2, 3, 4};
  ColumnBatch batch;
  batch.dim = 2;
  batch.ids = {"a", "b"};
  batch.vectors = {reinterpret_cast<const char*>(vectors), sizeof(vectors)};
  batch.payloads = {"{}", R"({"n":1})"};
  const HttpResponse written =
      Send("POST", "/collections/docs/vectors?ack=committed", EncodeColumns(batch), std::string(kColumnsContentType));
  EXPECT_EQ(written.status, 200) << written.body;
  EXPECT_EQ(Member(Send("GET", "/collections/docs"), "segment_count"), "1");
  EXPECT_EQ(Member(Send("GET", "/collections/docs/vectors/b"), "vector"), "[3,4]");
}

TEST_F(ServiceTest, WrongContentTypeIs415) {
  CreateDocs();
  EXPECT_EQ(Send("POST", "/collections/docs/vectors", R"({"vectors":[]})", "text/plain").status, 415);
  EXPECT_EQ(Send("POST", "/collections", "{}", "").status, 415);
  EXPECT_EQ(Send("POST", "/collections/docs/search", R"({"vector":[1,2]})", "application/JSON; charset=utf-8").status,
            200);
}

TEST_F(ServiceTest, DeletesByIdAndFilter) {
  FillDocs();
  EXPECT_EQ(Member(Send("DELETE", "/collections/docs/vectors/a"), "deleted"), "1");
  EXPECT_EQ(Member(Send("DELETE", "/collections/docs/vectors/a"), "deleted"), "0");
  EXPECT_EQ(Member(Send("POST", "/collections/docs/vectors/delete",
                        R"({"filter":{"must":[{"key":"n","match":{"value":2}}]}})"),
                   "deleted"),
            "1");
  EXPECT_EQ(Member(Send("POST", "/collections/docs/vectors/delete", R"({"ids":["x",3]})"), "deleted"), "1");
  EXPECT_EQ(Send("POST", "/collections/docs/vectors/delete", R"({"ids":["x"],"filter":{"must":[]}})").status, 400);
  EXPECT_EQ(Send("POST", "/collections/docs/vectors/delete", "{}").status, 400);
  EXPECT_EQ(Send("POST", "/collections/docs/vectors/count").body, R"({"count":0})");
}

TEST_F(ServiceTest, MergesPayloads) {
  FillDocs();
  EXPECT_EQ(Send("PATCH", "/collections/docs/vectors/a/payload", R"({"n":null,"k":[1]})").status, 200);
  EXPECT_EQ(Member(Send("GET", "/collections/docs/vectors/a"), "payload"), R"({"t":"x","k":[1]})");
  EXPECT_EQ(Code(Send("PATCH", "/collections/docs/vectors/zz/payload", "{}")), "id_not_found");
  EXPECT_EQ(Code(Send("PATCH", "/collections/docs/vectors/a/payload", "[]")), "invalid_payload");
}

TEST_F(ServiceTest, SearchesInOrderOfDistance) {
  FillDocs();
  const HttpResponse found = Send("POST", "/collections/docs/search", R"({"vector":[0,0],"top_k":2})");
  EXPECT_EQ(Results(found),
            R"([{"id":"a","score":0,"payload":{"n":1,"t":"x"}},{"id":"b","score":5,"payload":{"n":2}}])")
      << found.body;
  EXPECT_EQ(
      Results(Send("POST", "/collections/docs/search",
                   R"({"vector":[0,0],"offset":2,"with_payload":false,"with_vector":true,"score_threshold":10})")),
      R"([{"id":"3","score":10,"vector":[6,8]}])");
  EXPECT_EQ(
      Results(Send("POST", "/collections/docs/search",
                   R"({"vector":[0,0],"filter":{"must":[{"key":"n","match":{"value":2}}]},"with_payload":false})")),
      R"([{"id":"b","score":5}])");
  EXPECT_THAT(Send("POST", "/collections/docs/search", R"({"vector":[0,0],"explain":true})").body,
              HasSubstr(R"("rows":3)"));
}

TEST_F(ServiceTest, RefusesBadSearches) {
  FillDocs();
  for (const char* body :
       {"{}", R"({"vector":[1]})", R"({"vector":"x"})", R"({"vector":[1,NaN]})", R"({"vector":[1,1e39]})",
        R"({"vector":[1,2],"top_k":0})", R"({"vector":[1,2],"top_k":9223372036854775808})",
        R"({"vector":[1,2],"top_k":10000,"offset":1})", R"({"vector":[1,2],"limit":3})", R"({"vector":[1,2],"at":7})",
        R"({"vector":[1,2],"timeout_ms":0})", R"({"vector":[1,2],"filter":{"must":7}})",
        R"({"vector":[1,2],"min_commit":"nonsense"})", R"({"vector":[1,2])", "", "[]"}) {
    const HttpResponse answer = Send("POST", "/collections/docs/search", body);
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    EXPECT_NE(Member(answer, "detail"), "") << body;
  }
  EXPECT_EQ(Send("POST", "/collections/nothing/search", R"({"vector":[1,2]})").status, 404);
}

TEST_F(ServiceTest, BatchSearchKeepsOrderAndFailsQueriesAlone) {
  FillDocs();
  const HttpResponse answer = Send(
      "POST", "/collections/docs/batch-search",
      R"({"queries":[{"vector":[6,8],"top_k":1,"with_payload":false},{"vector":[1]},{"vector":[0,0],"top_k":1,"with_payload":false},7]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  simdjson::dom::parser parser;
  simdjson::dom::array results;
  ASSERT_EQ(parser.parse(answer.body)["results"].get_array().get(results), simdjson::SUCCESS);
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(simdjson::minify(results.at(0)), R"({"results":[{"id":"3","score":0}]})");
  EXPECT_EQ(results.at(1)["error"]["status"].get_int64().value(), 400);
  EXPECT_EQ(simdjson::minify(results.at(2)), R"({"results":[{"id":"a","score":0}]})");
  EXPECT_EQ(results.at(3)["error"]["code"].get_string().value(), "invalid_json");
}

TEST_F(ServiceTest, ScrollStaysOnItsSnapshot) {
  FillDocs();
  const HttpResponse first = Send("POST", "/collections/docs/vectors/scroll", R"({"limit":2,"with_payload":false})");
  EXPECT_EQ(Member(first, "vectors"), R"([{"id":"3"},{"id":"a"}])");
  ASSERT_EQ(Send("DELETE", "/collections/docs/vectors/b").status, 200);
  const std::string token = Member(first, "next_page_token");
  const HttpResponse second = Send("POST", "/collections/docs/vectors/scroll",
                                   R"({"limit":2,"with_payload":false,"page_token":")" + token + "\"}");
  EXPECT_EQ(second.body, R"({"vectors":[{"id":"b"}],"next_page_token":null})");
  EXPECT_EQ(Send("POST", "/collections/docs/vectors/scroll", R"({"page_token":")" + token + "\"}").status, 410);
  EXPECT_EQ(Send("POST", "/collections/docs/vectors/scroll", R"({"page_token":"nonsense"})").status, 400);
}

TEST_F(ServiceTest, ReadsWaitForTheirWrite) {
  CreateDocs();
  const std::string commit =
      Member(Send("POST", "/collections/docs/vectors", R"({"vectors":[{"id":"a","vector":[1,2]}]})"), "commit");
  EXPECT_EQ(Results(Send("POST", "/collections/docs/search",
                         R"({"vector":[1,2],"with_payload":false,"min_commit":")" + commit + "\"}")),
            R"([{"id":"a","score":0}])");
  Position future = *Position::FromToken(commit);
  future.lsn = Lsn(future.lsn.value() + 1000);
  EXPECT_EQ(
      Send("POST", "/collections/docs/search", R"({"vector":[1,2],"min_commit":")" + future.ToToken() + "\"}").status,
      504);
}

TEST_F(ServiceTest, FlushIsAJob) {
  FillDocs();
  const HttpResponse flushed = Send("POST", "/collections/docs/flush", "", "");
  EXPECT_EQ(flushed.status, 200) << flushed.body;
  EXPECT_EQ(Member(flushed, "state"), "succeeded");
  EXPECT_EQ(Member(Send("GET", "/collections/docs"), "segment_count"), "1");
  const HttpResponse merging = Send("POST", "/collections/docs/merge", R"({"full":true})");
  EXPECT_EQ(merging.status, 202);
  const std::string id = Member(merging, "id");
  EXPECT_EQ(Member(Send("GET", "/jobs/" + id), "state"), "succeeded");
  EXPECT_THAT(Send("GET", "/jobs").body, HasSubstr(id));
  EXPECT_EQ(Send("DELETE", "/jobs/" + id).status, 200);
  EXPECT_EQ(Code(Send("GET", "/jobs/" + id)), "job_not_found");
}

TEST_F(ServiceTest, ACancelledJobAnswersItsWaiter) {
  CreateDocs();
  test_.queue().Hold();
  const HttpResponse queued = Send("POST", "/collections/docs/flush", R"({"wait":false})");
  ASSERT_EQ(queued.status, 202);
  EXPECT_EQ(Send("DELETE", "/jobs/" + Member(queued, "id")).status, 200);
  test_.queue().Release();
  EXPECT_EQ(Member(Send("GET", "/jobs/" + Member(queued, "id")), "state"), "cancelled");
}

TEST_F(ServiceTest, NamesNeverBecomePaths) {
  for (const char* target :
       {"/collections/..", "/collections/%2e%2e", "/collections/%2E%2E%2F", "/collections/..%2f..%2fetc",
        "/collections/%2e%2e/vectors/a", "/collections/../../etc/passwd", "/collections/..%5c", "/collections/%00",
        "/collections/a%00b", "/collections/.hidden", "/collections/%252e%252e%252f"}) {
    const int status = Send("GET", target).status;
    EXPECT_TRUE(status == 400 || status == 404) << target << " " << status;
  }
  EXPECT_EQ(Send("POST", "/collections", R"({"name":"../x","vector_dim":2,"distance":"Cosine"})").status, 400);
}

TEST_F(ServiceTest, UnknownPathsMethodsAndParametersAreNamed) {
  EXPECT_EQ(Code(Send("GET", "/nothing")), "route_not_found");
  const HttpResponse wrong = Send("PUT", "/collections");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_THAT(wrong.headers, testing::Contains(testing::Pair("Allow", "POST, GET, HEAD")));
  EXPECT_THAT(Send("GET", "/version?x=1").body, HasSubstr("unknown query parameter \\\"x\\\""));
}

TEST_F(ServiceTest, RequestIdsAreKeptIfSaneAndMintedIfNot) {
  const auto id_of = [&](const std::string& sent) {
    HttpRequest request{
        .method = "GET", .target = "/version", .headers = {{"x-request-id", sent}}, .body = {}, .remote = {}};
    std::string id;
    test_.service().Handle(std::move(request), [&](HttpResponse response) {
      for (const auto& [name, value] : response.headers) {
        if (name == "X-Request-Id") id = value;
      }
    });
    return id;
  };
  EXPECT_EQ(id_of("abc-1"), "abc-1");
  EXPECT_EQ(id_of("a\r\nb").size(), 32u);
  EXPECT_EQ(id_of(std::string(200, 'a')).size(), 32u);
  EXPECT_EQ(id_of("").size(), 32u);
}

TEST_F(ServiceTest, OperationsAnswer) {
  FillDocs();
  EXPECT_EQ(Send("GET", "/health/live").body, R"({"status":"live"})");
  EXPECT_EQ(Send("GET", "/health/ready").status, 200);
  EXPECT_THAT(Send("GET", "/limits").body, HasSubstr(R"("vector_dim_max":16384)"));
  EXPECT_THAT(Send("GET", "/version").body, HasSubstr(R"("name":"akidb")"));
  const std::string metrics = Send("GET", "/metrics").body;
  for (const char* line :
       {"akidb_api_requests_total{method=\"POST\",route=\"/collections\",status=\"201\"} 1\n",
        "akidb_index_vectors_total 3\n", "akidb_collections_loaded 1\n",
        "akidb_wal_operations_total{operation=\"append\"}", "akidb_at_risk_bytes ", "akidb_memory_resident_bytes "}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
  test_.service().BeginDrain();
  EXPECT_EQ(Send("GET", "/health/ready").status, 503);
}

TEST(ServiceOptionsTest, AFailingDependencyIsNamed) {
  ServiceOptions options;
  options.health_checks.push_back({"store", [] { return Unavailable("no route"); }});
  TestService test(std::move(options));
  const HttpResponse answer = test.Send("GET", "/health/ready");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr(R"("store":{"status":"failed","detail":"no route"})"));
}

TEST(ServiceOptionsTest, OnlyLargeWritesMoveToTheBulkQueue) {
  TestWorkQueue bulk;
  ServiceOptions options;
  options.bulk_queue = &bulk;
  options.inline_write_bytes_max = 100;
  TestService test(std::move(options));
  ASSERT_EQ(test.Send("POST", "/collections", R"({"name":"c","vector_dim":2,"distance":"Cosine"})").status, 201);
  bulk.Hold();
  EXPECT_EQ(test.Send("POST", "/collections/c/vectors", R"({"vectors":[{"id":"a","vector":[1,0]}]})").status, 200);
  HttpRequest large;
  large.method = "POST";
  large.target = "/collections/c/vectors";
  large.headers = {{"Content-Type", "application/json"}};
  large.body = R"({"vectors":[{"id":"b","vector":[0,1],"payload":{"text":")" + std::string(200, 'x') + R"("}}]})";
  large.body.reserve(large.body.size() + kBodyPaddingBytes);
  std::promise<int> status;
  test.service().Handle(std::move(large), [&](HttpResponse answer) { status.set_value(answer.status); });
  bulk.AwaitHeld(1);
  EXPECT_THAT(test.Send("POST", "/collections/c/vectors/count", "{}").body, HasSubstr(R"("count":1})"));
  bulk.Release();
  EXPECT_EQ(status.get_future().get(), 200);
  EXPECT_THAT(test.Send("POST", "/collections/c/vectors/count", "{}").body, HasSubstr(R"("count":2})"));
}

TEST(ServiceOptionsTest, WhatMayWaitForTheStoreLeavesTheThread) {
  struct SlowStore final : ForwardingStore {
    SlowStore() : ForwardingStore(NewMemoryStore(RealClock())) {}
    Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                    char* out) override {
      const MonotonicTime end = RealClock().Now() + std::chrono::milliseconds(slow ? 400 : 0);
      while (RealClock().Now() < end) std::this_thread::yield();
      return ForwardingStore::GetRange(ctx, key, range, version_id, out);
    }
    std::atomic<bool> slow = false;
  };
  const auto store = std::make_shared<SlowStore>();
  const auto start = [&](const std::string& name) {
    EngineOptions engine;
    engine.shared_store = engine.leases = true;
    engine.node = name;
    ServiceOptions options;
    options.held_up = std::chrono::milliseconds(300);  // longer than a busy machine takes
    auto node = std::make_unique<TestService>(options, engine, store);
    node->database().nodes()->SetAddress("http://" + name + ":1");
    return node;
  };
  const auto filled = start("a");
  ASSERT_EQ(filled->Send("POST", "/collections", R"({"name":"c","vector_dim":2,"distance":"Cosine"})").status, 201);
  for (const std::string id : {"a", "b", "c"}) {  // payloads of a block each
    ASSERT_EQ(filled
                  ->Send("POST", "/collections/c/vectors",
                         R"({"vectors":[{"id":")" + id + R"(","vector":[1,0],"payload":{"text":")" +
                             std::string(40000, id[0]) + R"("}}]})")
                  .status,
              200);
  }
  ASSERT_EQ(filled->Send("POST", "/collections/c/flush", "{}").status, 200);
  const auto cold = start("b");
  const auto posted_by = [&](const std::string& method, const std::string& target, const std::string& body = "") {
    const size_t before = cold->queue().posted();
    EXPECT_EQ(cold->Send(method, target, body).status, 200);
    return cold->queue().posted() - before;
  };
  const std::string search = R"({"vector":[1,0],"with_payload":false})";
  EXPECT_EQ(posted_by("POST", "/collections/c/search", search), 1u) << "segments are opened there";
  EXPECT_EQ(posted_by("POST", "/collections/c/search", search), 0u);
  EXPECT_EQ(posted_by("GET", "/collections/c/vectors/a"), 0u);
  store->slow = true;
  EXPECT_EQ(posted_by("GET", "/collections/c/vectors/b"), 0u);
  EXPECT_EQ(posted_by("GET", "/collections/c/vectors/c"), 1u) << "for the one before held the thread up";
  EXPECT_EQ(posted_by("GET", "/health/live"), 0u);
}

TEST(ServiceOptionsTest, SearchesThatKeepManyRowsInViewMoveToTheWorkQueueToo) {
  ServiceOptions options;
  options.inline_elements_max = 10;
  TestService test(std::move(options));
  ASSERT_EQ(test.Send("POST", "/collections", R"({"name":"c","vector_dim":2,"distance":"Cosine"})").status, 201);
  const auto posted_by = [&](const std::string& body) {
    const size_t before = test.queue().posted();
    EXPECT_EQ(test.Send("POST", "/collections/c/search", body).status, 200);
    return test.queue().posted() - before;
  };
  ASSERT_EQ(test.Send("POST", "/collections/c/vectors", R"({"vectors":[{"id":"a","vector":[1,0]}]})").status, 200);
  EXPECT_EQ(posted_by(R"({"vector":[1,0],"top_k":1})"), 0u);
  EXPECT_EQ(posted_by(R"({"vector":[1,0],"top_k":5})"), 1u);
  EXPECT_EQ(posted_by(R"({"vector":[1,0],"top_k":1,"offset":4})"), 1u);
  EXPECT_EQ(posted_by(R"({"vector":[1,0],"top_k":1,"ef_search":5})"), 1u);
}

TEST(ServiceOptionsTest, BigSearchesAndBatchesMoveToTheWorkQueue) {
  ServiceOptions options;
  options.inline_elements_max = 1;
  TestService test(std::move(options));
  ASSERT_EQ(test.Send("POST", "/collections", R"({"name":"c","vector_dim":2,"distance":"Cosine"})").status, 201);
  ASSERT_EQ(test.Send("POST", "/collections/c/vectors", R"({"vectors":[{"id":"a","vector":[1,0]}]})").status, 200);
  EXPECT_EQ(test.Send("POST", "/collections/c/search", R"({"vector":[1,0]})").status, 200);
  EXPECT_EQ(test.Send("POST", "/collections/c/batch-search",
                      R"({"queries":[{"vector":[1,0]},{"vector":[0,1]},{"vector":[1,1]}]})")
                .status,
            200);
}

}  // namespace
}  // namespace akidb
