// Which connection a request gets, and what names become addresses.
#include "objstore/s3/http_pool.h"

#include <gtest/gtest.h>

#include <set>

#include "base/manual_clock_testing.h"
#include "objstore/s3/dns_cache.h"

namespace akidb::s3 {
namespace {

// Answers every request with an empty 200, and says nothing in between.
class EchoStream final : public ByteStream {
 public:
  Result<size_t> WriteSome(OpContext&, std::string_view first, std::string_view second) override {
    return first.size() + second.size();
  }
  Result<size_t> ReadSome(OpContext&, char* out, size_t size, Fill) override {
    const std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    return answer.copy(out, size);
  }
  bool Quiet() override { return quiet; }
  static inline bool quiet = true;
};

class FakeDialer final : public Dialer {
 public:
  Result<std::unique_ptr<ByteStream>> Connect(OpContext&, const Endpoint& endpoint) override {
    dialed.push_back(endpoint.host);
    if (down.contains(endpoint.host)) return std::unexpected(Unavailable("refused").WithReason("connect_failed"));
    return std::make_unique<EchoStream>();
  }
  std::vector<std::string> dialed;
  std::set<std::string> down;
};

class HttpPoolTest : public testing::Test {
 protected:
  HttpPoolTest() { EchoStream::quiet = true; }

  void Make(const std::vector<std::string>& hosts) {
    std::vector<Endpoint> endpoints;
    for (const std::string& host : hosts) endpoints.push_back({Scheme::kHttp, host, 9000});
    auto dialer = std::make_unique<FakeDialer>();
    dialer_ = dialer.get();
    pool_.emplace(std::move(endpoints), PoolOptions{.idle_max = 2}, std::move(dialer));
  }
  // The host that served, with '*' if the connection was used before.
  std::string Use() {
    auto lease = pool_->Acquire(ctx_, std::nullopt, HttpPool::Freshness::kAny);
    if (!lease) return std::string(lease.error().reason());
    const std::string out = lease->endpoint.host + (lease->reused ? "*" : "");
    EXPECT_TRUE(lease->connection->Exchange(ctx_, {"GET / HTTP/1.1\r\n\r\n", ""}));
    char byte = 0;
    EXPECT_EQ(*lease->connection->ReadBody(ctx_, &byte, 1), 0u);
    pool_->Release(ctx_, std::move(*lease));
    return out;
  }

  ManualClock clock_;
  OpContext ctx_{clock_};
  FakeDialer* dialer_ = nullptr;
  std::optional<HttpPool> pool_;
};

TEST_F(HttpPoolTest, ConnectionsAreKept) {
  Make({"a"});
  EXPECT_EQ(Use(), "a");
  EXPECT_EQ(Use(), "a*");
  auto fresh = pool_->Acquire(ctx_, std::nullopt, HttpPool::Freshness::kFresh);
  EXPECT_FALSE(fresh->reused);
}

TEST_F(HttpPoolTest, OldAndClosedOnesAreNot) {
  Make({"a"});
  EXPECT_EQ(Use(), "a");
  clock_.Advance(std::chrono::seconds(26));
  EXPECT_EQ(Use(), "a");
  EchoStream::quiet = false;
  EXPECT_EQ(Use(), "a");
}

TEST_F(HttpPoolTest, NoMoreAreKeptThanAllowed) {
  Make({"a"});
  std::vector<HttpPool::Lease> leases;
  for (int i = 0; i < 3; ++i) {
    leases.push_back(*pool_->Acquire(ctx_, std::nullopt, HttpPool::Freshness::kAny));
    ASSERT_TRUE(leases.back().connection->Exchange(ctx_, {"GET / HTTP/1.1\r\n\r\n", ""}));
  }
  for (HttpPool::Lease& lease : leases) pool_->Release(ctx_, std::move(lease));
  leases.clear();
  for (int i = 0; i < 3; ++i) leases.push_back(*pool_->Acquire(ctx_, std::nullopt, HttpPool::Freshness::kAny));
  EXPECT_TRUE(leases[0].reused);
  EXPECT_TRUE(leases[1].reused);
  EXPECT_FALSE(leases[2].reused);
}

TEST_F(HttpPoolTest, EndpointsTakeTurns) {
  Make({"a", "b"});
  EXPECT_EQ(Use() + Use() + Use() + Use(), "aba*b*");
}

TEST_F(HttpPoolTest, WhatCannotBeReachedIsPassedOverForAWhile) {
  Make({"a", "b"});
  dialer_->down = {"a"};
  EXPECT_EQ(Use(), "b");
  const size_t dialed = dialer_->dialed.size();
  EXPECT_EQ(Use(), "b*");
  EXPECT_EQ(Use(), "b*");
  EXPECT_EQ(dialer_->dialed.size(), dialed);
  dialer_->down.clear();
  clock_.Advance(std::chrono::seconds(11));
  const std::string turns = Use() + Use();
  EXPECT_NE(turns.find('a'), std::string::npos) << turns;
}

TEST_F(HttpPoolTest, LastHopeIsTriedAnyway) {
  Make({"a", "b"});
  dialer_->down = {"a", "b"};
  EXPECT_EQ(Use(), "connect_failed");
  dialer_->down.clear();
  EXPECT_NE(Use(), "connect_failed");
}

TEST_F(HttpPoolTest, EndpointThatAskedForAPauseComesLast) {
  Make({"a", "b"});
  pool_->Avoid(ctx_, {Scheme::kHttp, "a", 9000}, std::chrono::seconds(60));
  EXPECT_EQ(Use() + Use() + Use(), "bb*b*");
}

TEST(DnsCacheTest, AnswersAreKeptForTheirTime) {
  ManualClock clock;
  OpContext ctx(clock);
  std::atomic<int> asked = 0;
  std::atomic<bool> failing = false;
  DnsCache cache(
      [&](const std::string& host, uint16_t) -> Result<std::vector<SocketAddress>> {
        if (failing) return std::unexpected(Unavailable("no answer"));
        return std::vector<SocketAddress>{{host + std::to_string(++asked), ""}};
      },
      std::chrono::seconds(30));
  EXPECT_EQ(cache.Lookup(ctx, "h", 1)->front().bytes, "h1");
  EXPECT_EQ(cache.Lookup(ctx, "h", 1)->front().bytes, "h1");
  clock.Advance(std::chrono::seconds(31));
  EXPECT_EQ(cache.Lookup(ctx, "h", 1)->front().bytes, "h2");
  failing = true;
  clock.Advance(std::chrono::seconds(60));
  EXPECT_EQ(cache.Lookup(ctx, "h", 1)->front().bytes, "h2") << "an old answer is better than none";
  clock.Advance(std::chrono::seconds(300));
  EXPECT_EQ(cache.Lookup(ctx, "h", 1).error().code(), StatusCode::kUnavailable);
}

TEST(DnsCacheTest, NobodyWaitsLongerThanItsDeadline) {
  Mutex mutex;
  CondVar released;
  bool release = false;
  bool finished = false;
  {
    DnsCache cache(
        [&](const std::string&, uint16_t) -> Result<std::vector<SocketAddress>> {
          const MutexLock lock(mutex);
          while (!release) released.Wait(mutex);
          finished = true;
          released.NotifyAll();
          return std::vector<SocketAddress>{{"x", ""}};
        },
        std::chrono::seconds(30));
    OpContext ctx(RealClock());
    ctx.set_timeout(std::chrono::milliseconds(20));
    EXPECT_EQ(cache.Lookup(ctx, "h", 1).error().code(), StatusCode::kDeadlineExceeded);
  }
  const MutexLock lock(mutex);
  release = true;
  released.NotifyAll();
  while (!finished) released.Wait(mutex);
}

}  // namespace
}  // namespace akidb::s3
