#include "wal/wal_recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "wal/wal_inspect.h"
#include "wal/wal_testing.h"

namespace akidb {
namespace {

using ::testing::HasSubstr;

const std::string kHalfOfAFile(40000, 'h');

struct Replay {
  std::vector<std::pair<Lsn, std::string>> records;
  Status status;
};

Replay Scan(CrashDisk& disk) {
  Replay out;
  WalScanOptions options;
  options.on_record = [&](const WalRecord& record) {
    out.records.emplace_back(record.lsn, record.body);
    return OkStatus();
  };
  const Result<std::vector<std::string>> names = disk.List("wal");
  Result<WalScan> scan = ScanWal(disk, "wal", *names, options);
  out.status = scan ? scan->status() : scan.error();
  return out;
}

// One file with a group of one block for each of "record 1".."record n"; cut to `blocks` blocks.
std::string OneFile(WalFixture& f, int groups, uint64_t blocks) {
  EXPECT_TRUE(f.Open().ok());
  for (int i = 1; i <= groups; ++i) f.MustWrite("record " + std::to_string(i));
  f.wal.reset();
  const std::string path = f.WalPaths().front();
  f.disk->Overwrite(path, f.disk->ReadAll(path).substr(0, blocks * kWalBlockBytes));
  return path;
}

TEST(WalRecoveryTest, JudgesEveryFlippedBitByWhatLaterHeadersClaim) {
  constexpr uint64_t kGroups = 3;
  WalFixture f;
  const std::string path = OneFile(f, kGroups, 5);
  const std::string good = f.disk->ReadAll(path);
  const auto all = Scan(*f.disk).records;
  ASSERT_EQ(all.size(), kGroups);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    const uint64_t block = bit / 8 / kWalBlockBytes;
    std::string bad = good;
    bad[bit / 8] ^= static_cast<char>(1 << bit % 8);
    f.disk->Overwrite(path, std::move(bad));
    const Replay replay = Scan(*f.disk);
    // Never a wrong record, whatever happens.
    ASSERT_LE(replay.records.size(), all.size());
    ASSERT_TRUE(std::equal(replay.records.begin(), replay.records.end(), all.begin())) << bit;
    if (block < kGroups) {
      const std::string where = path.substr(4) + " offset " + std::to_string(block * kWalBlockBytes) + ":";
      ASSERT_EQ(replay.status.code(), StatusCode::kDataLoss) << bit;
      ASSERT_THAT(std::string(replay.status.message()), HasSubstr(where));
    } else {
      ASSERT_TRUE(replay.status.ok()) << bit << replay.status.ToString();
      ASSERT_EQ(replay.records.size(), block == kGroups ? kGroups - 1 : kGroups) << bit;
    }
  }
}

TEST(WalRecoveryTest, CutsATornTailAtEveryByte) {
  constexpr uint64_t kGroups = 3;
  WalFixture f;
  const std::string path = OneFile(f, kGroups, 4);
  const std::string good = f.disk->ReadAll(path);
  for (size_t size = kWalBlockBytes; size <= good.size(); ++size) {
    f.disk->Overwrite(path, good.substr(0, size));
    const Replay replay = Scan(*f.disk);
    ASSERT_TRUE(replay.status.ok()) << size << replay.status.ToString();
    ASSERT_EQ(replay.records.size(), size / kWalBlockBytes - 1) << size;
  }
}

TEST(WalRecoveryTest, CutsTheLastGroupWhateverSubsetOfItsSectorsArrived) {
  for (const char former : {'\0', 'R'}) {
    WalFixture f;
    const std::string path = OneFile(f, 3, 5);
    const std::string good = f.disk->ReadAll(path);
    const uint64_t begin = 3 * kWalBlockBytes;
    for (uint64_t subset = 0; subset < 256; ++subset) {
      std::string torn = good;
      bool whole = true;
      for (uint64_t s = 0; s < 8; ++s) {
        if (subset >> s & 1) continue;
        const uint64_t at = begin + s * CrashDisk::kSectorBytes;
        const std::string old(CrashDisk::kSectorBytes, former);
        whole = whole && torn.compare(at, CrashDisk::kSectorBytes, old) == 0;
        torn.replace(at, CrashDisk::kSectorBytes, old);
      }
      f.disk->Overwrite(path, std::move(torn));
      const Replay replay = Scan(*f.disk);
      ASSERT_TRUE(replay.status.ok()) << subset;
      ASSERT_EQ(replay.records.size(), whole ? 3u : 2u) << subset;
    }
  }
}

TEST(WalRecoveryTest, ADamagedTailOfACompleteFileIsCorruption) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  f.MustWrite(kHalfOfAFile);
  f.MustWrite(kHalfOfAFile);
  f.wal.reset();
  const std::string first = f.WalPaths().front();
  std::string bytes = f.disk->ReadAll(first);
  bytes[kWalBlockBytes + 20000] ^= 1;
  f.disk->Overwrite(first, bytes);
  const Status status = f.Open();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("00000000000000000001.wal offset 4096: group payload damaged"));
  EXPECT_TRUE(f.replayed.empty());
}

TEST(WalRecoveryTest, WhatARecoveryCutStaysCutAndWhatItReplayedIsClaimed) {
  WalFixture f;
  const std::string path = OneFile(f, 3, 16);
  std::string bytes = f.disk->ReadAll(path);
  bytes[3 * kWalBlockBytes + 100] ^= 1;
  f.disk->Overwrite(path, bytes);
  ASSERT_TRUE(f.Open().ok());
  EXPECT_EQ(f.replayed.size(), 2u);
  EXPECT_EQ(f.MustWrite("new 3"), Lsn(3));
  f.wal.reset();
  // The cut tail reads whole again: the second recovery still ends where the first one did.
  std::string healed = bytes;
  healed[3 * kWalBlockBytes + 100] ^= 1;
  f.disk->Overwrite(path, healed);
  ASSERT_TRUE(f.Open().ok());
  ASSERT_EQ(f.replayed.size(), 3u);
  EXPECT_EQ(f.replayed[2].second, "new 3");
  f.wal.reset();
  // What the first recovery replayed was synced, so damage to it is no torn tail any more.
  bytes[2 * kWalBlockBytes + 100] ^= 1;
  f.disk->Overwrite(path, bytes);
  EXPECT_EQ(f.Open().code(), StatusCode::kDataLoss);
}

TEST(WalRecoveryTest, AMissingHeadIsTrimmedAndAMissingMiddleIsCorruption) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  for (int i = 0; i < 4; ++i) f.MustWrite(kHalfOfAFile);
  f.wal.reset();
  const std::vector<std::string> paths = f.WalPaths();
  ASSERT_EQ(paths.size(), 4u);
  std::unique_ptr<CrashDisk> headless = f.disk->Clone();
  ASSERT_TRUE(headless->Remove(paths[0]).ok());
  ASSERT_TRUE(headless->Remove(paths[1]).ok());
  EXPECT_TRUE(Scan(*headless).status.ok());
  EXPECT_EQ(Scan(*headless).records.size(), 2u);
  ASSERT_TRUE(f.disk->Remove(paths[1]).ok());
  const Status status = Scan(*f.disk).status;
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("00000000000000000003.wal offset 0: follows 00000000000000000002"));
}

TEST(WalRecoveryTest, RefusesAFileUnderAnotherFilesName) {
  WalFixture f;
  const std::string path = OneFile(f, 1, 16);
  f.disk->Overwrite("wal/00000000000000000002.wal", f.disk->ReadAll(path));
  const Status status = f.Open();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("says sequence 1, the name says 2"));
}

TEST(WalRecoveryTest, RefusesAFileOfAnotherLog) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  f.MustWrite(kHalfOfAFile);
  f.MustWrite(kHalfOfAFile);
  WalFixture other;
  other.random = NewSeededRandom(2);
  ASSERT_TRUE(other.Open().ok());
  other.MustWrite(kHalfOfAFile);
  f.disk->Overwrite(f.WalPaths().front(), other.disk->ReadAll(other.WalPaths().front()));
  f.wal.reset();
  const Status status = f.Open();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("from another log"));
}

TEST(WalRecoveryTest, AStoredCopyOfTheLogItselfIsNeitherAGroupNorAClaim) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  f.MustWrite("record 1");
  const std::string path = f.WalPaths().front();
  const std::string copy = f.disk->ReadAll(path).substr(kWalBlockBytes, kWalBlockBytes);
  // A client stores the file's own group, block-aligned, in a record that then tears.
  f.MustWrite(std::string(kWalBlockBytes - kWalGroupHeaderBytes - kWalRecordHeaderBytes, 'x') + copy);
  f.wal.reset();
  std::string bytes = f.disk->ReadAll(path);
  ASSERT_EQ(bytes.substr(3 * kWalBlockBytes, kWalBlockBytes), copy);
  bytes[2 * kWalBlockBytes] ^= 1;
  f.disk->Overwrite(path, bytes);
  ASSERT_TRUE(f.Open().ok());
  EXPECT_EQ(f.replayed.size(), 1u);
}

TEST(WalRecoveryTest, UnknownFilesAreNotTouched) {
  WalFixture f;
  f.disk->Overwrite("wal/notes.txt", "mine");
  f.disk->Overwrite("wal/1.wal", "mine too");
  ASSERT_TRUE(f.Open().ok());
  EXPECT_EQ(f.disk->ReadAll("wal/notes.txt"), "mine");
  EXPECT_EQ(f.disk->ReadAll("wal/1.wal"), "mine too");
}

TEST(WalRecoveryTest, DropsHalfMadeFilesAndSparesOfAnotherSize) {
  WalFixture f;
  f.disk->Overwrite("wal/00000000000000000004.tmp", "half");
  f.disk->Overwrite("wal/00000000000000000005.spare", std::string(100, 'x'));
  f.disk->Overwrite("wal/00000000000000000006.spare", std::string(f.options.file_bytes, 'x'));
  ASSERT_TRUE(f.Open().ok());
  EXPECT_THAT(f.disk->Paths(), testing::ElementsAre("wal/00000000000000000001.wal"));
  f.MustWrite("over the former content");
  f.wal.reset();
  ASSERT_TRUE(f.Open().ok());
  EXPECT_EQ(f.replayed.size(), 1u);
}

TEST(WalInspectTest, ShowsFilesGroupsAndClaims) {
  WalFixture f;
  OneFile(f, 2, 16);
  EXPECT_EQ(*InspectWalJson(*f.disk, "wal"),
            R"({"status":"ok","detail":"","records":2,"next_lsn":3,"files":[{"name":"00000000000000000001.wal",)"
            R"("sequence":1,"size_bytes":65536,"state":"ok","detail":"","header_first_lsn":1,"prev_sequence":0,)"
            R"("prev_end":0,"end":12288,"records":2,"first_lsn":1,"last_lsn":2,"groups":[)"
            R"({"offset":4096,"payload_bytes":40,"records":1,"first_lsn":1,"last_lsn":1,"synced_offset":4096},)"
            R"({"offset":8192,"payload_bytes":40,"records":1,"first_lsn":2,"last_lsn":2,"synced_offset":8192}]}]})");
  EXPECT_EQ(*InspectWalText(*f.disk, "wal"),
            "00000000000000000001.wal  ok  2 groups  2 records  LSN 1-2  12288 of 65536 bytes\n"
            "1 files, 2 records, next LSN 3: a server would start on this log\n");
}

TEST(WalInspectTest, SaysThatThereIsNone) {
  WalFixture f;
  EXPECT_EQ(*InspectWalText(*f.disk, "wal"), "no log here: a server would begin one\n");
}

TEST(WalInspectTest, SaysWhereTheBadByteIsAndWhetherItMatters) {
  WalFixture f;
  const std::string path = OneFile(f, 3, 16);
  const std::string good = f.disk->ReadAll(path);
  std::string torn = good;
  torn[3 * kWalBlockBytes + 70] ^= 1;
  f.disk->Overwrite(path, torn);
  EXPECT_THAT(*InspectWalText(*f.disk, "wal"), HasSubstr("torn_tail  2 groups"));
  EXPECT_THAT(*InspectWalJson(*f.disk, "wal"), HasSubstr("group payload damaged at offset 12288; nothing claims"));
  std::string corrupt = good;
  corrupt[2 * kWalBlockBytes + 8] ^= 1;
  f.disk->Overwrite(path, corrupt);
  EXPECT_THAT(*InspectWalText(*f.disk, "wal"), HasSubstr("a server refuses to start on this log: DATA_LOSS"));
  EXPECT_THAT(*InspectWalJson(*f.disk, "wal"), HasSubstr("offset 8192: group header damaged, but everything below"));
}

}  // namespace
}  // namespace akidb
