#include "cli/http_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <charconv>

#include "cli/interrupt.h"

namespace akidb {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using ErrorCode = boost::system::error_code;

constexpr uint64_t kReplyBytesMax = 256ull << 20;
constexpr size_t kBufferBytes = 64u << 10;
// What is sent at once. Within a call to send, most servers' kernels give the processor to nobody else, and to itself a
// machine receives in it too: 4 MB would take milliseconds, for which a server on it answers nobody.
constexpr size_t kPieceBytes = 64u << 10;

Duration RetryAfterOf(std::string_view text) {
  uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return error == std::errc() && end == text.data() + text.size() ? std::chrono::seconds(seconds) : Duration{};
}

// A connected socket whose bytes are waited for until a deadline, or until Ctrl-C. Without an event loop, which costs
// more than the request: with many connections on one machine the server would have that processor time.
class WaitedSocket {
 public:
  WaitedSocket(int fd, Clock& clock, MonotonicTime deadline) : fd_(fd), clock_(clock), deadline_(deadline) {}

  ErrorCode Write(std::string_view first, std::string_view second) {
    ErrorCode error;
    while (!error && (!first.empty() || !second.empty())) {
      const size_t of_second = std::min(second.size(), kPieceBytes);
      std::array<iovec, 2> parts{
          {{const_cast<char*>(first.data()), first.size()}, {const_cast<char*>(second.data()), of_second}}};
      msghdr message{};
      message.msg_iov = parts.data();
      message.msg_iovlen = parts.size();
      const size_t sent = Try(POLLOUT, &error, [&] { return ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
      const size_t of_first = std::min(sent, first.size());
      first.remove_prefix(of_first);
      second.remove_prefix(sent - of_first);
    }
    return error;
  }

  // What Beast wants of a stream to read from.
  template <class Buffers>
  size_t read_some(const Buffers& buffers, ErrorCode& error) {
    const asio::mutable_buffer into = *asio::buffer_sequence_begin(buffers);
    error = {};
    const size_t got = Try(POLLIN, &error, [&] { return ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT); });
    if (!error && got == 0 && into.size() > 0) error = asio::error::eof;
    return got;
  }
  template <class Buffers>
  size_t read_some(const Buffers& buffers) {
    ErrorCode error;
    const size_t got = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return got;
  }

 private:
  template <class Call>
  size_t Try(short events, ErrorCode* error, const Call& call) {
    constexpr Duration kSlice = std::chrono::milliseconds(100);  // how late Ctrl-C may be noticed
    for (;;) {
      const ssize_t done = call();
      if (done >= 0) return static_cast<size_t>(done);
      if (errno != EAGAIN && errno != EINTR) {
        *error = ErrorCode(errno, boost::system::system_category());
        return 0;
      }
      const Duration left = std::min(kSlice, deadline_ - clock_.Now());
      if (Interrupted()) *error = asio::error::operation_aborted;
      if (left <= Duration{}) *error = beast::error::timeout;
      if (*error) return 0;
      pollfd entry{fd_, events, 0};
      ::poll(&entry, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count()));
    }
  }

  const int fd_;
  Clock& clock_;
  const MonotonicTime deadline_;
};

}  // namespace

struct HttpClient::Connection {
  asio::io_context io{1};
  beast::tcp_stream stream{io};
  beast::flat_buffer buffer;
  bool open = false;
  bool used = false;  // answered at least once: a failure may only mean that the server closed an idle connection

  Connection() { buffer.reserve(kBufferBytes); }

  // Starts an operation and runs it to its end, to the deadline, or until Ctrl-C.
  template <class Start>
  Status Run(Duration timeout, std::string_view what, const Start& start) {
    ErrorCode result = asio::error::would_block;
    stream.expires_after(timeout);
    start([&result](ErrorCode error, auto&&...) { result = error; });
    io.restart();
    while (result == asio::error::would_block && !Interrupted()) io.run_one_for(std::chrono::milliseconds(100));
    if (result == asio::error::would_block) {
      stream.socket().close(result);
      io.run();
      return CheckInterrupt();
    }
    return Ended(result, what);
  }

  Status Ended(ErrorCode result, std::string_view what) {
    if (!result) return OkStatus();
    open = false;
    if (result == asio::error::operation_aborted) return CheckInterrupt();
    if (result == beast::error::timeout) return DeadlineExceeded(std::string(what) + ": no answer in time");
    return Unavailable(std::string(what) + ": " + result.message());
  }
};

Result<ServerUrl> ParseServerUrl(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  const Status bad = InvalidArgument("--server is '" + std::string(text) + "', expected http://HOST:PORT");
  if (!text.starts_with(kScheme)) return std::unexpected(bad);
  std::string_view rest = text.substr(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ ") != std::string_view::npos) return std::unexpected(bad);
  ServerUrl url{std::string(rest), "8080"};
  const size_t bracket = rest.rfind(']');
  const size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    url.host = rest.substr(0, colon);
    url.port = rest.substr(colon + 1);
    const bool digits = url.port.find_first_not_of("0123456789") == std::string::npos;
    if (url.port.empty() || url.port.size() > 5 || !digits) return std::unexpected(bad);
  }
  if (url.host.starts_with('[') && url.host.ends_with(']')) url.host = url.host.substr(1, url.host.size() - 2);
  if (url.host.empty()) return std::unexpected(bad);
  return url;
}

Duration RetryPause(int attempt, Duration retry_after) {
  constexpr Duration kFirst = std::chrono::milliseconds(50);
  constexpr Duration kLongest = std::chrono::seconds(5);
  if (retry_after > Duration::zero()) return retry_after;
  return std::min(kFirst * (1 << std::clamp(attempt - 1, 0, 10)), kLongest);
}

HttpClient::HttpClient(ServerUrl url, HttpOptions options, Clock& clock)
    : url_(std::move(url)), options_(options), clock_(clock) {}

HttpClient::~HttpClient() = default;

Result<HttpReply> HttpClient::Try(std::string_view method, std::string_view target, std::string_view content_type,
                                  std::string_view body) {
  const std::string where = url_.host + ":" + url_.port;
  if (connection_ == nullptr || !connection_->open) {
    connection_ = std::make_unique<Connection>();
    ErrorCode error;
    const auto endpoints = asio::ip::tcp::resolver(connection_->io).resolve(url_.host, url_.port, error);
    if (error) return std::unexpected(Unavailable("cannot resolve " + where + ": " + error.message()));
    AKI_RETURN_IF_ERROR(connection_->Run(options_.timeout, "cannot connect to " + where, [&](auto done) {
      connection_->stream.async_connect(endpoints, std::move(done));
    }));
    connection_->stream.socket().set_option(asio::ip::tcp::no_delay(true), error);
    connection_->open = true;
  }
  std::string head;
  head.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(where);
  head.append("\r\nUser-Agent: akidb-cli\r\nAccept: application/json\r\n");
  if (!content_type.empty()) head.append("Content-Type: ").append(content_type).append("\r\n");
  if (!body.empty() || method == "POST" || method == "PATCH" || method == "PUT") {
    head.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  }
  head.append("\r\n");

  const std::string what = std::string(method) + " " + where + std::string(target);
  WaitedSocket socket(connection_->stream.socket().native_handle(), clock_, clock_.Now() + options_.timeout);
  AKI_RETURN_IF_ERROR(connection_->Ended(socket.Write(head, body), what));
  http::response_parser<http::string_body> parser;
  parser.body_limit(kReplyBytesMax);
  ErrorCode failed;
  http::read(socket, connection_->buffer, parser, failed);
  AKI_RETURN_IF_ERROR(connection_->Ended(failed, what));
  auto response = parser.release();
  connection_->open = response.keep_alive();
  connection_->used = true;
  HttpReply reply;
  reply.status = response.result_int();
  const auto retry_after = response[http::field::retry_after];
  reply.retry_after = RetryAfterOf({retry_after.data(), retry_after.size()});
  reply.body = std::move(response.body());
  return reply;
}

Result<HttpReply> HttpClient::Send(std::string_view method, std::string_view target, std::string_view content_type,
                                   std::string_view body, Repeat repeat) {
  MonotonicTime give_up = MonotonicTime::max();
  for (int attempt = 1;; ++attempt) {
    const bool reused = connection_ != nullptr && connection_->open && connection_->used;
    Result<HttpReply> reply = Try(method, target, content_type, body);
    if (reply && reply->status != 429 && reply->status != 503) return reply;
    if (!reply) {
      if (connection_ != nullptr) connection_->open = false;
      if (reply.error().code() == StatusCode::kCancelled) return reply;
      if (repeat == Repeat::kUnsafe) return reply;
      if (reused && reply.error().code() == StatusCode::kUnavailable) continue;  // an idle connection was closed
    }
    const MonotonicTime now = clock_.Now();
    if (give_up == MonotonicTime::max()) give_up = now + options_.retry_for;
    const Duration pause = RetryPause(attempt, reply ? reply->retry_after : Duration{});
    if (now + pause >= give_up) return reply;
    AKI_RETURN_IF_ERROR(SleepUnlessInterrupted(pause));
  }
}

}  // namespace akidb
