// A connected stream of bytes with deadlines, plain or TLS; and how one is opened.
// It exists so that HTTP above can be tested with a scripted peer, and so that only one file knows sockets.
//
// Threads: a ByteStream belongs to one thread at a time. A Dialer is thread-safe.
// Errors:  kUnavailable (refused, reset, or no progress for the stall timeout), kDeadlineExceeded, kCancelled,
//          kFailedPrecondition (reason "tls_untrusted": the peer's certificate does not prove who it is).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "objstore/s3/uri.h"

namespace akidb::s3 {

// Whether a read ends with the first bytes or would rather have all that it asked for.
enum class Fill : uint8_t { kAny, kAll };

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Sends a beginning of `first` followed by `second`, and returns its size: at least one byte, unless the peer has
  // something to say before it will read on: then 0.
  virtual Result<size_t> WriteSome(OpContext& ctx, std::string_view first, std::string_view second) = 0;
  // Receives at least one byte and at most `size`; 0 at the end of the stream. `fill` only saves calls.
  virtual Result<size_t> ReadSome(OpContext& ctx, char* out, size_t size, Fill fill) = 0;
  // True while the peer is connected and silent: an idle connection that may be used again.
  virtual bool Quiet() = 0;
};

// One resolved address, as the system's socket calls take it.
struct SocketAddress {
  std::string bytes;  // a sockaddr
  std::string text;   // for messages
};

// Blocking name resolution of `host` for `port`.
using Resolver = std::function<Result<std::vector<SocketAddress>>(const std::string& host, uint16_t port)>;
Resolver SystemResolver();

struct DialOptions {
  Duration connect_timeout = std::chrono::seconds(5);  // a connection that is not there by then is an error
  Duration stall_timeout = std::chrono::seconds(30);   // no byte in either direction for that long is one
  Duration dns_ttl = std::chrono::seconds(30);
  std::string ca_file;  // PEM; empty: the system's store
};

class Dialer {
 public:
  virtual ~Dialer() = default;
  virtual Result<std::unique_ptr<ByteStream>> Connect(OpContext& ctx, const Endpoint& endpoint) = 0;
};

// Real sockets. kInvalidArgument if the CA file cannot be used.
Result<std::unique_ptr<Dialer>> NewSocketDialer(const DialOptions& options, Resolver resolver);

}  // namespace akidb::s3
