#include "engine/home_watch.h"

#include <gtest/gtest.h>

#include <optional>

#include "engine/engine_testing.h"

namespace akidb {
namespace {

using std::chrono::seconds;

class HomeWatchTest : public testing::Test {
 protected:
  HomeWatchTest() { watch_.Begin(seconds(10)); }
  // Asks for an acknowledgement within two seconds.
  bool Ask() {
    verdict_.reset();
    return watch_.Acknowledge(Lsn(1), clock_.Now() + seconds(2), [this](const Status& status) { verdict_ = status; });
  }
  ManualClock clock_;
  HomeWatch watch_{clock_};
  std::optional<Status> verdict_;
};

TEST_F(HomeWatchTest, NothingIsAcknowledgedBeforeTheFirstReading) {
  EXPECT_TRUE(Ask());
  EXPECT_FALSE(verdict_);
  EXPECT_LE(watch_.ReadingDueAt(), clock_.Now()) << "somebody waits for a reading";
  watch_.Confirm(clock_.Now());
  watch_.AnswerWaiters();
  ASSERT_TRUE(verdict_);
  EXPECT_TRUE(verdict_->ok());
}

TEST_F(HomeWatchTest, WhoCannotWaitIsToldAtOnceAndForgotten) {
  EXPECT_EQ(watch_.AcknowledgeNow().reason(), "home_unconfirmed");
  EXPECT_EQ(watch_.ReadingDueAt(), MonotonicTime::max()) << "nobody waits";
  watch_.Confirm(clock_.Now());
  EXPECT_TRUE(watch_.AcknowledgeNow().ok());
  watch_.End(Unavailable("gone"));
  EXPECT_EQ(watch_.AcknowledgeNow().reason(), "home_unconfirmed");
}

TEST_F(HomeWatchTest, AReadingCountsFromWhenItsRequestWasSent) {
  const MonotonicTime asked = clock_.Now();
  clock_.Advance(seconds(8));
  watch_.Confirm(asked);
  EXPECT_TRUE(watch_.MayAcknowledge());
  clock_.Advance(seconds(2));
  EXPECT_FALSE(watch_.MayAcknowledge());
}

TEST_F(HomeWatchTest, AnOldReadingIsNotReplacedByAnOlderOne) {
  clock_.Advance(seconds(20));
  watch_.Confirm(clock_.Now());
  watch_.Confirm(clock_.Now() - seconds(9));
  clock_.Advance(seconds(5));
  EXPECT_TRUE(watch_.MayAcknowledge());
}

TEST_F(HomeWatchTest, WhoWaitsInVainIsToldThatTheOutcomeIsUnknown) {
  Ask();
  clock_.Advance(seconds(1));
  watch_.AnswerWaiters();
  EXPECT_FALSE(verdict_);
  clock_.Advance(seconds(1));
  watch_.AnswerWaiters();
  ASSERT_TRUE(verdict_);
  EXPECT_EQ(verdict_->reason(), "home_unconfirmed");
  EXPECT_EQ(verdict_->effect(), Effect::kUnknown);
  EXPECT_EQ(verdict_->retry(), Retry::kBackoff);
}

TEST_F(HomeWatchTest, ReadingsAreMadeWhileWritesComeAndNotAfterwards) {
  EXPECT_EQ(watch_.ReadingDueAt(), MonotonicTime::max()) << "nobody wrote";
  Ask();
  watch_.Confirm(clock_.Now());
  watch_.AnswerWaiters();
  clock_.Advance(seconds(1));
  EXPECT_FALSE(Ask());
  EXPECT_EQ(watch_.ReadingDueAt(), clock_.Now() - seconds(1) + Duration(seconds(10)) / 3);
  clock_.Advance(seconds(4));
  watch_.Confirm(clock_.Now());
  EXPECT_EQ(watch_.ReadingDueAt(), MonotonicTime::max()) << "nobody wrote since";
}

TEST_F(HomeWatchTest, AHomeThatIsNoneAnyMoreNeverAcknowledgesAgain) {
  watch_.Confirm(clock_.Now());
  watch_.End(Unavailable("gone"));
  watch_.Confirm(clock_.Now());
  EXPECT_FALSE(watch_.MayAcknowledge());
  Ask();
  ASSERT_TRUE(verdict_);
  EXPECT_FALSE(verdict_->ok());
}

}  // namespace
}  // namespace akidb
