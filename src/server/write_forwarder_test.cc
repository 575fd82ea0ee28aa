#include "server/write_forwarder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace akidb {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// What a peer does with one connection.
struct Script {
  std::string answer{};     // then the connection ends
  size_t takes = SIZE_MAX;  // bytes of the request before it resets
  Status connect{};
};

struct Seen {
  std::string bytes;
  int connections = 0;
};

class ScriptedStream final : public s3::ByteStream {
 public:
  ScriptedStream(const Script& script, Seen* seen) : script_(script), seen_(seen) {}
  Result<size_t> WriteSome(OpContext&, std::string_view first, std::string_view second) override {
    const std::string all = std::string(first) + std::string(second);
    const size_t size = std::min(all.size(), script_.takes - std::min(script_.takes, taken_));
    if (size == 0) return std::unexpected(Unavailable("reset").WithReason("connection_lost"));
    taken_ += size;
    seen_->bytes.append(all, 0, size);
    return size;
  }
  Result<size_t> ReadSome(OpContext&, char* out, size_t size, s3::Fill) override {
    size = std::min(size, script_.answer.size());
    std::copy_n(script_.answer.data(), size, out);
    script_.answer.erase(0, size);
    return size;
  }
  bool Quiet() override { return false; }

 private:
  Script script_;
  Seen* const seen_;
  size_t taken_ = 0;
};

class ScriptedDialer final : public s3::Dialer {
 public:
  ScriptedDialer(Script script, Seen* seen) : script_(std::move(script)), seen_(seen) {}
  Result<std::unique_ptr<s3::ByteStream>> Connect(OpContext&, const s3::Endpoint&) override {
    ++seen_->connections;
    if (!script_.connect.ok()) return std::unexpected(script_.connect);
    return std::make_unique<ScriptedStream>(script_, seen_);
  }

 private:
  const Script script_;
  Seen* const seen_;
};

class WriteForwarderTest : public testing::Test {
 protected:
  Result<HttpResponse> Send(Script script) {
    const auto forwarder = NewWriteForwarder({s3::Scheme::kHttp, "127.0.0.1", 1}, ForwarderOptions(),
                                             std::make_unique<ScriptedDialer>(std::move(script), &seen_));
    HttpRequest request;
    request.method = "POST";
    request.target = "/collections/docs/vectors?ack=object";
    request.headers = {{"Content-Type", "application/json"}, {"X-Request-Id", "7"}};
    request.body = "{}";
    OpContext ctx(RealClock());
    ctx.set_timeout(std::chrono::seconds(5));
    return forwarder->Send(ctx, "http://127.0.0.1:2", request);
  }
  Seen seen_;
};

TEST_F(WriteForwarderTest, SendsTheRequestOnceAndRelaysTheAnswer) {
  const auto answer = Send({.answer = "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/problem+json\r\n"
                                      "Retry-After: 1\r\nX-Request-Id: 7\r\nContent-Length: 2\r\n\r\n{}"});
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(answer->content_type, "application/problem+json");
  EXPECT_EQ(answer->body, "{}");
  EXPECT_EQ(answer->headers, (decltype(answer->headers){{"retry-after", "1"}}))
      << "the request id is set by the caller";
  EXPECT_THAT(seen_.bytes, StartsWith("POST /collections/docs/vectors?ack=object HTTP/1.1\r\nHost: 127.0.0.1:2\r\n"
                                      "Content-Length: 2\r\n"));
  EXPECT_THAT(seen_.bytes, HasSubstr("\r\nX-Request-Id: 7\r\n\r\n{}"));
  EXPECT_EQ(seen_.connections, 1);
}

TEST_F(WriteForwarderTest, ARefusedConnectionHasNoEffect) {
  const auto answer = Send({.connect = Unavailable("refused").WithReason("connect_failed")});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason(), "connect_failed");
  EXPECT_EQ(answer.error().effect(), Effect::kNone);
}

TEST_F(WriteForwarderTest, ARequestThatDidNotGetOutWholeHasNoEffect) {
  const auto answer = Send({.takes = 20});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason(), "not_sent");
  EXPECT_EQ(answer.error().effect(), Effect::kNone);
  EXPECT_EQ(seen_.connections, 1);
}

TEST_F(WriteForwarderTest, ARequestWithoutAWholeAnswerMayHaveHappenedAndIsNotSentAgain) {
  for (const std::string cut : {"", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"}) {
    seen_ = {};
    const auto answer = Send({.answer = cut});
    ASSERT_FALSE(answer) << cut;
    EXPECT_EQ(answer.error().effect(), Effect::kUnknown) << cut;
    EXPECT_EQ(seen_.connections, 1) << cut;
  }
}

TEST(AdvertisedEndpointTest, IsWhereTheServerListensUnlessToldOtherwise) {
  EXPECT_EQ(AdvertisedEndpoint("", "127.0.0.1", 8080, "")->Url(), "http://127.0.0.1:8080");
  EXPECT_EQ(AdvertisedEndpoint("", "::1", 8080, "")->Url(), "http://[::1]:8080");
  EXPECT_EQ(AdvertisedEndpoint("https://localhost:9", "127.0.0.1", 8080, "")->Url(), "https://localhost:9");
}

TEST(AdvertisedEndpointTest, NeedsASecretWhereOtherMachinesReachIt) {
  for (const char* address : {"http://10.0.0.1:80", "http://node.example:80", "http://127.evil.example:80"}) {
    EXPECT_FALSE(AdvertisedEndpoint(address, "127.0.0.1", 8080, "")) << address;
    EXPECT_TRUE(AdvertisedEndpoint(address, "127.0.0.1", 8080, "0123456789abcdef")) << address;
  }
  EXPECT_FALSE(AdvertisedEndpoint("10.0.0.1:80", "127.0.0.1", 8080, "0123456789abcdef")) << "no scheme";
}

TEST(DefaultNodeNameTest, DiffersByMachineAndDirectoryAndIsAlwaysAName) {
  EXPECT_EQ(DefaultNodeName("host", "/a"), DefaultNodeName("host", "/a"));
  EXPECT_NE(DefaultNodeName("host", "/a"), DefaultNodeName("host", "/b"));
  EXPECT_NE(DefaultNodeName("host", "/a"), DefaultNodeName("other", "/a"));
  EXPECT_THAT(DefaultNodeName("my.host", "/a"), StartsWith("my-host-"));
  EXPECT_THAT(DefaultNodeName("", "/a"), StartsWith("node-"));
  EXPECT_THAT(DefaultNodeName("-x", "/a"), StartsWith("node-x-"));
  EXPECT_LE(DefaultNodeName(std::string(1000, 'h'), "/a").size(), 200u);
}

}  // namespace
}  // namespace akidb
