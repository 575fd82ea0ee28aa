#include <gtest/gtest.h>
#include <simdjson.h>

#include <cstdlib>
#include <optional>
#include <set>

#include "service/core/fields.h"
#include "service/core/jobs.h"
#include "service/core/metrics.h"
#include "service/core/openapi.h"
#include "service/core/problem.h"
#include "service/core/router.h"
#include "service/core/scroll_cursors.h"

namespace akidb {
namespace {

class FakeClock : public Clock {
 public:
  MonotonicTime Now() override { return now; }
  WallTime WallNow() override { return WallTime(now.time_since_epoch()); }
  MonotonicTime now{};
};

// Runs work when told to.
class ManualQueue : public WorkQueue {
 public:
  void Post(std::move_only_function<void()> work) override { posted.push_back(std::move(work)); }
  size_t threads() const override { return 1; }
  void Finish() override {}
  std::vector<std::move_only_function<void()>> posted;
};

TEST(ProblemTest, ReasonsRefineTheStatus) {
  EXPECT_EQ(HttpStatusOf(ResourceExhausted("x")), 429);
  EXPECT_EQ(HttpStatusOf(ResourceExhausted("x").WithReason("disk_full")), 507);
  EXPECT_EQ(HttpStatusOf(InvalidArgument("x").WithReason("body_too_large")), 413);
  EXPECT_EQ(HttpStatusOf(FailedPrecondition("x").WithReason("cursor_expired")), 410);
  EXPECT_EQ(HttpStatusOf(DataLoss("x")), 500);
  EXPECT_EQ(HttpStatusOf(DeadlineExceeded("x")), 504);
}

TEST(ProblemTest, TellsClientsWhatToDo) {
  const HttpResponse response = ProblemResponse(ResourceExhausted("full").WithReason("unflushed_full"), "r1");
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(
      response.body,
      R"({"type":"about:blank","title":"Too Many Requests","status":429,"code":"unflushed_full","detail":"full","request_id":"r1","retryable":true})");
  ASSERT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.headers[0].first, "Retry-After");
}

TEST(RouterTest, QuestionsGoBeforeChangesWhereRequestsQueueForTheStore) {
  std::set<std::string_view> first;
  for (const Route& route : Routes()) {
    if (PriorityOf(route) == Priority::kQuery && route.method != "GET") first.insert(route.operation);
  }
  EXPECT_EQ(first,
            (std::set<std::string_view>{"search", "batchSearch", "getVectors", "scrollVectors", "countVectors"}));
  EXPECT_EQ(PriorityOf(*MatchRoute("DELETE", {"collections", "c"}).route), Priority::kWrite);
  EXPECT_EQ(PriorityOf(*MatchRoute("HEAD", {"collections", "c"}).route), Priority::kQuery);
}

TEST(RouterTest, TellsUnknownPathsFromUnknownMethods) {
  EXPECT_EQ(MatchRoute("POST", {"collections", "c", "search"}).route->operation, "search");
  EXPECT_EQ(MatchRoute("HEAD", {"version"}).route->operation, "version");
  EXPECT_EQ(MatchRoute("GET", {"nothing"}).allow, "");
  const RouteMatch wrong = MatchRoute("PUT", {"collections", "c"});
  EXPECT_EQ(wrong.route, nullptr);
  EXPECT_EQ(wrong.allow, "GET, HEAD, PATCH, DELETE");
}

TEST(RouterTest, PrefersFixedSegmentsAndKeepsPlaceholders) {
  EXPECT_EQ(MatchRoute("POST", {"collections", "c", "vectors", "get"}).route->operation, "getVectors");
  const RouteMatch match = MatchRoute("GET", {"collections", "c", "vectors", "get"});
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.params, (std::vector<std::string>{"c", "get"}));
}

TEST(OpenApiTest, HasTheRoutersPathsMethodsAndParameters) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  ASSERT_EQ(parser.parse(OpenApiJson().data(), OpenApiJson().size()).get(document), simdjson::SUCCESS);
  std::set<std::string> documented;
  for (const auto [path, item] : document["paths"].get_object()) {
    for (const auto [method, operation] : item.get_object()) {
      if (method == "parameters") continue;
      std::string upper(method);
      for (char& c : upper) c = static_cast<char>(c - 32);
      std::string line =
          upper + " " + std::string(path) + " " + std::string(operation["operationId"].get_string().value());
      std::set<std::string> names;
      simdjson::dom::array parameters;
      if (operation["parameters"].get_array().get(parameters) == simdjson::SUCCESS) {
        for (const auto parameter : parameters) {
          std::string_view name;
          names.emplace(parameter["name"].get_string().get(name) == simdjson::SUCCESS ? name : "ack");
        }
      }
      for (const std::string& name : names) line += " " + name;
      documented.insert(line);
    }
  }
  std::set<std::string> routed;
  for (const Route& route : Routes()) {
    std::string line =
        std::string(route.method) + " " + std::string(route.pattern) + " " + std::string(route.operation);
    for (const std::string_view name : std::set<std::string_view>(route.query.begin(), route.query.end())) {
      line += " " + std::string(name);
    }
    routed.insert(line);
  }
  EXPECT_EQ(documented, routed);
}

class FieldsTest : public testing::Test {
 protected:
  Fields ParseBody(std::string text) {
    text_ = std::move(text);
    text_.reserve(text_.size() + 64);
    return Fields::Parse(text_, "");
  }
  std::string text_;
};

TEST_F(FieldsTest, NamesFieldValueAndLimit) {
  Fields fields = ParseBody(R"({"top_k": 0})");
  uint32_t top_k = 10;
  fields.Uint("top_k", 1, 10000, &top_k);
  EXPECT_EQ(fields.Done().message(), "field \"top_k\" is 0; it must be an integer from 1 to 10000");
  EXPECT_EQ(top_k, 10u);
}

TEST_F(FieldsTest, AnUnknownFieldIsToldWhichAreKnown) {
  Fields fields = ParseBody(R"({"topk": 3})");
  uint32_t top_k = 10;
  std::vector<float> vector;
  fields.Floats("vector", 2, &vector);
  fields.Uint("top_k", 1, 10000, &top_k);
  EXPECT_EQ(fields.Done().message(), "unknown field \"topk\"; known are vector, top_k");
  EXPECT_EQ(ParseBody(R"({"x": 3})").Done().message(), "unknown field \"x\"; no field is known here");
}

TEST_F(FieldsTest, AWrongFilterIsNamedOnce) {
  const auto message = [&](std::string where) {
    text_ = R"({"filter":{"must":7}})";
    text_.reserve(text_.size() + 64);
    Fields fields = Fields::Parse(text_, std::move(where));
    std::shared_ptr<const Filter> filter;
    fields.FilterTree("filter", Limits{}, &filter);
    return std::string(fields.Done().message());
  };
  EXPECT_EQ(message(""), "filter at /must: expected a condition or an array of conditions, got 7");
  EXPECT_EQ(message("queries[3]."),
            "queries[3]: filter at /must: expected a condition or an array of conditions, got 7");
}

TEST_F(FieldsTest, RefusesUnknownDuplicateAndMistypedFields) {
  const auto reason = [&](std::string text) {
    Fields fields = ParseBody(std::move(text));
    uint32_t n = 0;
    bool b = false;
    std::string s;
    std::vector<std::string> ids;
    std::vector<float> floats;
    std::optional<double> d;
    fields.Uint("n", 1, 100, &n);
    fields.Bool("b", &b);
    fields.String("s", 3, &s);
    fields.Ids("ids", 2, &ids);
    fields.Floats("f", 2, &floats);
    fields.Double("d", -1, 1, &d);
    return std::string(fields.Done().reason());
  };
  EXPECT_EQ(reason(R"({"n":7.0,"b":true,"s":"abc","ids":["a",1],"f":[1,2],"d":0.5})"), "");
  EXPECT_EQ(reason("{}"), "");
  EXPECT_EQ(reason(R"({"x":1})"), "unknown_field");
  EXPECT_EQ(reason(R"({"n":1,"n":1})"), "duplicate_field");
  for (const char* bad :
       {R"({"n":"1"})", R"({"n":1.5})", R"({"n":-1})", R"({"n":18446744073709551616})", R"({"n":true})", R"({"b":1})",
        R"({"s":1})", R"({"s":"abcd"})", R"({"ids":"a"})", R"({"ids":[1,2,3]})", R"({"ids":[null]})",
        R"({"ids":[1.5]})", R"({"f":[1,2,3]})", R"({"f":[1,1e40]})", R"({"f":["a"]})", R"({"f":3})", R"({"d":2})",
        R"({"d":"x"})", R"({"n":null})"}) {
    EXPECT_EQ(reason(bad), "invalid_field") << bad;
  }
  for (const char* bad : {"", "[", "{\"n\":1", "{\"n\" 1}", "7", "{\"n\":1}}"})
    EXPECT_EQ(reason(bad), "invalid_json") << bad;
}

// The number that a body has at "d", if it is one.
std::optional<double> ReadDouble(const std::string& text) {
  std::string body = R"({"d":)" + text + "}";
  body.reserve(body.size() + 64);
  Fields fields = Fields::Parse(body, "");
  std::optional<double> d;
  fields.Double("d", -1e300, 1e300, &d);
  return fields.Done().ok() ? d : std::nullopt;
}

TEST(FieldsNumberTest, DecimalsAreReadAsTheStandardLibraryReadsThem) {
  for (const char* text :
       {"0", "1", "0.95", "0.1", "0.3", "12.75", "0.000000000000001", "999999999999999", "123456789.012345",
        "1234567890123456", "0.12345678901234567", "1e-3", "2E2", "-0", "-0.5", "1.0"}) {
    EXPECT_EQ(ReadDouble(text), std::strtod(text, nullptr)) << text;
  }
  for (const char* text :
       {"01", "00.5", "1.", ".5", "0.5.5", "0,5", "+1", "--1", "x", "NaN", "1e999", "0x1", "\"1\""}) {
    EXPECT_EQ(ReadDouble(text), std::nullopt) << text;
  }
}

TEST(MetricsTest, WritesThePrometheusFormat) {
  MetricsRegistry registry;
  registry.GetCounter("a_total", "Help.", MetricLabel("x", "q\"\n\\")).Add(3);
  registry.GetHistogram("h_seconds", "Time.", "").Observe(std::chrono::milliseconds(3));
  registry.GetGauge("g", "Gauge.", "").Add(-2);
  registry.AddCollector([](PrometheusText& text) { text.Single("c", "gauge", "Collected.", 1.5); });
  const std::string text = registry.Text();
  EXPECT_NE(text.find("# HELP a_total Help.\n# TYPE a_total counter\na_total{x=\"q\\\"\\n\\\\\"} 3\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("h_seconds_bucket{le=\"0.0025\"} 0\nh_seconds_bucket{le=\"0.005\"} 1\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("h_seconds_bucket{le=\"+Inf\"} 1\nh_seconds_sum 0.003\nh_seconds_count 1\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("# TYPE g gauge\ng -2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("# TYPE c gauge\nc 1.5\n"), std::string::npos) << text;
}

class JobsTest : public testing::Test {
 protected:
  FakeClock clock_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  ManualQueue queue_;
  Jobs jobs_{clock_, *random_, queue_, 2};
};

TEST_F(JobsTest, GoesFromQueuedToItsEnd) {
  JobState seen = JobState::kQueued;
  const auto job = jobs_.Start(
      "flush", "c", [](OpContext&) { return DataLoss("bad block"); }, [&](const JobInfo& info) { seen = info.state; });
  ASSERT_TRUE(job);
  EXPECT_EQ(jobs_.Get(job->id)->state, JobState::kQueued);
  queue_.posted.at(0)();
  EXPECT_EQ(seen, JobState::kFailed);
  EXPECT_EQ(jobs_.Get(job->id)->error.message(), "bad block");
}

TEST_F(JobsTest, CancelStopsAQueuedJobAndForgetsAFinishedOne) {
  bool ran = false;
  const auto job = jobs_.Start(
      "merge", "c",
      [&](OpContext&) {
        ran = true;
        return OkStatus();
      },
      nullptr);
  ASSERT_TRUE(jobs_.Cancel(job->id));
  queue_.posted.at(0)();
  EXPECT_FALSE(ran);
  EXPECT_EQ(jobs_.Get(job->id)->state, JobState::kCancelled);
  ASSERT_TRUE(jobs_.Cancel(job->id));
  EXPECT_EQ(jobs_.Get(job->id).error().reason(), "job_not_found");
}

TEST_F(JobsTest, FinishedJobsMakeRoomAndRunningOnesDoNot) {
  const auto ok = [](OpContext&) { return OkStatus(); };
  ASSERT_TRUE(jobs_.Start("flush", "c", ok, nullptr));
  ASSERT_TRUE(jobs_.Start("flush", "c", ok, nullptr));
  EXPECT_EQ(jobs_.Start("flush", "c", ok, nullptr).error().reason(), "too_many_jobs");
  queue_.posted.at(0)();
  ASSERT_TRUE(jobs_.Start("merge", "c", ok, nullptr));
  EXPECT_EQ(jobs_.List().size(), 2u);
  EXPECT_EQ(jobs_.List()[0].kind, "merge");
}

class ScrollCursorsTest : public testing::Test {
 protected:
  FakeClock clock_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  ScrollCursors cursors_{clock_, *random_, std::chrono::seconds(60), 2};
};

TEST_F(ScrollCursorsTest, TokensCarryAnyIdAndCanBeRepeated) {
  const std::string name = cursors_.Add({CollectionId(3), nullptr, nullptr});
  const std::string id("a.\0é", 5);
  const std::string token = ScrollCursors::Token(name, id);
  for (int i = 0; i < 2; ++i) {
    const auto page = cursors_.Find(token);
    ASSERT_TRUE(page);
    EXPECT_EQ(page->after_id, id);
    EXPECT_EQ(page->cursor.collection, CollectionId(3));
  }
}

TEST_F(ScrollCursorsTest, ExpireWhenUnused) {
  const std::string token = ScrollCursors::Token(cursors_.Add({}), "a");
  clock_.now += std::chrono::seconds(59);
  EXPECT_TRUE(cursors_.Find(token));
  clock_.now += std::chrono::seconds(59);
  EXPECT_TRUE(cursors_.Find(token));
  clock_.now += std::chrono::seconds(61);
  EXPECT_EQ(cursors_.Find(token).error().reason(), "cursor_expired");
  EXPECT_EQ(cursors_.size(), 0u);
}

TEST_F(ScrollCursorsTest, TheOldestMakesRoom) {
  const std::string first = ScrollCursors::Token(cursors_.Add({}), "a");
  cursors_.Add({});
  cursors_.Add({});
  EXPECT_EQ(cursors_.size(), 2u);
  EXPECT_EQ(cursors_.Find(first).error().reason(), "cursor_expired");
}

TEST_F(ScrollCursorsTest, RefuseWhatIsNoToken) {
  for (const char* token : {"", "abc", "a.0", "a.zz", "."}) {
    const auto page = cursors_.Find(token);
    ASSERT_FALSE(page) << token;
    EXPECT_TRUE(page.error().reason() == "invalid_field" || page.error().reason() == "cursor_expired");
  }
}

}  // namespace
}  // namespace akidb
