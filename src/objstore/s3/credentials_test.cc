#include "objstore/s3/credentials.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/manual_clock_testing.h"
#include "base/mutex.h"

namespace akidb::s3 {
namespace {

Credentials Issued(const std::string& key, WallTime expires_at) {
  Credentials out;
  out.access_key = key;
  out.secret_key = "s";
  out.session_token = "t";
  out.expires_at = expires_at;
  return out;
}

TEST(CredentialsFileTest, ProfileIsFound) {
  const std::string text =
      "# comment\n[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[ other ]\r\n"
      "aws_access_key_id = C\r\naws_secret_access_key = D/+=\r\naws_session_token = E\r\nregion = x\n";
  const auto first = ParseCredentialsFile(text, "default", "f");
  ASSERT_TRUE(first) << first.error().ToString();
  EXPECT_EQ(first->access_key + first->secret_key + first->session_token, "AB");
  const auto second = ParseCredentialsFile(text, "other", "f");
  ASSERT_TRUE(second) << second.error().ToString();
  EXPECT_EQ(second->access_key + second->secret_key + second->session_token, "CD/+=E");
}

TEST(CredentialsFileTest, IncompleteFilesAreNamed) {
  EXPECT_EQ(ParseCredentialsFile("[a]\n", "b", "f").error().message(), "f has no profile [b]");
  EXPECT_FALSE(ParseCredentialsFile("[a]\naws_access_key_id = x\n", "a", "f"));
  EXPECT_FALSE(ParseCredentialsFile("[a]\naws_access_key_id = x y\naws_secret_access_key = z\n", "a", "f"));
  EXPECT_FALSE(ParseCredentialsFile("", "a", "f"));
  EXPECT_FALSE(ParseCredentialsFile("[", "", "f"));
}

TEST(RefreshingCredentialsTest, RenewsBeforeTheyExpire) {
  ManualClock clock;
  OpContext ctx(clock);
  int fetched = 0;
  const auto provider = NewRefreshingCredentials([&](OpContext& fetch_ctx) -> Result<Credentials> {
    return Issued(std::to_string(++fetched), fetch_ctx.clock().WallNow() + std::chrono::hours(1));
  });
  EXPECT_EQ((*provider->Get(ctx))->access_key, "1");
  clock.Advance(std::chrono::minutes(54));
  EXPECT_EQ((*provider->Get(ctx))->access_key, "1");
  clock.Advance(std::chrono::minutes(2));
  EXPECT_EQ((*provider->Get(ctx))->access_key, "2");
}

TEST(RefreshingCredentialsTest, OldOnesServeWhileTheIssuerIsDown) {
  ManualClock clock;
  OpContext ctx(clock);
  int fetched = 0;
  const auto provider = NewRefreshingCredentials([&](OpContext& fetch_ctx) -> Result<Credentials> {
    if (++fetched > 1) return std::unexpected(Unavailable("down"));
    return Issued("1", fetch_ctx.clock().WallNow() + std::chrono::hours(1));
  });
  EXPECT_TRUE(provider->Get(ctx));
  clock.Advance(std::chrono::minutes(57));
  EXPECT_EQ((*provider->Get(ctx))->access_key, "1");
  EXPECT_EQ((*provider->Get(ctx))->access_key, "1");
  EXPECT_EQ(fetched, 2) << "a failure is not repeated at once";
  clock.Advance(std::chrono::minutes(4));
  EXPECT_EQ(provider->Get(ctx).error().code(), StatusCode::kUnavailable);
}

TEST(RefreshingCredentialsTest, RefusedOnesAreFetchedAgain) {
  ManualClock clock;
  OpContext ctx(clock);
  int fetched = 0;
  const auto provider = NewRefreshingCredentials(
      [&](OpContext&) -> Result<Credentials> { return Issued(std::to_string(++fetched), WallTime::max()); });
  const auto first = *provider->Get(ctx);
  EXPECT_TRUE(provider->Refused(*first));
  EXPECT_EQ((*provider->Get(ctx))->access_key, "2");
  EXPECT_TRUE(provider->Refused(*first));  // an answer to an old request changes nothing
  EXPECT_EQ((*provider->Get(ctx))->access_key, "2");
}

TEST(RefreshingCredentialsTest, ManyCallersFetchOnce) {
  std::atomic<int> fetched = 0;
  Mutex mutex;
  CondVar changed;
  int waiting = 0;
  const auto provider = NewRefreshingCredentials([&](OpContext&) -> Result<Credentials> {
    ++fetched;
    const MutexLock lock(mutex);
    while (waiting < 8) changed.Wait(mutex);
    return Issued("1", WallTime::max());
  });
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      OpContext ctx(RealClock());
      {
        const MutexLock lock(mutex);
        ++waiting;
        changed.NotifyAll();
      }
      EXPECT_EQ((*provider->Get(ctx))->access_key, "1");
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(fetched, 1);
}

}  // namespace
}  // namespace akidb::s3
