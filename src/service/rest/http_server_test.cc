#include "service/rest/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "base/fine_ticks.h"
#include "base/mutex.h"
#include "service/core/service_testing.h"

namespace akidb {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// A blocking client that speaks bytes, so that it can misbehave.
class Client {
 public:
  explicit Client(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // False if the server is gone.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  void FinishSending() { ::shutdown(fd_, SHUT_WR); }
  // One answer, head and body; what there was if the server closes before.
  std::string Answer(bool has_body = true) {
    while (buffer_.find("\r\n\r\n") == std::string::npos) {
      if (!Receive()) return Take(buffer_.size());
    }
    const size_t head = buffer_.find("\r\n\r\n") + 4;
    const size_t field = buffer_.find("Content-Length: ");
    const size_t size = has_body && field < head ? std::stoul(buffer_.substr(field + 16)) : 0;
    while (buffer_.size() < head + size) {
      if (!Receive()) break;
    }
    return Take(std::min(buffer_.size(), head + size));
  }
  // True if the server has closed and nothing is left to read.
  bool Closed() { return buffer_.empty() && !Receive(); }

 private:
  bool Receive() {
    char bytes[4096];
    const ssize_t n = ::recv(fd_, bytes, sizeof(bytes), 0);
    if (n <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(n));
    return true;
  }
  std::string Take(size_t size) {
    std::string out = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return out;
  }

  int fd_;
  std::string buffer_;
};

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    options_.port = 0;
    options_.threads = 2;
  }
  void Start() {
    auto server = HttpServer::Start(test_.service(), options_);
    ASSERT_TRUE(server) << server.error().ToString();
    server_ = std::move(*server);
  }
  static std::string Post(const std::string& target, const std::string& body, const std::string& more = "") {
    return "POST " + target + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + more +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  // Large bodies are read in `bodies`, and given up after a moment.
  void StartWithoutPatience(TestWorkQueue* bodies) {
    options_.body_queue = bodies;
    options_.transfer_timeout = std::chrono::milliseconds(50);
    options_.bytes_per_second_min = 1ull << 30;
    Start();
  }
  static std::string ThirdOfALargeBody() {
    return "POST /collections HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n" + std::string(1'000'000, '{');
  }
  static std::string Get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n"; }

  TestService test_;
  HttpServerOptions options_;
  std::unique_ptr<HttpServer> server_;
};

constexpr char kCollection[] = R"({"name":"c","vector_dim":2,"distance":"Cosine"})";

TEST_F(HttpServerTest, KeepsConnectionsAlive) {
  Start();
  Client client(server_->port());
  for (int i = 0; i < 3; ++i) {
    client.Send(Get("/health/live"));
    const std::string answer = client.Answer();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("X-Request-Id: "));
    EXPECT_THAT(answer, HasSubstr("\r\n\r\n{\"status\":\"live\"}"));
  }
  client.Send("GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.Answer(), HasSubstr("Connection: close"));
  EXPECT_TRUE(client.Closed());
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  Client client(server_->port());
  std::string requests = Post("/collections", kCollection);
  for (int i = 0; i < 20; ++i) {
    requests += Post("/collections/c/vectors", R"({"vectors":[{"id":")" + std::to_string(i) + R"(","vector":[1,1]}]})");
    requests += Post("/collections/c/vectors/count", "{}");
  }
  ASSERT_TRUE(client.Send(requests));
  EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 201"));
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(client.Answer(), HasSubstr("\"upserted\":1"));
    EXPECT_THAT(client.Answer(), HasSubstr("{\"count\":" + std::to_string(i + 1) + "}"));
  }
}

// More than the sockets hold: the first answers are written at once, the later ones when the client has read on.
TEST_F(HttpServerTest, AnswersArriveWholeWhenTheClientReadsLate) {
  Start();
  Client client(server_->port());
  client.Send(Get("/openapi.json"));
  const std::string first = client.Answer();
  const std::string body = first.substr(first.find("\r\n\r\n"));
  ASSERT_GT(body.size(), 10'000u);
  const size_t count = (24u << 20) / body.size();
  std::string requests;
  for (size_t i = 0; i < count; ++i) requests += Get("/openapi.json");
  ASSERT_TRUE(client.Send(requests));
  for (size_t i = 0; i < count; ++i) ASSERT_TRUE(client.Answer().ends_with(body)) << i << " of " << count;
}

TEST_F(HttpServerTest, AnswersAsManyPipelinedRequestsAsFitIntoItsBuffer) {
  Start();
  Client client(server_->port());
  constexpr int kCount = 4000;
  std::string requests;
  for (int i = 0; i < kCount; ++i) requests += "GET /health/live HTTP/1.1\r\n\r\n";
  ASSERT_TRUE(client.Send(requests));
  for (int i = 0; i < kCount; ++i) ASSERT_THAT(client.Answer(), HasSubstr("{\"status\":\"live\"}")) << i;
}

TEST_F(HttpServerTest, ReadsBodiesInAnyPieces) {
  Start();
  Client client(server_->port());
  const std::string request = Post("/collections", kCollection);
  for (const char c : request) ASSERT_TRUE(client.Send({&c, 1}));
  EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 201"));
  client.Send(
      "POST /collections/c/vectors/count HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: "
      "chunked\r\n\r\n"
      "1\r\n{\r\n1;ext=1\r\n}\r\n0\r\n\r\n" +
      Get("/health/live"));
  EXPECT_THAT(client.Answer(), HasSubstr("{\"count\":0}"));
  EXPECT_THAT(client.Answer(), HasSubstr("live"));
}

TEST_F(HttpServerTest, LargeBodiesAreReadInTheBodyQueueAndSmallOnesAreNot) {
  TestWorkQueue bodies;
  options_.body_queue = &bodies;
  Start();
  Client client(server_->port());
  client.Send(Post("/collections", kCollection));
  EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 201"));
  EXPECT_EQ(bodies.posted(), 0u);
  std::string rows;
  for (int i = 0; i < 1000; ++i) {
    rows += (i == 0 ? "" : ",") + std::string(R"({"id":")") + std::to_string(i) + R"(","vector":[1,)" +
            std::to_string(i) + R"(],"payload":{"text":")" + std::string(3000, 'x') + "\"}}";
  }
  const std::string both =
      Post("/collections/c/vectors", "{\"vectors\":[" + rows + "]}") + Post("/collections/c/vectors/count", "{}");
  for (size_t at = 0; at < both.size(); at += 100'001) ASSERT_TRUE(client.Send(both.substr(at, 100'001)));
  EXPECT_THAT(client.Answer(), HasSubstr("\"upserted\":1000"));
  EXPECT_THAT(client.Answer(), HasSubstr("{\"count\":1000}"));
  EXPECT_GT(bodies.posted(), 0u);
  EXPECT_LT(bodies.posted(), 30u) << "a call for each piece that arrives";
}

TEST_F(HttpServerTest, LargeBodiesThatStopAreGivenUp) {
  TestWorkQueue bodies;
  StartWithoutPatience(&bodies);
  Client slow(server_->port());
  slow.Send(ThirdOfALargeBody());
  EXPECT_TRUE(slow.Closed());
  {
    Client leaves(server_->port());
    leaves.Send(ThirdOfALargeBody());
  }
  EXPECT_TRUE(server_->Shutdown(std::chrono::seconds(20)).ok());
}

TEST_F(HttpServerTest, AConnectionIsCutOffWhileItsBodyIsRead) {
  TestWorkQueue bodies;
  StartWithoutPatience(&bodies);
  bodies.Hold();
  Client client(server_->port());
  client.Send(ThirdOfALargeBody());
  bodies.AwaitHeld(1);
  EXPECT_TRUE(client.Closed()) << "its time is over, although its descriptor is in use";
  EXPECT_EQ(server_->Shutdown(std::chrono::milliseconds(10)).code(), StatusCode::kDeadlineExceeded);
  bodies.Release();
}

TEST_F(HttpServerTest, RefusesTooLargeBodies) {
  options_.body_bytes_max = 1000;
  Start();
  const std::string big(100000, ' ');
  {
    Client client(server_->port());
    client.Send(Post("/collections", big));
    EXPECT_THAT(client.Answer(), testing::AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("\"code\":\"body_too_large\"")));
    client.FinishSending();
    EXPECT_TRUE(client.Closed());
  }
  Client chunked(server_->port());
  chunked.Send("POST /collections HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n" + big);
  EXPECT_THAT(chunked.Answer(), StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, AnswersExpectBeforeTheBodyComes) {
  options_.body_bytes_max = 1000;
  Start();
  Client client(server_->port());
  const std::string request = Post("/collections", kCollection, "Expect: 100-continue\r\n");
  const size_t head = request.find("\r\n\r\n") + 4;
  client.Send(request.substr(0, head));
  EXPECT_EQ(client.Answer(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send(request.substr(head));
  EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 201"));
  client.Send("POST /collections HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 70000000000\r\n\r\n");
  EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, RefusesWhatIsNotHttp) {
  Start();
  for (const char* bytes : {"\x16\x03\x01\x02 hello\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
                            "GET / HTTP/1.1\r\nbad header\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                            "POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
                            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
                            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    Client client(server_->port());
    client.Send(bytes);
    EXPECT_THAT(client.Answer(), testing::AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("application/problem+json")))
        << bytes;
  }
}

TEST_F(HttpServerTest, RefusesEndlessHeaders) {
  Start();
  Client client(server_->port());
  client.Send("GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(20000, 'x'));
  EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 431"));
  Client target(server_->port());
  target.Send("GET /" + std::string(20000, 'x'));
  EXPECT_THAT(target.Answer(), StartsWith("HTTP/1.1 431"));
}

TEST_F(HttpServerTest, ClosesOnSlowHeadersBodiesAndIdleClients) {
  options_.header_timeout = std::chrono::milliseconds(50);
  options_.transfer_timeout = std::chrono::milliseconds(50);
  options_.idle_timeout = std::chrono::milliseconds(50);
  Start();
  Client header(server_->port());
  Client body(server_->port());
  Client idle(server_->port());
  header.Send("GET /health/live HT");
  body.Send("POST /collections HTTP/1.1\r\nContent-Length: 10\r\n\r\n{");
  EXPECT_TRUE(header.Closed());
  EXPECT_TRUE(body.Closed());
  EXPECT_TRUE(idle.Closed());
}

// The timer of a connection is set once and finds out late that it was used meanwhile.
TEST_F(HttpServerTest, AConnectionThatIsUsedOutlivesItsIdleTime) {
  options_.idle_timeout = std::chrono::seconds(2);
  Start();
  Client client(server_->port());
  Clock& clock = RealClock();
  const MonotonicTime end = clock.Now() + options_.idle_timeout * 3 / 2;
  while (clock.Now() < end) {
    client.Send(Get("/health/live"));
    ASSERT_THAT(client.Answer(), StartsWith("HTTP/1.1 200 OK\r\n"));
  }
  const MonotonicTime idle_since = clock.Now();
  EXPECT_TRUE(client.Closed());
  EXPECT_GE(clock.Now() - idle_since, options_.idle_timeout / 2);
}

TEST_F(HttpServerTest, ForgetsClientsThatLeaveInTheMiddle) {
  Start();
  Gauge& active = test_.service().metrics().GetGauge("akidb_active_connections", "", "");
  {
    Client truncated(server_->port());
    truncated.Send("POST /collections HTTP/1.1\r\nContent-Length: 100\r\n\r\n{\"name\"");
    truncated.FinishSending();
    EXPECT_TRUE(truncated.Closed());
    Client half_open(server_->port());
    half_open.Send(Get("/health/live"));
    half_open.FinishSending();
    EXPECT_THAT(half_open.Answer(), StartsWith("HTTP/1.1 200"));
    EXPECT_TRUE(half_open.Closed());
  }
  EXPECT_TRUE(server_->Shutdown(std::chrono::seconds(10)).ok());
  EXPECT_EQ(active.Value(), 0);
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  Start();
  Client client(server_->port());
  client.Send("HEAD /health/live HTTP/1.1\r\nHost: x\r\n\r\n" + Get("/version"));
  EXPECT_THAT(client.Answer(false), HasSubstr("Content-Length: 17"));
  EXPECT_THAT(client.Answer(), HasSubstr("akidb"));
}

TEST_F(HttpServerTest, Http10ClosesUnlessAsked) {
  Start();
  Client client(server_->port());
  client.Send("GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(client.Answer(), HasSubstr("Connection: keep-alive"));
  client.Send("GET /health/live HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.Answer(), HasSubstr("live"));
  EXPECT_TRUE(client.Closed());
}

// The threads that read requests are those that ask what the time is while work is under way.
TEST_F(HttpServerTest, ConnectionsAreSpreadOverThreadsAndStayWithThem) {
  struct WhoAsks final : Clock {
    MonotonicTime Now() override {
      MutexLock lock(mutex);
      ++calls[std::this_thread::get_id()];
      return MonotonicTime();
    }
    WallTime WallNow() override { return WallTime(); }
    Mutex mutex;
    std::map<std::thread::id, int> calls;
  } clock;
  constexpr int kClients = 6, kRequests = 20;
  {
    FineTicks ticks(clock);
    const FineTicks::Work work(ticks);
    options_.ticks = &ticks;
    Start();
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.push_back(std::make_unique<Client>(server_->port()));
      for (int j = 0; j < kRequests; ++j) {
        clients[static_cast<size_t>(i)]->Send(Get("/health/live"));
        EXPECT_THAT(clients[static_cast<size_t>(i)]->Answer(), StartsWith("HTTP/1.1 200"));
      }
    }
    EXPECT_TRUE(server_->Shutdown(std::chrono::seconds(20)).ok());
    server_.reset();
  }
  std::vector<int> read;
  for (const auto& [thread, calls] : clock.calls) {
    if (calls >= kRequests) read.push_back(calls);
  }
  EXPECT_EQ(read, (std::vector<int>(2, kClients / 2 * kRequests)));
}

TEST_F(HttpServerTest, TurnsAwayConnectionsBeyondTheCap) {
  options_.connections_max = 1;
  Start();
  Client first(server_->port());
  first.Send(Get("/health/live"));
  EXPECT_THAT(first.Answer(), StartsWith("HTTP/1.1 200"));
  Client second(server_->port());
  EXPECT_THAT(second.Answer(), testing::AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("too_many_connections")));
}

TEST_F(HttpServerTest, ShutdownFinishesRequestsInFlight) {
  Start();
  test_.queue().Hold();
  Client busy(server_->port());
  Client idle(server_->port());
  idle.Send(Get("/health/live"));
  EXPECT_THAT(idle.Answer(), StartsWith("HTTP/1.1 200"));
  busy.Send(Post("/collections", kCollection));
  test_.queue().AwaitHeld(1);
  Status status;
  std::thread stopper([&] { status = server_->Shutdown(std::chrono::seconds(20)); });
  EXPECT_TRUE(idle.Closed());
  test_.queue().Release();
  EXPECT_THAT(busy.Answer(), testing::AllOf(StartsWith("HTTP/1.1 201"), HasSubstr("Connection: close")));
  EXPECT_TRUE(busy.Closed());
  stopper.join();
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_F(HttpServerTest, ShutdownCutsOffAfterTheGraceTime) {
  Start();
  test_.queue().Hold();
  Client busy(server_->port());
  busy.Send(Post("/collections", kCollection));
  test_.queue().AwaitHeld(1);
  EXPECT_EQ(server_->Shutdown(std::chrono::milliseconds(10)).code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(busy.Closed());
  test_.queue().Release();
}

TEST(ListenAddressTest, OnlyLoopbackIsServed) {
  for (const char* address : {"127.0.0.1", "127.1.2.3", "::1", "localhost"})
    EXPECT_TRUE(CheckListenAddress(address).ok()) << address;
  for (const char* address : {"0.0.0.0", "::", "10.0.0.1", "192.168.1.5"}) {
    EXPECT_EQ(CheckListenAddress(address).reason(), "address_not_loopback") << address;
  }
  EXPECT_EQ(CheckListenAddress("example").code(), StatusCode::kInvalidArgument);
}

TEST(ListenAddressTest, ATakenPortIsNamed) {
  TestService test;
  HttpServerOptions options;
  options.port = 0;
  auto first = HttpServer::Start(test.service(), options);
  ASSERT_TRUE(first);
  options.port = (*first)->port();
  auto second = HttpServer::Start(test.service(), options);
  ASSERT_FALSE(second);
  EXPECT_THAT(std::string(second.error().message()), HasSubstr(std::to_string(options.port)));
}

TEST(ThreadWorkQueueTest, LetsGoOfWhatIsPostedOnceItIsFinished) {
  std::atomic<int> done = 0;
  const auto kept = std::make_shared<int>(1);
  {
    const auto queue = NewThreadWorkQueue(2);
    queue->Post([&] { ++done; });
    queue->Finish();
    EXPECT_EQ(done, 1);
    queue->Post([&done, kept] { ++done; });
  }
  EXPECT_EQ(done, 1);
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(ThreadWorkQueueTest, FinishesWhatWasPosted) {
  std::atomic<int> done = 0;
  {
    const auto queue = NewThreadWorkQueue(3);
    for (int i = 0; i < 100; ++i) queue->Post([&] { ++done; });
  }
  EXPECT_EQ(done, 100);
}

}  // namespace
}  // namespace akidb
