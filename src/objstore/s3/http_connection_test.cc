#include "objstore/s3/http_connection.h"

#include <gtest/gtest.h>

#include <deque>

namespace akidb::s3 {
namespace {

// A peer that plays back pieces of an answer, and keeps what it was sent.
class ScriptedStream final : public ByteStream {
 public:
  struct Script {
    std::deque<std::string> pieces;  // one a read; then the stream ends
    size_t accepts = SIZE_MAX;       // bytes of the request; after them writing fails
    size_t write_max = SIZE_MAX;     // bytes taken by one call
    bool lost_at_end = false;        // reading past the pieces is a reset
    std::string written;
  };
  explicit ScriptedStream(Script& script) : script_(script) {}

  Result<size_t> WriteSome(OpContext&, std::string_view first, std::string_view second) override {
    const std::string all = std::string(first) + std::string(second);
    const size_t size = std::min({all.size(), script_.write_max, script_.accepts - script_.written.size()});
    if (size == 0) return std::unexpected(Unavailable("broken pipe").WithReason("connection_lost"));
    script_.written += all.substr(0, size);
    return size;
  }
  Result<size_t> ReadSome(OpContext&, char* out, size_t size, Fill) override {
    if (script_.pieces.empty()) {
      if (script_.lost_at_end) return std::unexpected(Unavailable("reset").WithReason("connection_lost"));
      return 0;
    }
    std::string& piece = script_.pieces.front();
    const size_t taken = std::min(size, piece.size());
    piece.copy(out, taken);
    piece.erase(0, taken);
    if (piece.empty()) script_.pieces.pop_front();
    return taken;
  }
  bool Quiet() override { return true; }

 private:
  Script& script_;
};

class HttpConnectionTest : public testing::Test {
 protected:
  Result<HttpHead> Exchange(bool has_body = true, std::string_view rest = {}) {
    if (connection_ == nullptr) connection_ = NewHttpConnection(std::make_unique<ScriptedStream>(script_));
    return connection_->Exchange(ctx_, {"GET / HTTP/1.1\r\n\r\n", "body", rest, has_body});
  }
  // The body, or the error as text.
  std::string Body(size_t step = 7) {
    std::string out;
    std::string piece(step, '\0');
    for (;;) {
      const auto read = connection_->ReadBody(ctx_, piece.data(), piece.size());
      if (!read) return std::string(read.error().reason());
      if (*read == 0) return out;
      out += piece.substr(0, *read);
    }
  }

  OpContext ctx_{RealClock()};
  ScriptedStream::Script script_;
  std::unique_ptr<HttpConnection> connection_;
};

TEST_F(HttpConnectionTest, KnownLengthIsReadToItsEnd) {
  script_.pieces = {"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Le", "ngth: 10\r\n\r\n01234", "56789"};
  script_.write_max = 5;
  const auto head = Exchange();
  ASSERT_TRUE(head) << head.error().ToString();
  EXPECT_EQ(script_.written, "GET / HTTP/1.1\r\n\r\nbody");
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->Header("etag"), "\"a\"");
  EXPECT_EQ(head->content_length, 10u);
  EXPECT_FALSE(connection_->reusable());
  EXPECT_EQ(Body(), "0123456789");
  EXPECT_TRUE(connection_->reusable());
}

TEST_F(HttpConnectionTest, BodyInTwoPiecesIsSentInOrderHoweverLittleIsTakenAtATime) {
  for (const size_t write_max : {size_t{1}, size_t{3}, size_t{20}, size_t{23}, SIZE_MAX}) {
    script_ = {.pieces = {"HTTP/1.1 204 No Content\r\n\r\n"}, .write_max = write_max, .written = {}};
    ASSERT_TRUE(Exchange(true, " and rest"));
    EXPECT_EQ(script_.written, "GET / HTTP/1.1\r\n\r\nbody and rest") << write_max;
  }
}

TEST_F(HttpConnectionTest, ChunksAreJoined) {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
  for (const size_t piece : {size_t{1}, size_t{3}, answer.size()}) {
    script_ = {};
    connection_.reset();
    for (size_t i = 0; i < answer.size(); i += piece) script_.pieces.push_back(answer.substr(i, piece));
    ASSERT_TRUE(Exchange());
    EXPECT_EQ(Body(4), "hello0123456789") << piece;
    EXPECT_TRUE(connection_->reusable()) << piece;
  }
}

TEST_F(HttpConnectionTest, OneConnectionTakesManyExchanges) {
  for (int i = 0; i < 3; ++i) {
    script_.pieces.push_back("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(i));
    ASSERT_TRUE(Exchange());
    EXPECT_EQ(Body(), std::to_string(i));
    EXPECT_TRUE(connection_->reusable());
  }
}

TEST_F(HttpConnectionTest, InterimAnswersAreSkipped) {
  script_.pieces = {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"};
  EXPECT_EQ(Exchange()->status, 204);
  EXPECT_EQ(Body(), "");
  EXPECT_TRUE(connection_->reusable());
}

TEST_F(HttpConnectionTest, HeadHasALengthAndNoBody) {
  script_.pieces = {"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"};
  const auto head = Exchange(/*has_body=*/false);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->content_length, 1000u);
  EXPECT_EQ(Body(), "");
  EXPECT_TRUE(connection_->reusable());
}

TEST_F(HttpConnectionTest, PeerThatClosesIsNotUsedAgain) {
  script_.pieces = {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"};
  ASSERT_TRUE(Exchange());
  EXPECT_EQ(Body(), "x");
  EXPECT_FALSE(connection_->reusable());
}

TEST_F(HttpConnectionTest, BodyWithoutLengthEndsWithTheStream) {
  script_.pieces = {"HTTP/1.1 200 OK\r\n\r\nabc", "def"};
  ASSERT_TRUE(Exchange());
  EXPECT_EQ(Body(), "abcdef");
  EXPECT_FALSE(connection_->reusable());
}

TEST_F(HttpConnectionTest, ShortBodiesAreTruncated) {
  for (const std::string framing : {"Content-Length: 10\r\n\r\n01234", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"}) {
    for (const bool reset : {false, true}) {
      script_ = {};
      connection_.reset();
      script_.pieces = {"HTTP/1.1 200 OK\r\n" + framing};
      script_.lost_at_end = reset;
      ASSERT_TRUE(Exchange());
      EXPECT_EQ(Body(), "truncated_body") << framing << reset;
      EXPECT_FALSE(connection_->reusable());
    }
  }
}

TEST_F(HttpConnectionTest, AnswerBeforeTheRequestWasTakenCounts) {
  script_.accepts = 20;
  script_.pieces = {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"};
  const auto head = Exchange();
  ASSERT_TRUE(head) << head.error().ToString();
  EXPECT_EQ(head->status, 403);
  EXPECT_FALSE(connection_->request_sent());
  EXPECT_EQ(Body(), "");
  EXPECT_FALSE(connection_->reusable());
}

TEST_F(HttpConnectionTest, LostConnectionsSayHowFarTheyCame) {
  script_.accepts = 10;
  EXPECT_EQ(Exchange().error().reason(), "connection_lost");
  EXPECT_FALSE(connection_->request_sent());
  EXPECT_FALSE(connection_->answer_started());
  script_ = {};
  connection_.reset();
  EXPECT_EQ(Exchange().error().reason(), "connection_lost");
  EXPECT_TRUE(connection_->request_sent());
  EXPECT_FALSE(connection_->answer_started());
  script_ = {};
  connection_.reset();
  script_.pieces = {"HTTP/1.1 20"};
  EXPECT_EQ(Exchange().error().reason(), "connection_lost");
  EXPECT_TRUE(connection_->answer_started());
}

TEST_F(HttpConnectionTest, WhatIsNotHttpIsRefused) {
  std::string long_head = "HTTP/1.1 200 OK\r\nX: ";
  long_head.append(kHttpHeadBytesMax, 'x');
  for (const std::string& garbage :
       {std::string("\x15\x03\x01\0\x02\x02P", 7) + std::string(30, 'z'), std::string("SSH-2.0-OpenSSH\r\n\r\n"),
        long_head, std::string("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n")}) {
    script_ = {};
    connection_.reset();
    script_.pieces = {garbage};
    const auto head = Exchange();
    ASSERT_FALSE(head) << garbage.substr(0, 60);
    EXPECT_EQ(head.error().reason(), "not_http") << garbage.substr(0, 60);
    EXPECT_FALSE(connection_->reusable());
  }
}

}  // namespace
}  // namespace akidb::s3
