// TLS 1.2+ as a client, over a socket, with OpenSSL.
//
// Threads: a TlsContext is thread-safe; a TlsSession belongs to one thread at a time.
// Errors:  kInvalidArgument (CA file); kFailedPrecondition reason "tls_untrusted"; kUnavailable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"

namespace akidb::s3 {

// What a TLS step needs before it can go on.
enum class TlsWant : uint8_t { kNothing, kReadable, kWritable, kClosed };

struct TlsStep {
  TlsWant want = TlsWant::kNothing;
  size_t size = 0;  // bytes moved when nothing is wanted
};

class TlsSession {
 public:
  virtual ~TlsSession() = default;
  virtual Result<TlsStep> Handshake() = 0;
  virtual Result<TlsStep> Write(const char* data, size_t size) = 0;
  virtual Result<TlsStep> Read(char* out, size_t size) = 0;
  // Plain bytes that were received and not yet read.
  virtual bool HasPending() = 0;
};

class TlsContext {
 public:
  virtual ~TlsContext() = default;
  // A session on a non-blocking socket, which stays the caller's. The peer must prove that it is `host`.
  virtual Result<std::unique_ptr<TlsSession>> Start(int socket, const std::string& host) = 0;
};

// Trusts the certificates in `ca_file` (PEM), or the system's if it is empty.
Result<std::unique_ptr<TlsContext>> NewTlsContext(const std::string& ca_file);

}  // namespace akidb::s3
