// Connections of the HTTP server, and what they share. Included by http_server.cc alone.
//
// Threads: a session runs in the thread of its loop; what it says of others is in place. ServerState: thread-safe as
// its
//          members are.
// Errors:  none; a connection that misbehaves is answered and closed.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "service/rest/http_date.h"
#include "service/rest/http_server.h"

namespace akidb::rest {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using SteadyClock = std::chrono::steady_clock;
using Loop = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<tcp, Loop>;
using Timer = asio::basic_waitable_timer<SteadyClock, asio::wait_traits<SteadyClock>, Loop>;

constexpr size_t kReadBytes = 16u << 10;
constexpr size_t kHeadersUsual = 8;
constexpr size_t kChunkBytes = 64u << 10;
constexpr uint64_t kLingerBytesMax = 256ull << 20;
// What is left of a body that is larger is read by the body queue: a copy of this size takes some ten microseconds.
constexpr size_t kBodyHereBytes = 256u << 10;
// The body queue is called when so much has arrived. A wake-up for each segment that a fast client sends would cost
// more than the copying.
constexpr size_t kBodyWakeBytes = 512u << 10;
// In one call, within which most kernels give the processor to nobody else.
constexpr size_t kReceiveBytes = 64u << 10;

class Session;

// Of one thread, so that no handler locks, or wakes another thread for the next one.
struct EventLoop {
  asio::io_context io{1};
  size_t connections = 0;  // under ServerState::mutex
};

// What the connections share. Each holds it, so that a late answer still finds an event loop.
struct ServerState {
  ServerState(Service& s, const HttpServerOptions& o)
      : service(s),
        options(o),
        active(s.metrics().GetGauge("akidb_active_connections", "Open client connections.", "")) {
    for (int i = 0; i < o.threads; ++i) loops.push_back(std::make_unique<EventLoop>());
  }

  Service& service;
  const HttpServerOptions options;
  asio::io_context accepting{1};                  // of a thread that waits for connections
  std::vector<std::unique_ptr<EventLoop>> loops;  // of those that serve them
  Gauge& active;
  std::atomic<bool> draining{false};
  std::atomic<bool> stopped{false};
  Mutex mutex;
  CondVar changed;
  std::unordered_map<Session*, std::weak_ptr<Session>> sessions AKI_GUARDED_BY(mutex);
};

// One connection. All its functions run on its loop.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Socket socket, EventLoop& loop, std::shared_ptr<ServerState> state)
      : state_(std::move(state)),
        loop_(loop),
        options_(state_->options),
        socket_(std::move(socket)),
        timer_(socket_.get_executor()) {
    state_->active.Add(1);
    {
      MutexLock lock(state_->mutex);
      ++loop_.connections;
    }
    error_code ignored;
    socket_.non_blocking(true, ignored);  // for the answers that are written at once
  }

  ~Session() {
    state_->active.Add(-1);
    MutexLock lock(state_->mutex);
    state_->sessions.erase(this);
    --loop_.connections;
    state_->changed.NotifyAll();
  }

  void Start() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    const tcp::endpoint peer = socket_.remote_endpoint(ignored);
    if (!ignored) remote_ = peer.address().to_string();
    WaitForRequest();
  }

  Loop executor() { return socket_.get_executor(); }

  // Answers before any request was read, then closes.
  void Turn(const Status& status) { Refuse(status); }

  void Drain() {
    if (idle_) Close();
  }

  void Close() {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_both, ignored);
    closing_ = true;
    if (receiving_) return;  // the descriptor is in use: closed when that is over, which is soon now
    socket_.close(ignored);
    deadline_ = SteadyClock::time_point::max();
    timer_.cancel();
  }

 private:
  Duration TransferTime(uint64_t bytes) const {
    return options_.transfer_timeout +
           std::chrono::seconds(bytes / std::max<uint64_t>(options_.bytes_per_second_min, 1));
  }

  // Closes the connection if nothing else was asked until then. The timer is not set anew for a later time: it finds
  // out when it fires. A timer that is set and cancelled with each request costs a trip through the event loop, and
  // wakes a thread for it.
  void ExpireAfter(Duration duration) {
    deadline_ = SteadyClock::now() + duration;
    if (deadline_ < timer_at_) SetTimer();
  }

  void ExpireNever() { deadline_ = SteadyClock::time_point::max(); }

  void SetTimer() {
    timer_at_ = deadline_;
    timer_.expires_at(deadline_);
    timer_.async_wait([weak = weak_from_this()](error_code cancelled) {
      const std::shared_ptr<Session> self = weak.lock();
      if (!cancelled && self) self->TimerFired();
    });
  }

  void TimerFired() {
    timer_at_ = SteadyClock::time_point::max();
    if (deadline_ == SteadyClock::time_point::max()) return;
    if (deadline_ <= SteadyClock::now()) return Close();
    SetTimer();
  }

  void WaitForRequest() {
    if (state_->draining.load()) return Close();
    if (buffer_.size() > 0) return ReadHeader();
    idle_ = true;
    ExpireAfter(options_.idle_timeout);
    socket_.async_read_some(buffer_.prepare(kReadBytes), [self = shared_from_this()](error_code error, size_t size) {
      self->idle_ = false;
      if (error) return self->Close();
      self->buffer_.commit(size);
      self->ReadHeader();
    });
  }

  void ReadHeader() {
    parser_.emplace();
    parser_->header_limit(options_.header_bytes_max);
    parser_->body_limit(boost::none);  // ours is checked below, where it can be answered
    if (buffer_.size() > 0 && ParseWhatIsThere()) return;
    ExpireAfter(options_.header_timeout);
    http::async_read_header(socket_, buffer_, *parser_, [self = shared_from_this()](error_code error, size_t) {
      if (error) {
        self->HeaderFailed(error);
      } else {
        self->HeaderRead();
      }
    });
  }

  // Most headers come whole with their first bytes; each trip through the event loop that this saves is a tenth of the
  // time of a small durable write. False if more must be read.
  bool ParseWhatIsThere() {
    error_code error;
    buffer_.consume(parser_->put(buffer_.data(), error));
    if (error == http::error::need_more) return false;
    if (error) {
      HeaderFailed(error);
    } else {
      HeaderRead();
    }
    return true;
  }

  void HeaderFailed(error_code error) {
    const bool malformed = error.category() == make_error_code(http::error::bad_target).category() &&
                           error != http::error::end_of_stream && error != http::error::partial_message;
    if (!malformed) return Close();
    if (error == http::error::header_limit) {
      return Refuse(InvalidArgument("the request line and headers are longer than header_bytes_max = " +
                                    std::to_string(options_.header_bytes_max))
                        .WithReason("header_too_large"));
    }
    Refuse(InvalidArgument("this is not an HTTP/1.1 request: " + error.message()).WithReason("bad_request"));
  }

  void HeaderRead() {
    const auto& message = parser_->get();
    request_ = HttpRequest();
    request_.method = std::string(message.method_string());
    request_.target = std::string(message.target());
    request_.remote = remote_;
    request_.headers.reserve(kHeadersUsual);
    for (const auto& field : message)
      request_.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    http_1_0_ = message.version() < 11;
    keep_alive_ = message.keep_alive();
    head_ = request_.method == "HEAD";
    const bool encoded = message.find(http::field::transfer_encoding) != message.end();
    const auto length = parser_->content_length();
    if (message.version() / 10 != 1)
      return Refuse(InvalidArgument("only HTTP/1.0 and HTTP/1.1 are spoken here").WithReason("bad_request"));
    if (encoded && (!parser_->chunked() || length)) {
      return Refuse(
          InvalidArgument("send either Content-Length or Transfer-Encoding: chunked").WithReason("bad_request"));
    }
    if (length && *length > options_.body_bytes_max) return RefuseBody(*length);
    const bool has_body = encoded || length.value_or(0) > 0;
    if (has_body && !http_1_0_ && EqualsIgnoringCase(request_.Header("expect"), "100-continue")) return SendContinue();
    ReadBody();
  }

  void RefuseBody(uint64_t bytes) {
    Refuse(InvalidArgument("the body has " + std::to_string(bytes) + " bytes or more; request_bytes_max is " +
                           std::to_string(options_.body_bytes_max) + ": send smaller batches")
               .WithReason("body_too_large"));
  }

  void SendContinue() {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    ExpireAfter(options_.transfer_timeout);
    asio::async_write(socket_, asio::buffer(kContinue), [self = shared_from_this()](error_code error, size_t) {
      if (error) return self->Close();
      self->ReadBody();
    });
  }

  void ReadBody() {
    if (parser_->chunked()) {
      ExpireAfter(TransferTime(options_.body_bytes_max));
      chunk_.resize(kChunkBytes);
      return ReadChunks();
    }
    const auto length = static_cast<size_t>(parser_->content_length().value_or(0));
    // The socket is read into the body itself, behind what came along with the headers.
    const size_t had = std::min(length, buffer_.size());
    request_.body.reserve(length + kBodyPaddingBytes);
    request_.body.resize_and_overwrite(length, [&](char* out, size_t size) {
      std::copy_n(static_cast<const char*>(buffer_.data().data()), had, out);
      return size;
    });
    buffer_.consume(had);
    if (options_.ticks != nullptr && length <= kBodyHereBytes) options_.ticks->NoteRequest();
    if (had == length) return Handle();
    ExpireAfter(TransferTime(length));
    if (options_.body_queue != nullptr && length - had > kBodyHereBytes) {
      received_ = had;
      return AwaitMoreOfBody();
    }
    asio::async_read(socket_, asio::buffer(request_.body.data() + had, length - had),
                     [self = shared_from_this()](error_code error, size_t) {
                       if (error) return self->Close();
                       self->Handle();
                     });
  }

  void AwaitMoreOfBody() {
    SetLowWater(std::min(request_.body.size() - received_, kBodyWakeBytes));
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](error_code error) {
      if (error) return self->Close();
      self->receiving_ = true;
      self->options_.body_queue->Post([self] {
        const bool open = self->ReceiveWhatIsThere();
        if (self->state_->stopped.load()) return;
        asio::post(self->socket_.get_executor(), [self, open] { self->Received(open); });
      });
    });
  }

  // In the body queue, while the loop leaves the body and the descriptor alone. False if no more will come.
  bool ReceiveWhatIsThere() {
    while (received_ < request_.body.size()) {
      const size_t size = std::min(request_.body.size() - received_, kReceiveBytes);
      const ssize_t got = ::recv(socket_.native_handle(), request_.body.data() + received_, size, MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return errno == EAGAIN;
      if (got == 0) return false;
      received_ += static_cast<size_t>(got);
    }
    return true;
  }

  void Received(bool open) {
    receiving_ = false;
    if (closing_ || !open) return Close();
    if (received_ < request_.body.size()) return AwaitMoreOfBody();
    SetLowWater(1);
    Handle();
  }

  // How much must have arrived for the socket to count as readable. A system that refuses wakes us more often.
  void SetLowWater(size_t bytes) {
    error_code ignored;
    socket_.set_option(asio::socket_base::receive_low_watermark(static_cast<int>(bytes)), ignored);
  }

  void ReadChunks() {
    auto& body = parser_->get().body();
    body.data = chunk_.data();
    body.size = chunk_.size();
    http::async_read_some(socket_, buffer_, *parser_, [self = shared_from_this()](error_code error, size_t) {
      if (error && error != http::error::need_buffer) {
        if (error.category() == make_error_code(http::error::bad_chunk).category() &&
            error != http::error::end_of_stream && error != http::error::partial_message) {
          return self->Refuse(
              InvalidArgument("the chunked body is malformed: " + error.message()).WithReason("bad_request"));
        }
        return self->Close();
      }
      const size_t size = self->chunk_.size() - self->parser_->get().body().size;
      if (self->request_.body.size() + size > self->options_.body_bytes_max)
        return self->RefuseBody(self->request_.body.size() + size);
      self->request_.body.append(self->chunk_.data(), size);
      if (!self->parser_->is_done()) return self->ReadChunks();
      self->request_.body.reserve(self->request_.body.size() + kBodyPaddingBytes);
      self->chunk_ = {};
      self->Handle();
    });
  }

  void Handle() {
    ExpireNever();
    parser_.reset();
    state_->service.Handle(std::move(request_), [self = shared_from_this()](HttpResponse response) mutable {
      if (self->state_->stopped.load()) return;
      Session& session = *self;
      asio::dispatch(
          session.socket_.get_executor(),
          [self = std::move(self), response = std::move(response)]() mutable { self->Write(std::move(response)); });
    });
  }

  // Answers a request that cannot be read to its end.
  void Refuse(const Status& status) {
    keep_alive_ = false;
    linger_ = true;
    parser_.reset();
    Write(state_->service.Refuse(status));
  }

  void Write(HttpResponse response) {
    if (state_->draining.load()) keep_alive_ = false;
    body_ = std::move(response.body);
    // Written where the text of the answer before was.
    head_text_.assign("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
    head_text_.append(HttpReason(response.status)).append("\r\nContent-Type: ").append(response.content_type);
    head_text_.append("\r\nContent-Length: ").append(std::to_string(body_.size()));
    head_text_.append("\r\nDate: ").append(HttpDate(state_->service.env().clock->WallNow()));
    for (const auto& [name, value] : response.headers)
      head_text_.append("\r\n").append(name).append(": ").append(value);
    head_text_ += "\r\nX-Content-Type-Options: nosniff";
    if (!keep_alive_) head_text_ += "\r\nConnection: close";
    if (keep_alive_ && http_1_0_) head_text_ += "\r\nConnection: keep-alive";
    head_text_ += "\r\n\r\n";
    if (head_) body_.clear();
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(head_text_), asio::buffer(body_)};
    error_code error;
    const size_t sent = socket_.write_some(parts, error);
    if (error && error != asio::error::would_block) return Close();
    if (sent == head_text_.size() + body_.size()) return Written();
    // The client is slower than we are: the event loop sends the rest.
    const size_t sent_of_body = sent - std::min(sent, head_text_.size());
    const std::array<asio::const_buffer, 2> rest = {parts[0] + sent, parts[1] + sent_of_body};
    ExpireAfter(TransferTime(body_.size()));
    asio::async_write(socket_, rest, [self = shared_from_this()](error_code failed, size_t) {
      if (failed) return self->Close();
      self->Written();
    });
  }

  void Written() {
    body_ = {};
    if (keep_alive_ && buffer_.size() > 0) {
      // A pipelined request, not served from here: a client that sends thousands would make the stack deep.
      asio::post(socket_.get_executor(), [self = shared_from_this()] { self->WaitForRequest(); });
      return;
    }
    if (keep_alive_) return WaitForRequest();
    if (linger_) return Linger();
    Close();
  }

  // Reads on for a while: closing with unread bytes would reset the connection and lose the answer on its way.
  void Linger() {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    ExpireAfter(options_.linger_timeout);
    buffer_.clear();
    DiscardSome();
  }

  void DiscardSome() {
    socket_.async_read_some(buffer_.prepare(kReadBytes), [self = shared_from_this()](error_code error, size_t size) {
      self->discarded_ += size;
      if (error || self->discarded_ > kLingerBytesMax) return self->Close();
      self->DiscardSome();
    });
  }

  const std::shared_ptr<ServerState> state_;
  EventLoop& loop_;
  const HttpServerOptions& options_;
  Socket socket_;
  Timer timer_;
  SteadyClock::time_point deadline_ = SteadyClock::time_point::max();
  SteadyClock::time_point timer_at_ = SteadyClock::time_point::max();  // when the timer fires; max: it is not set
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::buffer_body>> parser_;
  std::string remote_;
  HttpRequest request_;
  std::vector<char> chunk_;
  std::string head_text_;
  std::string body_;
  uint64_t discarded_ = 0;
  size_t received_ = 0;     // of a body that the body queue reads
  bool receiving_ = false;  // the body queue reads just now
  bool closing_ = false;
  bool idle_ = false;
  bool keep_alive_ = false;
  bool http_1_0_ = false;
  bool head_ = false;
  bool linger_ = false;
};

}  // namespace akidb::rest
