// An HTTP server on loopback that answers as a test tells it, and breaks off where the test wants it: real sockets.
//
// Threads: thread-safe; one thread accepts, one serves each connection. The destructor ends them.
// Errors:  none; what a client sees is the point.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

struct ssl_ctx_st;

namespace akidb::s3 {

struct FakeRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  int connection = 0;  // counted from 0
};

// What happens to one request.
struct FakeReply {
  enum class When : uint8_t { kOnConnect, kAfterHead, kAfterRequest };
  enum class Then : uint8_t { kKeep, kClose, kReset, kHang };
  std::string bytes;  // what is sent, as it is
  When when = When::kAfterRequest;
  Then then = Then::kKeep;

  // "HTTP/1.1 <status>" with a Date, the headers (each ending in "\r\n"), Content-Length and the body.
  static FakeReply Of(const std::string& status, const std::string& headers = "", const std::string& body = "");
  // An S3 error document.
  static FakeReply Error(const std::string& status, const std::string& code, const std::string& message = "",
                         const std::string& headers = "");
  // An object: etag "e1", its body.
  static FakeReply Object(const std::string& body, const std::string& headers = "");
  static FakeReply Breaks(When when, Then then, std::string bytes = "");
};

class FakeServer {
 public:
  // A certificate and its key in PEM; empty: plain HTTP.
  explicit FakeServer(const std::string& certificate_pem = "", const std::string& key_pem = "");
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  uint16_t port() const { return port_; }
  std::string url() const {
    return (tls_ == nullptr ? "http://127.0.0.1:" : "https://127.0.0.1:") + std::to_string(port_);
  }

  // The next requests get these, in the order of their arrival.
  void Expect(FakeReply reply);
  // Requests for which nothing is expected go here.
  void Handle(std::function<FakeReply(const FakeRequest&)> handler);
  // Every request that arrived whole (or as far as its reply let it).
  std::vector<FakeRequest> Requests();
  // Stops listening: connections are refused from here on.
  void StopListening();

 private:
  struct Connection;
  void Accept();
  void Serve(Connection& connection);
  FakeReply Next(const FakeRequest* request);
  bool NextIsOnConnect();

  ssl_ctx_st* tls_ = nullptr;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<FakeReply> replies_ AKI_GUARDED_BY(mutex_);
  std::function<FakeReply(const FakeRequest&)> handler_ AKI_GUARDED_BY(mutex_);
  std::vector<FakeRequest> requests_ AKI_GUARDED_BY(mutex_);
  std::list<std::unique_ptr<Connection>> connections_ AKI_GUARDED_BY(mutex_);
};

// A self-signed certificate for 127.0.0.1 and its key, both PEM; the certificate is its own CA.
struct FakeCertificate {
  std::string certificate_pem;
  std::string key_pem;
};
FakeCertificate MakeCertificate();

}  // namespace akidb::s3
