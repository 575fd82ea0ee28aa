#include "cli/ingest_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace akidb {
namespace {

using testing::HasSubstr;

TEST(AckTrackerTest, StopsAtTheFirstGap) {
  AckTracker tracker;
  tracker.Acknowledge(100, 200);
  EXPECT_EQ(tracker.contiguous(), 0u);
  tracker.Acknowledge(0, 100);
  EXPECT_EQ(tracker.contiguous(), 200u);
  tracker.Acknowledge(300, 400);
  tracker.Acknowledge(400, 450);
  EXPECT_EQ(tracker.contiguous(), 200u);
  tracker.Acknowledge(200, 300);
  EXPECT_EQ(tracker.contiguous(), 450u);
}

TEST(AckTrackerTest, StartsWhereAResumedRunStarts) {
  AckTracker tracker(500);
  tracker.Acknowledge(500, 600);
  EXPECT_EQ(tracker.contiguous(), 600u);
}

class IngestStateTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "akidb_ingest_state_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(dir_);
    WriteData("first content");
    state_.file = *IdentifyFile(fs_, dir_ + "/data");
    state_.server = "http://127.0.0.1:8080";
    state_.collection = "docs";
    state_.rows_acknowledged = 4200;
    state_.rows_refused = 3;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void WriteData(const std::string& text) { std::ofstream(dir_ + "/data") << text; }

  FileSystem& fs_ = PosixFileSystem();
  std::string dir_;
  IngestState state_;
};

TEST_F(IngestStateTest, ComesBackAsItWasSaved) {
  ASSERT_TRUE(SaveIngestState(fs_, dir_ + "/state", state_).ok());
  state_.rows_acknowledged = 5000;
  ASSERT_TRUE(SaveIngestState(fs_, dir_ + "/state", state_).ok());
  const auto loaded = LoadIngestState(fs_, dir_ + "/state", state_);
  ASSERT_TRUE(loaded) << loaded.error().ToString();
  EXPECT_EQ(loaded->rows_acknowledged, 5000u);
  EXPECT_EQ(loaded->rows_refused, 3u);
}

TEST_F(IngestStateTest, RefusesAChangedFile) {
  ASSERT_TRUE(SaveIngestState(fs_, dir_ + "/state", state_).ok());
  WriteData("other content");
  IngestState current = state_;
  current.file = *IdentifyFile(fs_, dir_ + "/data");
  const auto loaded = LoadIngestState(fs_, dir_ + "/state", current);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(loaded.error().message(), HasSubstr("another version of the file"));
}

TEST_F(IngestStateTest, RefusesAnotherCollectionOrServer) {
  ASSERT_TRUE(SaveIngestState(fs_, dir_ + "/state", state_).ok());
  IngestState current = state_;
  current.collection = "other";
  EXPECT_THAT(LoadIngestState(fs_, dir_ + "/state", current).error().message(),
              HasSubstr("belongs to collection 'docs'"));
  current = state_;
  current.server = "http://127.0.0.1:9";
  EXPECT_FALSE(LoadIngestState(fs_, dir_ + "/state", current));
}

TEST_F(IngestStateTest, TellsAMissingStateFromABrokenOne) {
  EXPECT_EQ(LoadIngestState(fs_, dir_ + "/absent", state_).error().code(), StatusCode::kNotFound);
  for (const char* broken : {"", "{}", "[1]", R"({"version":2})", R"({"version":1,"file":{"size_bytes":"x"}})"}) {
    std::ofstream(dir_ + "/state") << broken;
    EXPECT_EQ(LoadIngestState(fs_, dir_ + "/state", state_).error().code(), StatusCode::kFailedPrecondition) << broken;
  }
}

}  // namespace
}  // namespace akidb
