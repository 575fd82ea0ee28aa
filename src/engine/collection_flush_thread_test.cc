// The background tasks of a writer on threads of their own, with requests beside them: for the thread sanitizer, and
// for what only real interleavings show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <future>
#include <thread>

#include "base/check.h"
#include "engine/database.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

class FlushThreadTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "akidb-flush-XXXXXX").string();
    AKI_CHECK(mkdtemp(pattern.data()) != nullptr);
    options_.data_dir = pattern;
    options_.shared_store = true;
    options_.node = "a";
    options_.seal_age = std::chrono::milliseconds(5);
    // Everything is old enough at once, so that all tasks have work all the time.
    options_.trim_delay = options_.gc_grace = options_.retain_age = Duration(0);
    options_.gc_interval = std::chrono::milliseconds(2);
    options_.retain_versions = 3;
    options_.merge_fanout = 4;
    options_.computing = NewThreadExecutor(RealClock(), 7);
    env_.clock = &RealClock();
    env_.random = random_.get();
    env_.fs = &PosixFileSystem();
    env_.executor = executor_.get();
    env_.die = [](const Status&) { std::abort(); };
  }
  void TearDown() override { std::filesystem::remove_all(options_.data_dir); }
  std::unique_ptr<Database> Open() {
    auto opened = Database::Open(ctx_, env_, store_, options_);
    AKI_CHECK(opened);
    return std::move(*opened);
  }
  static uint64_t Count(Collection& docs) {
    OpContext ctx(RealClock());
    const auto read = docs.Read(ctx);
    EXPECT_TRUE(read);
    uint64_t live = 0;
    for (const auto& unit : (*read)->units()) {
      for (RowIndex row = 0; row < unit->row_count(); ++row) live += unit->LiveAt(row, (*read)->position().lsn) ? 1 : 0;
    }
    return live;
  }

  OpContext ctx_{RealClock()};
  std::unique_ptr<Random> random_ = NewSystemRandom();
  std::unique_ptr<Executor> executor_ = NewThreadExecutor(RealClock(), 8);
  std::shared_ptr<ObjectStore> store_ = NewMemoryStore(RealClock());
  EngineOptions options_;
  Environment env_;
};

TEST_F(FlushThreadTest, WhoWaitsForACommitFindsItsRowsWhateverElseGoesOn) {
  constexpr int kWriters = 4, kWrites = 60;
  auto db = Open();
  CollectionSpec spec;
  spec.name = "docs";
  spec.dim = 2;
  spec.ack = AckLevel::kCommitted;
  const auto created = db->Create(ctx_, spec);
  ASSERT_TRUE(created);
  const std::shared_ptr<Collection> docs = *created;
  std::atomic<int> running{kWriters};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      OpContext ctx(RealClock());
      const std::vector<float> vector = {1, 2};
      for (int i = 0; i < kWrites; ++i) {
        // Every other one replaces the row before, which may be in a flush that is under way.
        const std::string id = std::to_string(writer) + "-" + std::to_string(i / 2);
        WriteRows rows;
        rows.ids = {id};
        rows.payloads = {"{}"};
        rows.dim = 2;
        rows.vectors = vector.data();
        const auto written = docs->Write(ctx, rows, WriteMode::kUpsert, BatchPolicy::kAllOrNothing);
        ASSERT_TRUE(written) << written.error().ToString();
        std::promise<Status> answer;
        docs->NotifyCommitted(ctx, written->position.lsn, [&](const Status& status) { answer.set_value(status); });
        const Status committed = answer.get_future().get();
        ASSERT_TRUE(committed.ok()) << committed.ToString();
      }
      --running;
    });
  }
  threads.emplace_back([&] {
    OpContext ctx(RealClock());
    for (int i = 0; running > 0; ++i) {
      ASSERT_TRUE(docs->Flush(ctx).ok());
      const std::string name = "s" + std::to_string(i);
      ASSERT_TRUE(docs->CreateSnapshot(ctx, name));
      if (i % 4 == 3) docs->Merge(ctx, Collection::MergeScope::kFull).IgnoreError("another merge may be faster");
      ASSERT_TRUE(docs->ReadAt(ctx, AtSnapshot{name}));
      ASSERT_TRUE(docs->DeleteSnapshot(ctx, name).ok());
    }
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Count(*docs), uint64_t{kWriters} * kWrites / 2);
  EXPECT_EQ(docs->stats().live_rows, uint64_t{kWriters} * kWrites / 2);
  ASSERT_TRUE(db->Close(ctx_).ok());
  db.reset();
  options_.node = "b";
  db = Open();
  const auto again = db->Get(ctx_, "docs");
  ASSERT_TRUE(again);
  EXPECT_EQ(Count(**again), uint64_t{kWriters} * kWrites / 2);
}

TEST_F(FlushThreadTest, RevertsAndDropsEndWhileRowsAreFlushed) {
  auto db = Open();
  CollectionSpec spec;
  spec.name = "docs";
  spec.dim = 2;
  spec.ack = AckLevel::kObject;
  const auto created = db->Create(ctx_, spec);
  ASSERT_TRUE(created);
  const std::shared_ptr<Collection> docs = *created;
  ASSERT_TRUE(docs->CreateSnapshot(ctx_, "empty"));
  std::atomic<bool> dropped{false};
  std::thread writer([&] {
    OpContext ctx(RealClock());
    const std::vector<float> vector = {1, 2};
    for (int i = 0; !dropped; ++i) {
      const std::string id = std::to_string(i % 100);
      WriteRows rows;
      rows.ids = {id};
      rows.payloads = {"{}"};
      rows.dim = 2;
      rows.vectors = vector.data();
      const auto written = docs->Write(ctx, rows, WriteMode::kUpsert, BatchPolicy::kAllOrNothing);
      if (written) docs->WaitDurable(ctx, written->position.lsn).IgnoreError("the collection may be dropped");
    }
  });
  for (int i = 0; i < 20; ++i) {
    const auto reverted = docs->Revert(ctx_, AtSnapshot{"empty"});
    EXPECT_TRUE(reverted) << reverted.error().ToString();
  }
  EXPECT_TRUE(db->Drop(ctx_, "docs").ok());
  EXPECT_FALSE(docs->Revert(ctx_, AtSnapshot{"empty"}));
  dropped = true;
  writer.join();
  EXPECT_EQ(db->unflushed_bytes(), 0u);
  ASSERT_TRUE(db->Close(ctx_).ok());
}

}  // namespace
}  // namespace akidb
