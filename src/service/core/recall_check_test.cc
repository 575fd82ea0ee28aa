#include "service/core/recall_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/random.h"
#include "objstore/memory/memory_store.h"
#include "service/core/service_testing.h"

namespace akidb {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kRows = 400;
constexpr int kDim = 8;

std::string RandomVector(Random& random) {
  std::string out = "[";
  for (int i = 0; i < kDim; ++i) out += (i == 0 ? "" : ",") + std::to_string(random.Below(1000));
  return out + "]";
}

class RecallCheckTest : public testing::Test {
 protected:
  static EngineOptions Engine() {
    EngineOptions engine;
    engine.index_rows_min = 100;
    return engine;
  }
  static ServiceOptions EveryOneIn(uint32_t n) {
    ServiceOptions options;
    options.recall_check_one_in = n;
    options.recall_check_share_max = 1;
    return options;
  }
  static void FillAndIndex(TestService& test) {
    const auto random = NewSeededRandom(5);
    ASSERT_EQ(test.Send("POST", "/collections", R"({"name":"docs","vector_dim":8,"distance":"Euclidean"})").status,
              201);
    std::string body = R"({"vectors":[)";
    for (int i = 0; i < kRows; ++i) {
      body += (i == 0 ? "" : ",");
      body += R"({"id":")" + std::to_string(i) + R"(","vector":)" + RandomVector(*random) + "}";
    }
    ASSERT_EQ(test.Send("POST", "/collections/docs/vectors", body + "]}").status, 200);
    ASSERT_EQ(test.Send("POST", "/collections/docs/flush", "{}").status, 200);
    const std::string all = R"("indexed_count":)" + std::to_string(kRows);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (test.Send("GET", "/collections/docs").body.find(all) == std::string::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
  static void Search(TestService& test, int count, const std::string& more = "") {
    const auto random = NewSeededRandom(6);
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(
          test.Send("POST", "/collections/docs/search", R"({"vector":)" + RandomVector(*random) + more + "}").status,
          200);
    }
  }
  static std::string Metrics(TestService& test) { return test.Send("GET", "/metrics").body; }
};

TEST_F(RecallCheckTest, ComparesOneInSoManyApproximateSearches) {
  TestService test(EveryOneIn(4), Engine(), NewMemoryStore(RealClock()));
  FillAndIndex(test);
  EXPECT_THAT(Metrics(test), Not(HasSubstr("akidb_search_recall "))) << "nothing is known yet";
  Search(test, 20);
  EXPECT_THAT(Metrics(test), HasSubstr("akidb_search_recall_checks_total 5\n"));
  const std::string text = Metrics(test);
  const size_t at = text.find("\nakidb_search_recall ");
  ASSERT_NE(at, std::string::npos);
  const double recall = std::stod(text.substr(at + std::string("\nakidb_search_recall ").size()));
  EXPECT_GT(recall, 0.8);
  EXPECT_LE(recall, 1.0);
}

TEST_F(RecallCheckTest, RestsAfterAComparisonSoThatItsShareOfAProcessorIsBounded) {
  ServiceOptions options = EveryOneIn(1);
  options.recall_check_share_max = 1e-9;
  TestService test(options, Engine(), NewMemoryStore(RealClock()));
  FillAndIndex(test);
  Search(test, 5);
  EXPECT_THAT(Metrics(test), HasSubstr("akidb_search_recall_checks_total 1\n"));
}

TEST_F(RecallCheckTest, ExactSearchesAndZeroAreNotCompared) {
  TestService test(EveryOneIn(1), Engine(), NewMemoryStore(RealClock()));
  FillAndIndex(test);
  Search(test, 5, R"(,"exact":true)");
  EXPECT_THAT(Metrics(test), HasSubstr("akidb_search_recall_checks_total 0\n"));
  TestService never(EveryOneIn(0), Engine(), NewMemoryStore(RealClock()));
  FillAndIndex(never);
  Search(never, 5);
  EXPECT_THAT(Metrics(never), HasSubstr("akidb_search_recall_checks_total 0\n"));
}

TEST_F(RecallCheckTest, ExplainSaysHowASearchWasAnswered) {
  TestService test(EveryOneIn(0), Engine(), NewMemoryStore(RealClock()));
  FillAndIndex(test);
  const std::string query = R"({"vector":[1,2,3,4,5,6,7,8],"explain":true)";
  EXPECT_THAT(test.Send("POST", "/collections/docs/search", query + "}").body, HasSubstr(R"("strategy":"graph")"));
  EXPECT_THAT(test.Send("POST", "/collections/docs/search", query + R"(,"exact":true})").body,
              HasSubstr(R"("strategy":"exact scan")"));
  const HttpResponse refused = test.Send("POST", "/collections/docs/search", query + R"(,"recall":0})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("recall is 0"));
}

}  // namespace
}  // namespace akidb
