// The golden log in tests/compat/wal/v1: never edited, readable for ever.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "wal/wal_testing.h"

namespace akidb {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

const std::vector<std::string> kNames = {"00000000000000000001.wal", "00000000000000000002.wal"};

std::string Golden(const std::string& name) {
  Result<std::string> bytes =
      ReadWholeFile(PosixFileSystem(), std::string(AKIDB_COMPAT_DIR) + "/wal/v1/" + name, 1 << 20);
  EXPECT_TRUE(bytes) << bytes.error().ToString();
  return bytes ? *bytes : "";
}

// The log as this program writes it: a file with two groups, a restart, a file with one.
void WriteTheSameLog(WalFixture& f) {
  f.random = NewSeededRandom(20);
  ASSERT_TRUE(f.Open().ok());
  f.MustAppend("first");
  f.MustAppend("second, in the same group");
  f.CommitAll();
  f.MustWrite("third");
  f.wal.reset();
  ASSERT_TRUE(f.Open().ok());
  f.wal->AdvanceLsn(Lsn(1000));
  f.MustWrite("after a restart and a gap");
  f.wal.reset();
}

TEST(WalCompatTest, ReadsVersion1) {
  WalFixture f;
  for (const std::string& name : kNames) f.disk->Overwrite("wal/" + name, Golden(name));
  const Status status = f.Open();
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(f.replayed, ElementsAre(Pair(Lsn(1), "first"), Pair(Lsn(2), "second, in the same group"),
                                      Pair(Lsn(3), "third"), Pair(Lsn(1001), "after a restart and a gap")));
}

TEST(WalCompatTest, WritesVersion1) {
  WalFixture f;
  ASSERT_NO_FATAL_FAILURE(WriteTheSameLog(f));
  for (const std::string& name : kNames) {
    const std::string golden = Golden(name);
    EXPECT_TRUE(f.disk->ReadAll("wal/" + name).starts_with(golden) && !golden.empty()) << name;
  }
}

}  // namespace
}  // namespace akidb
