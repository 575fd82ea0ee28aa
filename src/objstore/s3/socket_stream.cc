// Sockets with deadlines: one system call a request, and mostly one for each part of an answer.
// Reads block for a slice at a time; poll comes in near a deadline, for writes that do not fit, and for TLS.
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/mutex.h"
#include "objstore/s3/byte_stream.h"
#include "objstore/s3/dns_cache.h"
#include "objstore/s3/tls.h"

namespace akidb::s3 {
namespace {

std::string ErrnoText(int error) { return std::generic_category().message(error); }

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  Socket& operator=(Socket&&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// How late a cancellation may be noticed.
constexpr Duration kSlice = std::chrono::milliseconds(100);

// Waits for `events`; returns those that came. `give_up` bounds the wait beside the operation's own deadline.
Result<short> WaitFor(OpContext& ctx, int fd, short events, MonotonicTime give_up, const std::string& what) {
  for (;;) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    const MonotonicTime now = ctx.clock().Now();
    if (now >= give_up) return std::unexpected(Unavailable(what + ": no progress in time").WithReason("stalled"));
    const Duration left = std::min({kSlice, give_up - now, ctx.deadline() - now});
    const auto ceil_ms = std::chrono::ceil<std::chrono::milliseconds>(left);
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(ceil_ms.count()));
    if (ready > 0) return entry.revents;
    if (ready < 0 && errno != EINTR) return std::unexpected(Unavailable(what + ": poll: " + ErrnoText(errno)));
  }
}

class SocketStream final : public ByteStream {
 public:
  SocketStream(Socket socket, std::string peer, Duration stall_timeout)
      : socket_(std::move(socket)), peer_(std::move(peer)), stall_timeout_(stall_timeout) {}

  Result<size_t> WriteSome(OpContext& ctx, std::string_view first, std::string_view second) override {
    std::array<iovec, 2> parts{
        {{const_cast<char*>(first.data()), first.size()}, {const_cast<char*>(second.data()), second.size()}}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    for (const MonotonicTime give_up = GiveUp(ctx);;) {
      const ssize_t sent = ::sendmsg(socket_.fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) return static_cast<size_t>(sent);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return Lost("write to");
      AKI_ASSIGN_OR_RETURN(const short events,
                           WaitFor(ctx, socket_.fd(), POLLIN | POLLOUT, give_up, "write to " + peer_));
      if ((events & POLLOUT) == 0) return 0;
    }
  }

  Result<size_t> ReadSome(OpContext& ctx, char* out, size_t size, Fill fill) override {
    for (const MonotonicTime give_up = GiveUp(ctx);;) {
      AKI_RETURN_IF_ERROR(ctx.Check());
      // The socket's own time-out ends a blocking read after one slice.
      const bool may_block = ctx.deadline() - ctx.clock().Now() > kSlice && stall_timeout_ > kSlice;
      const int flags = may_block ? (fill == Fill::kAll ? MSG_WAITALL : 0) : MSG_DONTWAIT;
      const ssize_t received = ::recv(socket_.fd(), out, size, flags);
      if (received >= 0) return static_cast<size_t>(received);
      if (errno != EAGAIN && errno != EINTR) return Lost("read from");
      AKI_RETURN_IF_ERROR(WaitFor(ctx, socket_.fd(), POLLIN, give_up, "read from " + peer_));
    }
  }

  bool Quiet() override {
    char byte = 0;
    return ::recv(socket_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }

  int fd() const { return socket_.fd(); }

 private:
  MonotonicTime GiveUp(OpContext& ctx) const { return ctx.clock().Now() + stall_timeout_; }
  Result<size_t> Lost(const std::string& verb) const {
    return std::unexpected(Unavailable(verb + " " + peer_ + ": " + ErrnoText(errno)).WithReason("connection_lost"));
  }

  const Socket socket_;
  const std::string peer_;
  const Duration stall_timeout_;
};

class TlsStream final : public ByteStream {
 public:
  TlsStream(Socket socket, std::unique_ptr<TlsSession> session, std::string peer, Duration stall_timeout)
      : socket_(std::move(socket)),
        session_(std::move(session)),
        peer_(std::move(peer)),
        stall_timeout_(stall_timeout) {}

  Status Handshake(OpContext& ctx, Duration timeout) {
    const MonotonicTime give_up = ctx.clock().Now() + timeout;
    for (;;) {
      AKI_ASSIGN_OR_RETURN(const TlsStep step, session_->Handshake());
      if (step.want == TlsWant::kNothing) return OkStatus();
      if (step.want == TlsWant::kClosed) return Unavailable("TLS handshake with " + peer_ + ": closed by the peer");
      AKI_RETURN_IF_ERROR(Await(ctx, step.want, 0, give_up));
    }
  }

  Result<size_t> WriteSome(OpContext& ctx, std::string_view first, std::string_view second) override {
    // Small requests go out as one record, so that a conditional body is one burst here too.
    constexpr size_t kRecordBytes = 16u << 10;
    std::string_view data = first.empty() ? second : first;
    if (!first.empty() && !second.empty() && first.size() < kRecordBytes) {
      joined_.assign(first);
      joined_.append(second.substr(0, kRecordBytes - first.size()));
      data = joined_;
    }
    for (const MonotonicTime give_up = ctx.clock().Now() + stall_timeout_;;) {
      AKI_ASSIGN_OR_RETURN(const TlsStep step, session_->Write(data.data(), data.size()));
      if (step.want == TlsWant::kNothing) return step.size;
      if (step.want == TlsWant::kClosed) return 0;
      AKI_ASSIGN_OR_RETURN(const short events, Await(ctx, step.want, POLLIN, give_up));
      if (step.want == TlsWant::kWritable && (events & POLLOUT) == 0) return 0;
    }
  }

  Result<size_t> ReadSome(OpContext& ctx, char* out, size_t size, Fill) override {
    for (const MonotonicTime give_up = ctx.clock().Now() + stall_timeout_;;) {
      AKI_ASSIGN_OR_RETURN(const TlsStep step, session_->Read(out, size));
      if (step.want == TlsWant::kNothing) return step.size;
      if (step.want == TlsWant::kClosed) return 0;
      AKI_RETURN_IF_ERROR(Await(ctx, step.want, 0, give_up));
    }
  }

  bool Quiet() override {
    // Session tickets may lie in the socket; reading takes them in, and finds no data.
    char byte = 0;
    if (session_->HasPending()) return false;
    const Result<TlsStep> step = session_->Read(&byte, 1);
    return step && step->want == TlsWant::kReadable;
  }

 private:
  Result<short> Await(OpContext& ctx, TlsWant want, short also, MonotonicTime give_up) {
    const short events = want == TlsWant::kReadable ? POLLIN : POLLOUT;
    return WaitFor(ctx, socket_.fd(), static_cast<short>(events | also), give_up, "TLS with " + peer_);
  }

  const Socket socket_;
  const std::unique_ptr<TlsSession> session_;
  const std::string peer_;
  const Duration stall_timeout_;
  std::string joined_;
};

Result<Socket> ConnectTo(OpContext& ctx, const SocketAddress& address, MonotonicTime give_up) {
  const auto* const target = reinterpret_cast<const sockaddr*>(address.bytes.data());
  Socket socket(::socket(target->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0) return std::unexpected(Unavailable("socket: " + ErrnoText(errno)));
  const int on = 1;
  ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  if (::connect(socket.fd(), target, static_cast<socklen_t>(address.bytes.size())) == 0) return socket;
  int error = errno;
  if (error == EINPROGRESS || error == EINTR) {
    AKI_RETURN_IF_ERROR(WaitFor(ctx, socket.fd(), POLLOUT, give_up, "connect to " + address.text));
    socklen_t size = sizeof(error);
    ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) return socket;
  }
  return std::unexpected(
      Unavailable("connect to " + address.text + ": " + ErrnoText(error)).WithReason("connect_failed"));
}

// Reads may block for one slice at a time.
void SetBlocking(int fd) {
  const timeval slice{0, std::chrono::duration_cast<std::chrono::microseconds>(kSlice).count()};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof(slice));
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

class SocketDialer final : public Dialer {
 public:
  // `tls` may be null: the system's certificates take a quarter of a second to load, and plain HTTP needs none.
  SocketDialer(const DialOptions& options, Resolver resolver, std::unique_ptr<TlsContext> tls)
      : options_(options), dns_(std::move(resolver), options.dns_ttl), tls_(std::move(tls)) {}

  Result<std::unique_ptr<ByteStream>> Connect(OpContext& ctx, const Endpoint& endpoint) override {
    AKI_ASSIGN_OR_RETURN(const auto addresses, dns_.Lookup(ctx, endpoint.host, endpoint.port));
    const MonotonicTime give_up = ctx.clock().Now() + options_.connect_timeout;
    Status failed = Unavailable("'" + endpoint.host + "' has no address").WithReason("connect_failed");
    for (const SocketAddress& address : addresses) {
      Result<Socket> socket = ConnectTo(ctx, address, give_up);
      if (socket) return Finish(ctx, endpoint, std::move(*socket));
      failed = std::move(socket).error();
      AKI_RETURN_IF_ERROR(ctx.Check());
    }
    return std::unexpected(std::move(failed));
  }

 private:
  Result<std::unique_ptr<ByteStream>> Finish(OpContext& ctx, const Endpoint& endpoint, Socket socket) {
    const std::string peer = endpoint.HostHeader();
    if (endpoint.scheme == Scheme::kHttp) {
      SetBlocking(socket.fd());
      return std::make_unique<SocketStream>(std::move(socket), peer, options_.stall_timeout);
    }
    AKI_ASSIGN_OR_RETURN(TlsContext* const tls, Tls());
    AKI_ASSIGN_OR_RETURN(std::unique_ptr<TlsSession> session, tls->Start(socket.fd(), endpoint.host));
    auto stream = std::make_unique<TlsStream>(std::move(socket), std::move(session), peer, options_.stall_timeout);
    AKI_RETURN_IF_ERROR(stream->Handshake(ctx, options_.connect_timeout));
    return stream;
  }

  Result<TlsContext*> Tls() {
    const MutexLock lock(mutex_);
    if (tls_ == nullptr) {
      AKI_ASSIGN_OR_RETURN(tls_, NewTlsContext(options_.ca_file));
    }
    return tls_.get();
  }

  const DialOptions options_;
  DnsCache dns_;
  Mutex mutex_;
  std::unique_ptr<TlsContext> tls_ AKI_GUARDED_BY(mutex_);
};

}  // namespace

Resolver SystemResolver() {
  return [](const std::string& host, uint16_t port) -> Result<std::vector<SocketAddress>> {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (error != 0) {
      return std::unexpected(
          Unavailable("cannot resolve '" + host + "': " + ::gai_strerror(error)).WithReason("connect_failed"));
    }
    std::vector<SocketAddress> out;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
      std::array<char, NI_MAXHOST> text{};
      ::getnameinfo(entry->ai_addr, entry->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
      out.push_back({std::string(reinterpret_cast<const char*>(entry->ai_addr), entry->ai_addrlen),
                     std::string(text.data()) + " port " + std::to_string(port)});
    }
    ::freeaddrinfo(found);
    return out;
  };
}

Result<std::unique_ptr<Dialer>> NewSocketDialer(const DialOptions& options, Resolver resolver) {
  std::unique_ptr<TlsContext> tls;
  if (!options.ca_file.empty()) {
    AKI_ASSIGN_OR_RETURN(tls, NewTlsContext(options.ca_file));
  }
  return std::make_unique<SocketDialer>(options, std::move(resolver), std::move(tls));
}

}  // namespace akidb::s3
