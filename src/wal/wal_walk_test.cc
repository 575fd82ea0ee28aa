#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wal/wal_testing.h"

namespace akidb {
namespace {

using ::testing::ElementsAre;

const auto kLoseAll = [] { return false; };

std::vector<std::string> Walked(WalFixture& f) {
  std::vector<std::string> bodies;
  const Status walked = f.wal->Walk(f.ctx, [&](const WalRecord& record) {
    bodies.emplace_back(record.body);
    return OkStatus();
  });
  EXPECT_TRUE(walked.ok()) << walked.ToString();
  return bodies;
}

TEST(WalWalkTest, ShowsWhatIsDurableAndNothingElse) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  EXPECT_THAT(Walked(f), ElementsAre());
  f.MustWrite("a");
  f.MustWrite("b");
  f.MustAppend("c");
  EXPECT_THAT(Walked(f), ElementsAre("a", "b"));
  f.CommitAll();
  EXPECT_THAT(Walked(f), ElementsAre("a", "b", "c"));
}

TEST(WalWalkTest, ShowsRecordsOfEarlierProcessesAndOfEveryFile) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  const std::string half_file(40000, 'h');
  f.MustWrite("a");
  f.MustWrite(half_file);
  f.MustWrite(half_file);
  f.Crash(kLoseAll);
  ASSERT_TRUE(f.Open().ok());
  f.MustWrite("b");
  EXPECT_THAT(Walked(f), ElementsAre("a", half_file, half_file, "b"));
}

TEST(WalWalkTest, AnErrorOfTheVisitorEndsIt) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  f.MustWrite("a");
  f.MustWrite("b");
  int seen = 0;
  const Status walked = f.wal->Walk(f.ctx, [&](const WalRecord&) -> Status {
    ++seen;
    return Unavailable("enough");
  });
  EXPECT_EQ(walked.message(), "enough");
  EXPECT_EQ(seen, 1);
}

TEST(WalWalkTest, DamageIsSaidAndNotPassedOver) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  f.MustWrite("a");
  f.MustWrite("b");
  for (const std::string& path : f.disk->Paths()) {
    if (!path.ends_with(".wal")) continue;
    std::string bytes = f.disk->ReadAll(path);
    bytes[2 * kWalBlockBytes + kWalGroupHeaderBytes + kWalRecordHeaderBytes] ^= 1;
    f.disk->Overwrite(path, bytes);
  }
  const Status walked = f.wal->Walk(f.ctx, [](const WalRecord&) { return OkStatus(); });
  EXPECT_EQ(walked.code(), StatusCode::kDataLoss) << walked.ToString();
}

}  // namespace
}  // namespace akidb
