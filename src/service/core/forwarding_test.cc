// Two nodes on one store, whose services reach each other without sockets.
#include "service/core/forwarding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "objstore/memory/memory_store.h"
#include "service/core/service_testing.h"

namespace akidb {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kSecret = "correct horse battery";

// Carries requests between services of one process, unless the test has something else in mind for the next ones.
class Wires final : public WriteForwarder {
 public:
  Result<HttpResponse> Send(OpContext& ctx, const std::string& address, const HttpRequest& request) override {
    sent.push_back(request);
    if (instead) return instead(ctx, request);
    const auto found = services.find(address);
    if (found == services.end()) return std::unexpected(Unavailable("nobody").WithReason("connect_failed"));
    HttpRequest copy = request;
    if (change) change(copy);
    return found->second->Send(std::move(copy));
  }
  std::map<std::string, TestService*> services;
  std::function<Result<HttpResponse>(OpContext&, const HttpRequest&)> instead;
  std::function<void(HttpRequest&)> change;
  std::vector<HttpRequest> sent;
};

class ForwardingTest : public testing::Test {
 protected:
  ForwardingTest() : a_(Start("a")) {
    EXPECT_EQ(a_->Send("POST", "/collections", R"({"name":"docs","vector_dim":2,"distance":"Cosine"})").status, 201);
    b_ = Start(
        "b");  // knows the name from its start: names that are new to a node are asked for ten times a second only
  }
  std::unique_ptr<TestService> Start(const std::string& name) {
    EngineOptions engine;
    engine.shared_store = engine.leases = true;
    engine.node = name;
    ServiceOptions options;
    options.forwarding = {.forwarder = wires_, .queue = &queue_, .secret = std::string(kSecret)};
    auto node = std::make_unique<TestService>(options, engine, store_);
    const std::string address = "http://" + name + ":1";
    node->database().nodes()->SetAddress(address);
    wires_->services[address] = node.get();
    return node;
  }
  static std::string Row(const std::string& id) { return R"({"vectors":[{"id":")" + id + R"(","vector":[1,0]}]})"; }
  static HttpRequest Forwarded(TestService& to, uint64_t epoch, const std::string& budget_ms = "10000") {
    HttpRequest request;
    request.method = "POST";
    request.target = "/collections/docs/vectors";
    request.body = Row("x");
    request.headers = {{"Content-Type", "application/json"},
                       {std::string(kForwardedToHeader), to.database().nodes()->process()},
                       {std::string(kForwardedEpochHeader), std::to_string(epoch)},
                       {std::string(kForwardedBudgetHeader), budget_ms},
                       {std::string(kForwardedSecretHeader), std::string(kSecret)}};
    return request;
  }
  static std::string Count(TestService& node) {
    return node.Send("POST", "/collections/docs/vectors/count", "{}").body;
  }

  TestWorkQueue queue_;
  std::shared_ptr<ObjectStore> store_ = NewMemoryStore(RealClock());
  std::shared_ptr<Wires> wires_ = std::make_shared<Wires>();
  std::unique_ptr<TestService> a_;
  std::unique_ptr<TestService> b_;
};

TEST_F(ForwardingTest, AWriteGoesToTheWriterAndItsAnswerComesBack) {
  const HttpResponse answer = b_->Send("POST", "/collections/docs/vectors?ack=object", Row("1"));
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr(R"("upserted":1)"));
  ASSERT_EQ(wires_->sent.size(), 1u);
  EXPECT_EQ(wires_->sent[0].target, "/collections/docs/vectors?ack=object");
  EXPECT_EQ(Count(*a_), R"({"count":1})");
  EXPECT_EQ(b_->database().takeovers(), 0u);
}

TEST_F(ForwardingTest, ACollectionThatIsNotInMemoryIsLookedForInTheWorkQueue) {
  const auto posted_by = [&](const std::string& id) {
    const size_t before = b_->queue().posted();
    EXPECT_EQ(b_->Send("POST", "/collections/docs/vectors", Row(id)).status, 200);
    return b_->queue().posted() - before;
  };
  EXPECT_EQ(posted_by("1"), 1u);
  EXPECT_EQ(posted_by("2"), 0u);
}

TEST_F(ForwardingTest, AReadShowsWhatWasWrittenThroughTheSameNode) {
  for (int i = 1; i <= 5; ++i) {
    ASSERT_EQ(b_->Send("POST", "/collections/docs/vectors", Row(std::to_string(i))).status, 200);
    EXPECT_EQ(Count(*b_), "{\"count\":" + std::to_string(i) + "}");
  }
}

TEST_F(ForwardingTest, EveryVerbThatChangesRowsOrVersionsGoesToTheWriter) {
  ASSERT_EQ(b_->Send("POST", "/collections/docs/vectors", Row("1")).status, 200);
  ASSERT_EQ(b_->Send("POST", "/collections/docs/vectors", Row("2")).status, 200);
  EXPECT_EQ(b_->Send("PATCH", "/collections/docs/vectors/1/payload", R"({"a":1})").status, 200);
  EXPECT_EQ(b_->Send("POST", "/collections/docs/snapshots", R"({"name":"s"})").status, 201);
  EXPECT_THAT(b_->Send("GET", "/collections/docs/snapshots").body, HasSubstr(R"("name":"s")")) << "seen at once";
  EXPECT_EQ(b_->Send("DELETE", "/collections/docs/vectors/2").status, 200);
  EXPECT_EQ(b_->Send("POST", "/collections/docs/vectors/delete", R"({"filter":{"has_id":["1"]}})").status, 200);
  EXPECT_EQ(Count(*b_), R"({"count":0})");
  EXPECT_EQ(b_->Send("POST", "/collections/docs/snapshots/s/revert", "{}").status, 200);
  EXPECT_EQ(Count(*b_), R"({"count":2})") << "acknowledged rows that were in the log only are in the snapshot";
  EXPECT_EQ(b_->Send("POST", "/collections/docs/flush", "{}").status, 200);
  EXPECT_EQ(b_->Send("POST", "/collections/docs/clone", R"({"name":"copy"})").status, 201);
  EXPECT_EQ(b_->Send("DELETE", "/collections/docs/snapshots/s").status, 200);
  const HttpResponse merge = b_->Send("POST", "/collections/docs/merge", R"({"full":true})");
  EXPECT_EQ(merge.status, 202);
  EXPECT_EQ(b_->database().takeovers(), 0u);
  const size_t begin = merge.body.find(R"("id":")") + 6;
  const std::string id = merge.body.substr(begin, merge.body.find('"', begin) - begin);
  EXPECT_EQ(b_->Send("GET", "/jobs/" + id).status, 200) << "asked where it runs";
}

TEST_F(ForwardingTest, WhatIsAlteredHereHoldsForWhatIsWrittenThroughHere) {
  ASSERT_EQ(b_->Send("PATCH", "/collections/docs", R"({"ack":"committed"})").status, 200);
  ASSERT_EQ(a_->database().Loaded().at(0)->spec().ack, AckLevel::kObject) << "it has not heard of it";
  EXPECT_EQ(b_->Send("POST", "/collections/docs/vectors", Row("1")).status, 200);
  EXPECT_EQ(a_->database().unflushed_bytes(), 0u) << "answered when a manifest carried it";
  EXPECT_EQ(b_->Send("POST", "/collections/docs/vectors?ack=object", Row("2")).status, 200);
  EXPECT_GT(a_->database().unflushed_bytes(), 0u) << "asked for";
}

TEST_F(ForwardingTest, AWriteAfterADropElsewhereGoesToTheCollectionOfThatName) {
  ASSERT_EQ(b_->Send("POST", "/collections/docs/vectors", Row("old")).status, 200);
  auto c = Start("c");
  ASSERT_EQ(c->Send("DELETE", "/collections/docs").status, 200);
  ASSERT_EQ(c->Send("POST", "/collections", R"({"name":"docs","vector_dim":2,"distance":"Cosine"})").status, 201);
  EXPECT_EQ(b_->Send("POST", "/collections/docs/vectors", Row("new")).status, 200) << "neither a nor b has heard of it";
  EXPECT_EQ(Count(*c), R"({"count":1})");
  EXPECT_EQ(c->Send("DELETE", "/collections/docs").status, 200);
  EXPECT_EQ(b_->Send("POST", "/collections/docs/vectors", Row("none")).status, 404);
}

TEST_F(ForwardingTest, RefusesWhatWasMeantForAnotherEpoch) {
  const HttpResponse answer = a_->Send(Forwarded(*a_, 7));
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("not_the_writer"));
  EXPECT_THAT(answer.body, Not(HasSubstr("effect")));
  EXPECT_EQ(a_->Send(Forwarded(*a_, 1)).status, 200);
}

TEST_F(ForwardingTest, NeverForwardsAForwardedRequest) {
  const HttpResponse answer = b_->Send(Forwarded(*b_, 1));
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("not_the_writer"));
  EXPECT_TRUE(wires_->sent.empty());
  EXPECT_EQ(b_->database().takeovers(), 0u);
}

TEST_F(ForwardingTest, RefusesWhatWasMeantForAnotherProcess) {
  HttpRequest request = Forwarded(*a_, 1);
  request.headers[1].second = "a.0000000000000000";
  const HttpResponse answer = a_->Send(std::move(request));
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("not_the_writer"));
}

TEST_F(ForwardingTest, RefusesWhatCameTooLate) {
  const HttpResponse answer = a_->Send(Forwarded(*a_, 1, "0"));
  EXPECT_EQ(answer.status, 504);
  EXPECT_THAT(answer.body, HasSubstr("forward_expired"));
  EXPECT_EQ(Count(*a_), R"({"count":0})");
}

TEST_F(ForwardingTest, RefusesWhoDoesNotKnowTheSecret) {
  for (const std::string secret : {"", "correct horse batterz", "correct horse", "correct horse battery staple"}) {
    HttpRequest request = Forwarded(*a_, 1);
    request.headers.back().second = secret;
    const HttpResponse answer = a_->Send(std::move(request));
    EXPECT_EQ(answer.status, 403) << secret;
    EXPECT_THAT(answer.body, HasSubstr("wrong_secret"));
  }
  EXPECT_EQ(Count(*a_), R"({"count":0})");
}

TEST_F(ForwardingTest, RefusesHeadersThatNoNodeSends) {
  EXPECT_EQ(a_->Send(Forwarded(*a_, 1, "soon")).status, 400);
  HttpRequest request = Forwarded(*a_, 1);
  request.headers[2].second = "";
  EXPECT_EQ(a_->Send(std::move(request)).status, 400);
}

TEST_F(ForwardingTest, ARequestWithoutAnAnswerIsNotSentAgain) {
  wires_->instead = [](OpContext&, const HttpRequest&) {
    return std::unexpected(DeadlineExceeded("no answer").WithEffectUnknown());
  };
  const HttpResponse answer = b_->Send("POST", "/collections/docs/vectors", Row("1"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr(R"("code":"forward_unanswered")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("retryable":true)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("effect":"unknown")"));
  EXPECT_EQ(wires_->sent.size(), 1u);
}

TEST_F(ForwardingTest, AWriterThatRefusesConnectionsIsNotReplacedBeforeItsLeaseStoodStill) {
  wires_->services.clear();
  const HttpResponse answer = b_->Send("POST", "/collections/docs/vectors", Row("1"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr(R"("code":"writer_unreachable")"));
  EXPECT_THAT(answer.body, Not(HasSubstr("effect")));
  EXPECT_EQ(wires_->sent.size(), 1u);
  EXPECT_EQ(b_->database().takeovers(), 0u);
}

TEST_F(ForwardingTest, AWriterThatMovedIsFollowed) {
  ASSERT_EQ(b_->Send("POST", "/collections/docs/vectors", Row("1")).status, 200);
  auto c = Start("c");
  ASSERT_TRUE(a_->database().nodes()->Release(*std::make_unique<OpContext>(RealClock())).ok()) << "as a stop begins";
  ASSERT_EQ(c->Send("POST", "/collections/docs/vectors", Row("2")).status, 200);
  ASSERT_EQ(c->database().takeovers(), 1u);
  wires_->sent.clear();
  ASSERT_EQ(b_->Send("POST", "/collections/docs/vectors", Row("3")).status, 200);
  EXPECT_GE(wires_->sent.size(), 1u);
  EXPECT_EQ(wires_->sent.back().Header(kForwardedToHeader), c->database().nodes()->process());
  EXPECT_EQ(Count(*c), R"({"count":3})");
  EXPECT_EQ(b_->database().takeovers(), 0u);
}

TEST_F(ForwardingTest, ForwardsNoHeaderOfTheHopAndNoneThatAClientMadeUp) {
  HttpRequest request;
  request.method = "POST";
  request.target = "/collections/docs/vectors";
  request.body = Row("1");
  request.headers = {{"Content-Type", "application/json"},
                     {"Connection", "close"},
                     {"Host", "b"},
                     {"X-Akidb-Forwarded-Epoch", "99"},
                     {"X-Request-Id", "mine"}};
  EXPECT_EQ(b_->Send(std::move(request)).status, 200);
  ASSERT_EQ(wires_->sent.size(), 1u);
  const HttpRequest& sent = wires_->sent[0];
  EXPECT_EQ(sent.Header("connection"), "");
  EXPECT_EQ(sent.Header("host"), "");
  EXPECT_EQ(sent.Header("x-request-id"), "mine");
  EXPECT_EQ(sent.Header(kForwardedEpochHeader), "1");
  EXPECT_EQ(sent.Header(kForwardedSecretHeader), kSecret);
}

class BoundForwardingTest : public ForwardingTest {
 protected:
  BoundForwardingTest() {
    constexpr auto kBound = R"({"name":"bound","vector_dim":2,"distance":"Cosine","ack":"local"})";
    EXPECT_EQ(a_->Send("POST", "/collections", kBound).status, 201);
    b_ = Start("b");
    const HttpResponse written = b_->Send("POST", "/collections/bound/vectors", Row("1"));
    EXPECT_EQ(written.status, 200) << written.body;
    const size_t begin = written.body.find(R"("commit":")") + 10;
    commit_ = written.body.substr(begin, written.body.find('"', begin) - begin);
    wires_->sent.clear();
  }
  HttpResponse Read(TestService& node, const std::string& more = "") {
    return node.Send("POST", "/collections/bound/vectors/count", "{" + more + "}");
  }
  std::string MinCommit() const { return R"("min_commit":")" + commit_ + "\""; }
  std::string commit_;
};

TEST_F(BoundForwardingTest, AReadGoesToTheHomeOnlyForWhatItsDiskAloneHas) {
  EXPECT_EQ(Read(*b_).body, R"({"count":0})") << "what is published";
  EXPECT_THAT(wires_->sent, testing::IsEmpty());
  EXPECT_EQ(Read(*b_, MinCommit()).body, R"({"count":1})");
  EXPECT_EQ(wires_->sent.size(), 1u);
  ASSERT_EQ(b_->Send("POST", "/collections/bound/flush", "{}").status, 200);
  EXPECT_EQ(Read(*b_, MinCommit()).body, R"({"count":1})");
  EXPECT_THAT(b_->Send("GET", "/collections/bound").body, HasSubstr(R"("home":"a")"));
}

TEST_F(BoundForwardingTest, WhatNeedsAHomeThatStoppedIsAnsweredThatItCannotBeReached) {
  OpContext ctx(RealClock());
  ASSERT_TRUE(a_->database().nodes()->Release(ctx).ok());
  wires_->services.erase("http://a:1");
  EXPECT_EQ(Read(*b_, MinCommit()).status, 503);
  for (int i = 0; i < 2; ++i) {
    const HttpResponse written = b_->Send("POST", "/collections/bound/vectors", Row("2"));
    EXPECT_EQ(written.status, 503);
    EXPECT_THAT(written.body, testing::AnyOf(HasSubstr("home_unreachable"), HasSubstr("writer_unreachable")));
    EXPECT_THAT(written.body, Not(HasSubstr("effect")));
  }
  EXPECT_EQ(Read(*b_).status, 200);
}

TEST_F(BoundForwardingTest, BindingAndReleasingGoToTheWriterAndOtherSettingsDoNot) {
  ASSERT_EQ(b_->Send("POST", "/collections/docs/vectors", Row("1")).status, 200);
  wires_->sent.clear();
  const HttpResponse bound = b_->Send("PATCH", "/collections/docs", R"({"ack":"local"})");
  EXPECT_EQ(bound.status, 200) << bound.body;
  EXPECT_THAT(bound.body, HasSubstr(R"("home":"a")"));
  EXPECT_THAT(bound.body, HasSubstr(R"("ack":"local")"));
  const HttpResponse released = b_->Send("PATCH", "/collections/bound", R"({"ack":"committed","recall":0.9})");
  EXPECT_EQ(released.status, 200) << released.body;
  EXPECT_THAT(released.body, Not(HasSubstr("home")));
  EXPECT_THAT(released.body, HasSubstr("0.9"));
  EXPECT_FALSE(wires_->sent.empty());
  EXPECT_EQ(Read(*b_).body, R"({"count":1})") << "all of it is published";
  EXPECT_EQ(b_->database().takeovers(), 0u);
  wires_->sent.clear();
  EXPECT_EQ(b_->Send("PATCH", "/collections/docs", R"({"recall":0.9})").status, 200);
  EXPECT_EQ(b_->Send("PATCH", "/collections/bound", R"({"ack":"wrong"})").status, 400);
  EXPECT_THAT(wires_->sent, testing::IsEmpty());
}

TEST_F(BoundForwardingTest, ARebindMustSayWhatItGivesUp) {
  for (const char* body : {"{}", R"({"discard_local":false})"}) {
    const HttpResponse refused = b_->Send("POST", "/collections/bound/rebind", body);
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(refused.body, HasSubstr("discard_not_confirmed"));
  }
  const std::string yes = R"({"discard_local":true})";
  EXPECT_THAT(b_->Send("POST", "/collections/docs/rebind", yes).body, HasSubstr("not_bound"));
  EXPECT_THAT(a_->Send("POST", "/collections/bound/rebind", yes).body, HasSubstr("home_is_here"));
  const HttpResponse done = b_->Send("POST", "/collections/bound/rebind", yes);
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_THAT(done.body, HasSubstr(R"("home":"b","previous_home":"a")"));
  EXPECT_THAT(done.body, HasSubstr("at_risk_bytes"));
  EXPECT_THAT(b_->Send("POST", "/collections/bound/vectors", Row("2")).body, HasSubstr("home_waiting"));
  const HttpResponse lost = Read(*b_, MinCommit());
  EXPECT_EQ(lost.status, 410);
  EXPECT_THAT(lost.body, HasSubstr("commit_lost"));
}

TEST_F(ForwardingTest, MistakesOfTheClientAreTheWritersToName) {
  const HttpResponse answer = b_->Send("POST", "/collections/docs/vectors", R"({"vectors":[{"id":"1","vector":[1]}]})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("wrong_dimension"));
}

}  // namespace
}  // namespace akidb
