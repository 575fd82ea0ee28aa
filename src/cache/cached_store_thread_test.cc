// Many readers of one cache: single flight, waiting, and everything at once.
#include <gmock/gmock.h>

#include <latch>
#include <thread>

#include "cache/cache_testing.h"

namespace akidb {
namespace {

using std::chrono::seconds;

constexpr uint64_t kMebibyte = 1u << 20;

class CachedStoreThreadTest : public testing::Test {
 protected:
  void Open(uint64_t size_max, Executor* executor, std::unique_ptr<Executor> fetchers = nullptr) {
    Environment env;
    env.clock = &RealClock();
    env.fs = &PosixFileSystem();
    env.executor = executor;
    OpContext ctx(RealClock());
    const BlockCacheOptions options{
        .dir = dir_.path(), .size_max = size_max, .free_bytes_min = 0, .request_bytes_max = request_bytes_max_};
    cache_ = BlockCache::Open(ctx, env, options, std::move(fetchers)).value();
    store_ = NewCachedStore(std::make_unique<ForwardingStore>(below_), cache_, IsImmutableObjectKey);
  }
  std::string Put(int number, size_t size) {
    OpContext ctx(RealClock());
    std::string bytes = RandomBytes(size, static_cast<uint64_t>(number));
    EXPECT_TRUE(store_->Put(ctx, SegmentName(number), bytes, PutCondition::None()));
    return bytes;
  }
  Status Read(OpContext& ctx, int number, ByteRange range, std::string* out) {
    out->assign(range.size(), '#');
    return store_->GetRange(ctx, SegmentName(number), range, "", out->data());
  }
  // Holds the next fetches until the latch opens; returns when the first has arrived.
  void HoldFetches() {
    below_->before_range = [this] {
      arrived_.count_down();
      go_.wait();
      return fetch_status_;
    };
  }

  uint64_t request_bytes_max_ = BlockCacheOptions().request_bytes_max;
  TemporaryDir dir_;
  std::shared_ptr<RecordingStore> below_ = std::make_shared<RecordingStore>();
  std::shared_ptr<BlockCache> cache_;
  std::unique_ptr<ObjectStore> store_;
  std::latch arrived_{1};
  std::latch go_{1};
  Status fetch_status_;
};

TEST_F(CachedStoreThreadTest, OneOfManyReadersFetchesABlock) {
  constexpr int kReaders = 8;
  Open(64 * kMebibyte, nullptr);
  const std::string bytes = Put(1, kMebibyte);
  HoldFetches();
  std::vector<std::thread> readers;
  const auto read = [&] {
    OpContext ctx(RealClock());
    std::string out;
    EXPECT_TRUE(Read(ctx, 1, {0, kMebibyte}, &out).ok());
    EXPECT_TRUE(out == bytes);
  };
  readers.emplace_back(read);
  arrived_.wait();
  for (int i = 1; i < kReaders; ++i) readers.emplace_back(read);
  go_.count_down();
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(below_->range_count(), 1u);
  const BlockCacheStats stats = cache_->Stats();
  EXPECT_EQ(stats.misses, 1u);
  EXPECT_EQ(stats.joined + stats.hits, kReaders - 1u);
}

TEST_F(CachedStoreThreadTest, WhoWaitsForAnothersFetchWaitsUntilItsDeadlineOnly) {
  Open(64 * kMebibyte, nullptr);
  Put(1, kMebibyte);
  HoldFetches();
  std::thread leader([&] {
    OpContext ctx(RealClock());
    std::string out;
    EXPECT_TRUE(Read(ctx, 1, {0, kMebibyte}, &out).ok());
  });
  arrived_.wait();
  ManualClock clock;
  OpContext ctx(clock);
  ctx.set_timeout(seconds(1));
  clock.Advance(seconds(1));
  std::string out;
  EXPECT_EQ(Read(ctx, 1, {0, kMebibyte}, &out).code(), StatusCode::kDeadlineExceeded);
  OpContext cancelled(RealClock());
  std::thread canceller([&] { cancelled.Cancel(); });
  EXPECT_EQ(Read(cancelled, 1, {0, kMebibyte}, &out).code(), StatusCode::kCancelled);
  canceller.join();
  go_.count_down();
  leader.join();
}

TEST_F(CachedStoreThreadTest, CancelledLeaderDoesNotFailThoseWhoWait) {
  Open(64 * kMebibyte, nullptr);
  const std::string bytes = Put(1, kMebibyte);
  std::atomic<int> fetches = 0;
  below_->before_range = [&] {
    if (fetches++ > 0) return OkStatus();
    arrived_.count_down();
    go_.wait();
    return Cancelled("the leader lost interest");
  };
  std::thread leader([&] {
    OpContext ctx(RealClock());
    std::string out;
    EXPECT_EQ(Read(ctx, 1, {0, kMebibyte}, &out).code(), StatusCode::kCancelled);
  });
  arrived_.wait();
  std::thread follower([&] {
    OpContext ctx(RealClock());
    std::string out;
    EXPECT_TRUE(Read(ctx, 1, {0, kMebibyte}, &out).ok());
    EXPECT_TRUE(out == bytes);
  });
  go_.count_down();
  leader.join();
  follower.join();
  EXPECT_EQ(fetches, 2);
}

TEST_F(CachedStoreThreadTest, PartsOfALargeRangeAreFetchedAtTheSameTime) {
  Open(64 * kMebibyte, nullptr, NewThreadExecutor(RealClock(), 3));
  const std::string bytes = Put(1, 16 * kMebibyte);
  Mutex mutex;
  CondVar changed;
  int under_way = 0;
  below_->before_range = [&] {
    const MutexLock lock(mutex);
    ++under_way;
    changed.NotifyAll();
    const MonotonicTime give_up = RealClock().Now() + seconds(20);
    while (under_way < 4 && RealClock().Now() < give_up) changed.WaitFor(mutex, seconds(1));
    return under_way >= 4 ? OkStatus() : Internal("the others do not come");
  };
  OpContext ctx(RealClock());
  std::string out;
  const Status status = Read(ctx, 1, {0, 16 * kMebibyte}, &out);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(out == bytes);
  EXPECT_EQ(below_->range_count(), 4u);
}

TEST_F(CachedStoreThreadTest, AReaderThatNobodyHelpsFetchesEverythingItself) {
  struct Deaf final : Executor {
    TaskId Add(std::shared_ptr<Task>) override { return 0; }
    void Wake(TaskId) override {}
    void Remove(TaskId) override {}
  };
  Open(64 * kMebibyte, nullptr, std::make_unique<Deaf>());
  const std::string bytes = Put(1, 50 * kMebibyte);
  OpContext ctx(RealClock());
  std::string out;
  ASSERT_TRUE(Read(ctx, 1, {kMebibyte, 2 * kMebibyte}, &out).ok());
  below_->TakeRanges();
  ASSERT_TRUE(Read(ctx, 1, {100, 50 * kMebibyte}, &out).ok());
  EXPECT_TRUE(out == bytes.substr(100));
  EXPECT_THAT(below_->TakeRanges(), testing::StartsWith("[0,1) [2,6) [6,10)")) << "what is cached is not fetched";
}

TEST_F(CachedStoreThreadTest, WhatAReaderLaunchedAndGaveUpIsFetchedByThoseWhoWant) {
  Open(64 * kMebibyte, nullptr, NewThreadExecutor(RealClock(), 2));
  const std::string bytes = Put(1, 40 * kMebibyte);
  OpContext impatient(RealClock());
  below_->before_range = [&] {
    impatient.Cancel();
    return Unavailable("away");
  };
  std::string out;
  EXPECT_FALSE(Read(impatient, 1, {0, 40 * kMebibyte}, &out).ok());
  below_->before_range = nullptr;
  OpContext ctx(RealClock());
  ASSERT_TRUE(Read(ctx, 1, {0, 40 * kMebibyte}, &out).ok());
  EXPECT_TRUE(out == bytes);
}

TEST_F(CachedStoreThreadTest, BlocksAreWrittenInTheBackground) {
  const auto executor = NewThreadExecutor(RealClock(), 1);
  Open(64 * kMebibyte, executor.get());
  const std::string bytes = Put(1, 3 * kMebibyte);
  OpContext ctx(RealClock());
  std::string out;
  ASSERT_TRUE(Read(ctx, 1, {0, 3 * kMebibyte}, &out).ok());
  ASSERT_TRUE(Read(ctx, 1, {0, 3 * kMebibyte}, &out).ok());
  EXPECT_EQ(below_->range_count(), 1u) << "what is not on disk yet is answered from memory";
  while (cache_->Stats().blocks < 3) std::this_thread::yield();
  ASSERT_TRUE(Read(ctx, 1, {0, 3 * kMebibyte}, &out).ok());
  EXPECT_TRUE(out == bytes);
  EXPECT_EQ(below_->range_count(), 1u);
  store_.reset();
  cache_.reset();
}

// Readers, a small limit, drops, and somebody who deletes the directory again and again.
TEST_F(CachedStoreThreadTest, EverythingAtOnceStillReadsTheRightBytes) {
  constexpr int kObjects = 6;
  const auto executor = NewThreadExecutor(RealClock(), 1);
  request_bytes_max_ = kMebibyte;
  Open(10 * kMebibyte, executor.get(), NewThreadExecutor(RealClock(), 4));
  std::vector<std::string> bytes;
  for (int i = 0; i < kObjects; ++i) bytes.push_back(Put(i, 3 * kMebibyte + 777));
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int reader = 0; reader < 4; ++reader) {
    threads.emplace_back([&, reader] {
      const auto random = NewSeededRandom(static_cast<uint64_t>(reader));
      for (int i = 0; i < 150; ++i) {
        OpContext ctx(RealClock());
        const auto object = static_cast<int>(random->Below(kObjects));
        const uint64_t begin = random->Below(bytes[object].size());
        const uint64_t size = 1 + random->Below(std::min<uint64_t>(bytes[object].size() - begin, 3 * kMebibyte));
        if (random->Below(20) == 0) ctx.set_read_source(ReadSource::kStore);
        std::string out;
        ASSERT_TRUE(Read(ctx, object, {begin, begin + size}, &out).ok());
        ASSERT_TRUE(out == std::string_view(bytes[object]).substr(begin, size));
      }
    });
  }
  std::thread vandal([&] {
    while (!stop) {
      std::error_code ignored;
      std::filesystem::remove_all(dir_.path() + "/v1", ignored);
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  vandal.join();
  EXPECT_EQ(cache_->Stats().corruptions, 0u);
  EXPECT_LE(cache_->Stats().used_bytes, 10 * kMebibyte);
  store_.reset();
  cache_.reset();
}

}  // namespace
}  // namespace akidb
