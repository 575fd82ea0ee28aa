#include "cli/http_client.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "cli/api_client.h"

namespace akidb {
namespace {

using testing::HasSubstr;

// Accepts one connection after another; answers each request of a connection with the next text, then closes it.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::vector<std::string>> connections) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 8);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, connections = std::move(connections)] { Serve(connections); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  ServerUrl url() const { return {"127.0.0.1", std::to_string(port_)}; }
  // After the client has its answers.
  const std::string& received() const { return received_; }

 private:
  void Serve(const std::vector<std::vector<std::string>>& connections) {
    for (const auto& replies : connections) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      for (const std::string& reply : replies) {
        ReadRequest(fd);
        [[maybe_unused]] const ssize_t written = ::write(fd, reply.data(), reply.size());
      }
      ::close(fd);
    }
  }
  void ReadRequest(int fd) {
    std::string request;
    char c = 0;
    while (!request.ends_with("\r\n\r\n") && ::read(fd, &c, 1) == 1) request.push_back(c);
    const size_t at = request.find("Content-Length: ");
    for (size_t left = at == std::string::npos ? 0 : std::stoul(request.substr(at + 16)); left > 0; --left) {
      if (::read(fd, &c, 1) == 1) request.push_back(c);
    }
    received_ += request;
  }

  int listener_ = -1;
  uint16_t port_ = 0;
  std::string received_;
  std::thread thread_;
};

std::string Reply(const std::string& status, const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

constexpr HttpOptions kFast = {std::chrono::seconds(5), std::chrono::seconds(5)};

TEST(ServerUrlTest, ReadsHostAndPort) {
  EXPECT_EQ(ParseServerUrl("http://h")->port, "8080");
  EXPECT_EQ(ParseServerUrl("http://h:81/")->port, "81");
  EXPECT_EQ(ParseServerUrl("http://[::1]:81")->host, "::1");
  EXPECT_EQ(ParseServerUrl("http://[::1]")->port, "8080");
  for (const char* bad :
       {"", "h:80", "https://h", "http://", "http://h:x", "http://h/path", "http://u@h", "http://h:"}) {
    EXPECT_FALSE(ParseServerUrl(bad)) << bad;
  }
}

TEST(RetryPauseTest, DoublesUnlessTheServerSaysOtherwise) {
  EXPECT_EQ(RetryPause(1, {}), std::chrono::milliseconds(50));
  EXPECT_EQ(RetryPause(3, {}), std::chrono::milliseconds(200));
  EXPECT_EQ(RetryPause(40, {}), std::chrono::seconds(5));
  EXPECT_EQ(RetryPause(1, std::chrono::seconds(7)), std::chrono::seconds(7));
}

TEST(HttpClientTest, KeepsItsConnection) {
  ScriptedServer server({{Reply("200 OK", "one"), Reply("200 OK", "two")}});
  HttpClient client(server.url(), kFast, RealClock());
  EXPECT_EQ(client.Send("GET", "/a", "", "", Repeat::kSafe)->body, "one");
  EXPECT_EQ(client.Send("POST", "/b", "text/plain", "hello", Repeat::kUnsafe)->body, "two");
  EXPECT_THAT(server.received(), HasSubstr("POST /b HTTP/1.1"));
  EXPECT_THAT(server.received(), HasSubstr("hello"));
}

TEST(HttpClientTest, OpensANewConnectionWhenTheIdleOneWasClosed) {
  ScriptedServer server({{Reply("200 OK", "one")}, {Reply("200 OK", "two")}});
  HttpClient client(server.url(), kFast, RealClock());
  EXPECT_EQ(client.Send("GET", "/", "", "", Repeat::kSafe)->body, "one");
  EXPECT_EQ(client.Send("GET", "/", "", "", Repeat::kSafe)->body, "two");
}

TEST(HttpClientTest, TriesAgainWhenTheServerIsBusy) {
  ScriptedServer server(
      {{Reply("429 Too Many Requests", ""), Reply("503 Service Unavailable", ""), Reply("200 OK", "done")}});
  HttpClient client(server.url(), kFast, RealClock());
  EXPECT_EQ(client.Send("POST", "/", "", "x", Repeat::kUnsafe)->body, "done");
}

TEST(HttpClientTest, GivesUpWhenThePauseWouldBeTooLong) {
  ScriptedServer server({{Reply("429 Too Many Requests", "", "Retry-After: 60\r\n")}});
  HttpClient client(server.url(), kFast, RealClock());
  const auto reply = client.Send("GET", "/", "", "", Repeat::kSafe);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 429);
  EXPECT_EQ(reply->retry_after, std::chrono::seconds(60));
}

TEST(HttpClientTest, DoesNotRepeatAnUnsafeRequestAfterALostAnswer) {
  ScriptedServer server({{""}, {Reply("200 OK", "twice")}});
  HttpClient client(server.url(), kFast, RealClock());
  EXPECT_EQ(client.Send("POST", "/", "", "x", Repeat::kUnsafe).error().code(), StatusCode::kUnavailable);
  EXPECT_EQ(client.Send("POST", "/", "", "x", Repeat::kSafe)->body, "twice");
}

TEST(HttpClientTest, SaysThatNobodyAnswers) {
  HttpClient client({"127.0.0.1", "1"}, {std::chrono::seconds(1), Duration{}}, RealClock());
  const auto reply = client.Send("GET", "/", "", "", Repeat::kSafe);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), StatusCode::kUnavailable);
  EXPECT_THAT(reply.error().message(), HasSubstr("cannot connect to 127.0.0.1:1"));
}

TEST(ApiClientTest, TurnsProblemDocumentsIntoStatuses) {
  ScriptedServer server({{Reply("404 Not Found", R"({"code":"collection_not_found","detail":"no collection 'x'"})"),
                          Reply("500 Internal Server Error", "not json"), Reply("200 OK", "not json")}});
  ApiClient client(server.url(), kFast, RealClock());
  const auto missing = client.Get("/collections/x");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), StatusCode::kNotFound);
  EXPECT_EQ(missing.error().reason(), "collection_not_found");
  EXPECT_EQ(missing.error().message(), "no collection 'x'");
  EXPECT_THAT(client.Get("/").error().message(), HasSubstr("answered 500"));
  EXPECT_THAT(client.Get("/").error().message(), HasSubstr("not JSON"));
}

TEST(ApiClientTest, EncodesNamesInTargets) {
  EXPECT_EQ(CollectionPath("a-b_c.D9"), "/collections/a-b_c.D9");
  EXPECT_EQ(CollectionPath("../x y"), "/collections/..%2Fx%20y");
}

}  // namespace
}  // namespace akidb
