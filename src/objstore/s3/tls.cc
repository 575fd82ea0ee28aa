#include "objstore/s3/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/check.h"

namespace akidb::s3 {
namespace {

std::string LastSslError() {
  const unsigned long code = ERR_get_error();
  if (code == 0) return "the connection was closed";
  std::array<char, 160> text{};
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

// A socket as OpenSSL sees it. Its own socket BIO writes without MSG_NOSIGNAL: a peer that is gone would end the
// process.
int SocketWrite(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const int socket = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  const ssize_t sent = ::send(socket, data, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int SocketRead(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  const int socket = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  const ssize_t received = ::recv(socket, out, static_cast<size_t>(size), 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(received);
}

long SocketControl(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* SocketMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "akidb socket");
    AKI_CHECK(made != nullptr && BIO_meth_set_write(made, SocketWrite) == 1 &&
              BIO_meth_set_read(made, SocketRead) == 1 && BIO_meth_set_ctrl(made, SocketControl) == 1);
    return made;
  }();
  return method;
}

bool IsAddress(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

class OpenSslSession final : public TlsSession {
 public:
  OpenSslSession(SSL* ssl, std::string host) : ssl_(ssl), host_(std::move(host)) {}
  ~OpenSslSession() override { SSL_free(ssl_); }
  OpenSslSession(const OpenSslSession&) = delete;
  OpenSslSession& operator=(const OpenSslSession&) = delete;

  Result<TlsStep> Handshake() override {
    ERR_clear_error();
    const int result = SSL_connect(ssl_);
    if (result == 1) return TlsStep{};
    const long verified = SSL_get_verify_result(ssl_);
    if (SSL_get_error(ssl_, result) == SSL_ERROR_SSL && verified != X509_V_OK) {
      ERR_clear_error();
      return std::unexpected(FailedPrecondition("the certificate of " + host_ + " is not trusted: " +
                                                X509_verify_cert_error_string(verified) + "; see s3.ca_file")
                                 .WithReason("tls_untrusted"));
    }
    return Outcome(result, 0, "TLS handshake with " + host_);
  }
  Result<TlsStep> Write(const char* data, size_t size) override {
    ERR_clear_error();
    const int result = SSL_write(ssl_, data, static_cast<int>(std::min<size_t>(size, INT_MAX)));
    return Outcome(result, result, "TLS write to " + host_);
  }
  Result<TlsStep> Read(char* out, size_t size) override {
    ERR_clear_error();
    const int result = SSL_read(ssl_, out, static_cast<int>(std::min<size_t>(size, INT_MAX)));
    return Outcome(result, result, "TLS read from " + host_);
  }
  bool HasPending() override { return SSL_has_pending(ssl_) == 1; }

 private:
  Result<TlsStep> Outcome(int result, int size, const std::string& what) {
    if (result > 0) return TlsStep{TlsWant::kNothing, static_cast<size_t>(size)};
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ: return TlsStep{TlsWant::kReadable, 0};
      case SSL_ERROR_WANT_WRITE: return TlsStep{TlsWant::kWritable, 0};
      case SSL_ERROR_ZERO_RETURN: return TlsStep{TlsWant::kClosed, 0};
      default: return std::unexpected(Unavailable(what + ": " + LastSslError()));
    }
  }

  SSL* const ssl_;
  const std::string host_;
};

class OpenSslContext final : public TlsContext {
 public:
  explicit OpenSslContext(SSL_CTX* ctx) : ctx_(ctx) {}
  ~OpenSslContext() override { SSL_CTX_free(ctx_); }
  OpenSslContext(const OpenSslContext&) = delete;
  OpenSslContext& operator=(const OpenSslContext&) = delete;

  Result<std::unique_ptr<TlsSession>> Start(int socket, const std::string& host) override {
    SSL* const ssl = SSL_new(ctx_);
    BIO* const bio = BIO_new(SocketMethod());
    AKI_CHECK(ssl != nullptr && bio != nullptr);
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(socket)));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    auto session = std::make_unique<OpenSslSession>(ssl, host);
    const bool address = IsAddress(host);
    const int named =
        address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) : SSL_set1_host(ssl, host.c_str());
    if (named != 1 || (!address && SSL_set_tlsext_host_name(ssl, host.c_str()) != 1)) {
      return std::unexpected(InvalidArgument("'" + host + "' is not a name that a certificate can prove"));
    }
    return session;
  }

 private:
  SSL_CTX* const ctx_;
};

}  // namespace

Result<std::unique_ptr<TlsContext>> NewTlsContext(const std::string& ca_file) {
  SSL_CTX* const ctx = SSL_CTX_new(TLS_client_method());
  AKI_CHECK(ctx != nullptr);
  auto context = std::make_unique<OpenSslContext>(ctx);
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  ERR_clear_error();
  const int loaded =
      ca_file.empty() ? SSL_CTX_set_default_verify_paths(ctx) : SSL_CTX_load_verify_file(ctx, ca_file.c_str());
  if (loaded != 1) return std::unexpected(InvalidArgument("CA file '" + ca_file + "': " + LastSslError()));
  return context;
}

}  // namespace akidb::s3
