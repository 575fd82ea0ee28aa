// One commit carries many who wait, and nobody who is alone waits for others.
#include "engine/commit_waiters.h"

#include <gtest/gtest.h>

namespace akidb {
namespace {

using std::chrono::milliseconds;

class CommitWaitersTest : public testing::Test {
 protected:
  // True if who begins commits is told.
  bool Add() {
    return waiters_.Add(Lsn(++newest_), MonotonicTime::max(), [](const Status&) {}, now_);
  }
  void Add(int count) {
    for (int i = 0; i < count; ++i) Add();
  }
  // Everything so far, in `took`; the number of those who are answered.
  void Begin() { waiters_.NoteBegun(Lsn(newest_), now_); }
  size_t End(uint64_t lsn, Duration took = milliseconds(8)) {
    now_ += took;
    CommitWaiters::Finished finished;
    waiters_.TakeUpTo(Lsn(lsn), now_, &finished);
    const size_t answered = finished.size();
    LsnWaiters::RunAll(std::move(finished));
    return answered;
  }
  bool Due() const { return waiters_.DueAt(now_) <= now_; }
  bool Asleep() const { return waiters_.DueAt(now_) == MonotonicTime::max(); }

  MonotonicTime now_{std::chrono::hours(1)};
  uint64_t newest_ = 0;
  CommitWaiters waiters_;
};

TEST_F(CommitWaitersTest, OneAloneWaitsForNobody) {
  EXPECT_TRUE(Asleep());
  for (int i = 1; i <= 3; ++i) {
    EXPECT_TRUE(Add());
    EXPECT_TRUE(Due());
    Begin();
    EXPECT_TRUE(Asleep());
    EXPECT_EQ(End(static_cast<uint64_t>(i)), 1u);
  }
}

TEST_F(CommitWaitersTest, AsManyAsTheLastOneCarriedAreWaitedForAQuarterOfItsTime) {
  Add(4);
  Begin();
  EXPECT_EQ(End(4), 4u);
  EXPECT_TRUE(Add()) << "somebody has to look again in time";
  EXPECT_FALSE(Add());
  EXPECT_FALSE(Add());
  EXPECT_FALSE(Due());
  EXPECT_EQ(waiters_.DueAt(now_), now_ + milliseconds(2));
  EXPECT_TRUE(Add()) << "the fourth";
  EXPECT_TRUE(Due());
}

TEST_F(CommitWaitersTest, WhoComesAfterThatTimeWaitsForNobody) {
  Add(4);
  Begin();
  End(4);
  now_ += milliseconds(2);
  EXPECT_TRUE(Add());
  EXPECT_TRUE(Due());
  Begin();
  EXPECT_EQ(End(5), 1u);
  EXPECT_TRUE(Add());
  EXPECT_TRUE(Due()) << "the last one carried one";
}

TEST_F(CommitWaitersTest, FewWaitForTheManyThatAreUnderWay) {
  Add(3);
  Begin();
  EXPECT_TRUE(Add());
  EXPECT_FALSE(Add());
  EXPECT_FALSE(Add());
  EXPECT_TRUE(Asleep()) << "as many";
  EXPECT_TRUE(Add()) << "more: a commit of their own, beside the other";
  EXPECT_TRUE(Due());
  Begin();
  EXPECT_TRUE(Asleep());
  EXPECT_EQ(End(3), 3u);
  EXPECT_EQ(End(7), 4u);
}

TEST_F(CommitWaitersTest, TwoHalvesThatTakeTurnsBecomeOneWhole) {
  Add(4);
  Begin();
  Add(4);
  EXPECT_TRUE(Asleep());
  EXPECT_EQ(End(4), 4u);
  Add(3);
  EXPECT_FALSE(Due());
  EXPECT_TRUE(Add()) << "all eight";
  EXPECT_TRUE(Due());
}

TEST_F(CommitWaitersTest, WhileTheyComeTheyAreWaitedForAndNoLongerThanTheLastOneTook) {
  Add(100);
  Begin();
  End(100);
  const MonotonicTime ended = now_;
  for (int i = 1; i <= 6; ++i) {
    now_ += milliseconds(1);
    Add();
    EXPECT_EQ(waiters_.DueAt(now_), now_ + milliseconds(2)) << "a quarter after the last of them";
  }
  now_ += milliseconds(1);
  Add();
  EXPECT_EQ(waiters_.DueAt(now_), ended + milliseconds(8));
  now_ += milliseconds(1);
  EXPECT_TRUE(Due());
}

TEST_F(CommitWaitersTest, WhoWaitsAlreadyAndWhoWasAnsweredGoTogether) {
  Add(3);
  Begin();
  Add(1);
  End(3);
  EXPECT_FALSE(Due());
  Add(2);
  EXPECT_FALSE(Due());
  EXPECT_TRUE(Add()) << "one more than the last one carried";
  EXPECT_TRUE(Due());
}

TEST_F(CommitWaitersTest, WhatNobodyWaitedForSaysNothingAboutThoseWhoDo) {
  Add(2);
  Begin();
  End(2);
  newest_ += 10;
  Begin();
  EXPECT_EQ(End(newest_, Duration(0)), 0u);
  Add();
  EXPECT_FALSE(Due());
  Add();
  EXPECT_TRUE(Due());
}

TEST_F(CommitWaitersTest, ThoseWhoGaveUpAreNotCounted) {
  waiters_.Add(Lsn(++newest_), now_, [](const Status&) {}, now_);
  waiters_.Add(Lsn(++newest_), now_, [](const Status&) {}, now_);
  Begin();
  waiters_.Add(Lsn(++newest_), now_, [](const Status&) {}, now_);
  CommitWaiters::Finished finished;
  waiters_.TakeExpired(now_, Unavailable("late"), &finished);
  EXPECT_EQ(finished.size(), 3u);
  EXPECT_TRUE(Asleep());
  EXPECT_TRUE(Add());
  EXPECT_TRUE(Due()) << "nobody is under way";
}

}  // namespace
}  // namespace akidb
