#include "objstore/s3/fake_server_testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.h"

namespace akidb::s3 {

struct FakeServer::Connection {
  int fd = -1;
  int number = 0;
  SSL* ssl = nullptr;
  std::thread thread;
  std::string received;  // and not yet part of a request

  ~Connection() { SSL_free(ssl); }

  ssize_t Read(char* out, size_t size) {
    return ssl == nullptr ? ::recv(fd, out, size, 0) : SSL_read(ssl, out, static_cast<int>(size));
  }
  void Write(const std::string& bytes) {
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t size = ssl == nullptr ? ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL)
                                          : SSL_write(ssl, bytes.data() + sent, static_cast<int>(bytes.size() - sent));
      if (size <= 0) return;
      sent += static_cast<size_t>(size);
    }
  }
  // More bytes into `received`; false at the end.
  bool Fill() {
    char bytes[16384];
    const ssize_t size = Read(bytes, sizeof(bytes));
    if (size <= 0) return false;
    received.append(bytes, static_cast<size_t>(size));
    return true;
  }
  // Reads the head into `request`; false at the end of the stream.
  bool ReadHead(FakeRequest* request) {
    size_t end;
    while ((end = received.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return false;
    }
    std::string head = received.substr(0, end + 2);
    received.erase(0, end + 4);
    const size_t line_end = head.find("\r\n");
    const std::string line = head.substr(0, line_end);
    request->method = line.substr(0, line.find(' '));
    request->target = line.substr(line.find(' ') + 1, line.rfind(' ') - line.find(' ') - 1);
    for (size_t begin = line_end + 2; begin < head.size();) {
      const size_t next = head.find("\r\n", begin);
      const std::string header = head.substr(begin, next - begin);
      const size_t colon = header.find(':');
      request->headers[header.substr(0, colon)] = header.substr(header.find_first_not_of(' ', colon + 1));
      begin = next + 2;
    }
    return true;
  }
  bool ReadBody(FakeRequest* request) {
    const auto length = request->headers.find("content-length");
    const size_t size = length == request->headers.end() ? 0 : std::stoul(length->second);
    while (received.size() < size) {
      if (!Fill()) return false;
    }
    request->body = received.substr(0, size);
    received.erase(0, size);
    return true;
  }
  void Reset() {
    const linger hard{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  }
};

FakeReply FakeReply::Of(const std::string& status, const std::string& headers, const std::string& body) {
  return {"HTTP/1.1 " + status + "\r\nDate: Tue, 24 Nov 2026 01:02:03 GMT\r\n" + headers +
          "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}

FakeReply FakeReply::Error(const std::string& status, const std::string& code, const std::string& message,
                           const std::string& headers) {
  return Of(status, "Content-Type: application/xml\r\n" + headers,
            "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>");
}

FakeReply FakeReply::Object(const std::string& body, const std::string& headers) {
  return Of("200 OK", "ETag: \"e1\"\r\n" + headers, body);
}

FakeReply FakeReply::Breaks(When when, Then then, std::string bytes) { return {std::move(bytes), when, then}; }

FakeServer::FakeServer(const std::string& certificate_pem, const std::string& key_pem) {
  if (!certificate_pem.empty()) {
    tls_ = SSL_CTX_new(TLS_server_method());
    BIO* const certificate_bio = BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size()));
    BIO* const key_bio = BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size()));
    X509* const certificate = PEM_read_bio_X509(certificate_bio, nullptr, nullptr, nullptr);
    EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
    AKI_CHECK(SSL_CTX_use_certificate(tls_, certificate) == 1 && SSL_CTX_use_PrivateKey(tls_, key) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(certificate_bio);
    BIO_free(key_bio);
  }
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  AKI_CHECK(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  AKI_CHECK(::listen(listener_, 64) == 0);
  AKI_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

FakeServer::~FakeServer() {
  StopListening();
  std::list<std::unique_ptr<Connection>> connections;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
    connections.swap(connections_);
    for (const auto& connection : connections) ::shutdown(connection->fd, SHUT_RDWR);
  }
  for (const auto& connection : connections) {
    connection->thread.join();
    if (connection->fd >= 0) ::close(connection->fd);
  }
  SSL_CTX_free(tls_);
}

void FakeServer::StopListening() {
  if (!acceptor_.joinable()) return;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
}

void FakeServer::Expect(FakeReply reply) {
  const MutexLock lock(mutex_);
  replies_.push_back(std::move(reply));
}

void FakeServer::Handle(std::function<FakeReply(const FakeRequest&)> handler) {
  const MutexLock lock(mutex_);
  handler_ = std::move(handler);
}

std::vector<FakeRequest> FakeServer::Requests() {
  const MutexLock lock(mutex_);
  return requests_;
}

void FakeServer::Accept() {
  for (int number = 0;; ++number) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    auto connection = std::make_unique<Connection>();
    connection->fd = fd;
    connection->number = number;
    const MutexLock lock(mutex_);
    connection->thread = std::thread([this, served = connection.get()] { Serve(*served); });
    connections_.push_back(std::move(connection));
  }
}

bool FakeServer::NextIsOnConnect() {
  const MutexLock lock(mutex_);
  return !replies_.empty() && replies_.front().when == FakeReply::When::kOnConnect;
}

FakeReply FakeServer::Next(const FakeRequest* request) {
  std::function<FakeReply(const FakeRequest&)> handler;
  {
    const MutexLock lock(mutex_);
    if (!replies_.empty()) {
      FakeReply reply = std::move(replies_.front());
      replies_.pop_front();
      return reply;
    }
    handler = handler_;
  }
  if (handler && request != nullptr) return handler(*request);
  return FakeReply::Of("418 Nothing expected");
}

void FakeServer::Serve(Connection& connection) {
  // OpenSSL writes without MSG_NOSIGNAL. Blocked on this thread only: a client that raised it would still end the test.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  if (tls_ != nullptr) {
    connection.ssl = SSL_new(tls_);
    SSL_set_fd(connection.ssl, connection.fd);
    if (SSL_accept(connection.ssl) != 1) {
      ::shutdown(connection.fd, SHUT_RDWR);
      return;
    }
  }
  for (;;) {
    FakeRequest request;
    request.connection = connection.number;
    std::optional<FakeReply> reply;
    if (NextIsOnConnect()) {
      reply = Next(nullptr);
    } else {
      if (!connection.ReadHead(&request)) break;
      bool after_head = false;
      {
        const MutexLock lock(mutex_);
        after_head = !replies_.empty() && replies_.front().when == FakeReply::When::kAfterHead;
      }
      if (!after_head && !connection.ReadBody(&request)) break;
      reply = Next(&request);
      const MutexLock lock(mutex_);
      requests_.push_back(request);
    }
    connection.Write(reply->bytes);
    if (reply->then == FakeReply::Then::kHang) {
      const MutexLock lock(mutex_);
      while (!stopping_) changed_.Wait(mutex_);
      return;
    }
    if (reply->then == FakeReply::Then::kReset) connection.Reset();
    if (reply->then != FakeReply::Then::kKeep) break;
  }
  const MutexLock lock(mutex_);
  ::close(std::exchange(connection.fd, -1));
}

FakeCertificate MakeCertificate() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("akidb test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  for (const auto& [id, value] : {std::pair{NID_basic_constraints, "critical,CA:TRUE"},
                                  std::pair{NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost"}}) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  AKI_CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
  const auto pem = [](const auto& write) {
    BIO* const bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<size_t>(size));
    BIO_free(bio);
    return out;
  };
  FakeCertificate out;
  out.certificate_pem = pem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
  out.key_pem = pem([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(certificate);
  EVP_PKEY_free(key);
  return out;
}

}  // namespace akidb::s3
