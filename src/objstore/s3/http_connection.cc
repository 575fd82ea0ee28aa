// The one file that includes Beast: its parser reads heads and chunked bodies. Bodies of known length bypass it.
#include "objstore/s3/http_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstring>
#include <limits>
#include <utility>

namespace akidb::s3 {
namespace {

namespace http = boost::beast::http;
using ErrorCode = boost::system::error_code;
using Parser = http::response_parser<http::buffer_body>;

constexpr size_t kBufferBytes = 64u << 10;
static_assert(kBufferBytes >= kHttpHeadBytesMax, "a head must fit");

std::string LowerCase(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

template <class T>
std::string_view View(const T& text) {
  return {text.data(), text.size()};
}

class BeastConnection final : public HttpConnection {
 public:
  explicit BeastConnection(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)), buffer_(kBufferBytes) {}

  Result<HttpHead> Exchange(OpContext& ctx, const HttpRequest& request) override {
    request_sent_ = answer_started_ = false;
    keep_alive_ = body_done_ = false;
    begin_ = end_ = 0;
    const Status written = Send(ctx, request);
    if (!written.ok() && written.reason() != "connection_lost") return std::unexpected(written);
    // A peer that refuses early may have answered before it closed: its answer says more than the failed write.
    Result<HttpHead> head = ReadHead(ctx, request.answer_has_body);
    if (!head && !written.ok() && !answer_started_) return std::unexpected(written);
    return head;
  }

  Result<size_t> ReadBody(OpContext& ctx, char* out, size_t size) override {
    if (body_done_ || size == 0) return 0;
    return length_left_ ? ReadKnownLength(ctx, out, size) : ReadParsed(ctx, out, size);
  }

  bool request_sent() const override { return request_sent_; }
  bool answer_started() const override { return answer_started_; }
  bool reusable() const override { return keep_alive_ && body_done_ && begin_ == end_; }
  bool Quiet() override { return stream_->Quiet(); }

 private:
  Status Send(OpContext& ctx, const HttpRequest& request) {
    std::string_view first = request.head;
    std::string_view second = request.body;
    std::string_view third = request.body_rest;
    for (;;) {
      if (second.empty()) second = std::exchange(third, {});
      if (first.empty()) first = std::exchange(second, std::exchange(third, {}));
      if (first.empty()) break;
      AKI_ASSIGN_OR_RETURN(const size_t sent, stream_->WriteSome(ctx, first, second));
      if (sent == 0) return Unavailable("the peer answered before it had the request").WithReason("connection_lost");
      const size_t of_first = std::min(sent, first.size());
      first.remove_prefix(of_first);
      second.remove_prefix(sent - of_first);
    }
    request_sent_ = true;
    return OkStatus();
  }

  Result<HttpHead> ReadHead(OpContext& ctx, bool has_body) {
    for (;;) {
      parser_.emplace();
      parser_->header_limit(kHttpHeadBytesMax);
      parser_->body_limit(std::numeric_limits<uint64_t>::max());
      parser_->skip(!has_body);
      parser_->eager(false);
      while (!parser_->is_header_done()) {
        AKI_RETURN_IF_ERROR(Feed(ctx));
      }
      if (parser_->get().result_int() >= 200) break;
    }
    // An answer that came before the request was out leaves the connection half used.
    keep_alive_ = parser_->keep_alive() && request_sent_;
    HttpHead head;
    head.status = static_cast<int>(parser_->get().result_int());
    for (const auto& field : parser_->get()) {
      head.headers.emplace_back(LowerCase(View(field.name_string())), std::string(View(field.value())));
    }
    if (const auto length = parser_->content_length()) head.content_length = *length;
    length_left_.reset();
    body_done_ = parser_->is_done() || !has_body || head.status == 204 || head.status == 304;
    if (!body_done_ && head.content_length) {
      length_left_ = *head.content_length;
      body_done_ = *length_left_ == 0;
    }
    return head;
  }

  // Gives the parser what is in the buffer, after reading more if that was not enough.
  Status Feed(OpContext& ctx) {
    if (begin_ < end_ && !need_more_) {
      ErrorCode error;
      begin_ += parser_->put(boost::asio::const_buffer(buffer_.data() + begin_, end_ - begin_), error);
      if (error == http::error::need_more) {
        need_more_ = true;
      } else if (error && error != http::error::need_buffer) {
        keep_alive_ = false;
        return FailedPrecondition("the answer is not HTTP: " + error.message()).WithReason("not_http");
      }
      return OkStatus();
    }
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == buffer_.size()) return FailedPrecondition("the answer's head is too long").WithReason("not_http");
    AKI_ASSIGN_OR_RETURN(const size_t received,
                         stream_->ReadSome(ctx, buffer_.data() + end_, buffer_.size() - end_, Fill::kAny));
    need_more_ = false;
    if (received == 0) return AtEnd();
    answer_started_ = true;
    end_ += received;
    return OkStatus();
  }

  Status AtEnd() {
    keep_alive_ = false;
    if (parser_->is_header_done()) {
      ErrorCode error;
      parser_->put_eof(error);  // the end of a body without a length
      if (!error) return OkStatus();
      return Truncated();
    }
    return Unavailable(answer_started_ ? "the connection was closed inside an answer's head"
                                       : "the connection was closed without an answer")
        .WithReason("connection_lost");
  }

  static Status Truncated() {
    return Unavailable("the connection was closed inside an answer's body").WithReason("truncated_body");
  }

  Result<size_t> ReadKnownLength(OpContext& ctx, char* out, size_t size) {
    size = static_cast<size_t>(std::min<uint64_t>(size, *length_left_));
    size_t received = std::min(size, end_ - begin_);
    if (received > 0) {
      std::memcpy(out, buffer_.data() + begin_, received);
      begin_ += received;
    } else {
      Result<size_t> read = stream_->ReadSome(ctx, out, size, Fill::kAll);
      if (!read || *read == 0) keep_alive_ = false;
      if (!read && read.error().reason() == "connection_lost") return std::unexpected(Truncated());
      if (!read) return read;
      if (*read == 0) return std::unexpected(Truncated());
      received = *read;
    }
    *length_left_ -= received;
    body_done_ = *length_left_ == 0;
    return received;
  }

  Result<size_t> ReadParsed(OpContext& ctx, char* out, size_t size) {
    auto& body = parser_->get().body();
    body.data = out;
    body.size = size;
    while (body.size == size && !parser_->is_done()) {
      if (Status fed = Feed(ctx); !fed.ok()) {
        keep_alive_ = false;
        if (fed.reason() == "connection_lost") fed = Truncated();
        return std::unexpected(std::move(fed));
      }
    }
    const size_t received = size - body.size;
    body_done_ = received == 0;
    return received;
  }

  const std::unique_ptr<ByteStream> stream_;
  std::vector<char> buffer_;
  size_t begin_ = 0;  // received and not yet parsed: [begin_, end_)
  size_t end_ = 0;
  bool need_more_ = false;  // the parser wants more than is in the buffer
  std::optional<Parser> parser_;
  std::optional<uint64_t> length_left_;
  bool request_sent_ = false;
  bool answer_started_ = false;
  bool keep_alive_ = false;
  bool body_done_ = false;
};

}  // namespace

std::string_view HttpHead::Header(std::string_view name) const {
  for (const auto& [have, value] : headers) {
    if (have == name) return value;
  }
  return {};
}

std::unique_ptr<HttpConnection> NewHttpConnection(std::unique_ptr<ByteStream> stream) {
  return std::make_unique<BeastConnection>(std::move(stream));
}

}  // namespace akidb::s3
