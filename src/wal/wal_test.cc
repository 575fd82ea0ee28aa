#include "wal/wal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "wal/wal_testing.h"

namespace akidb {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

const auto kKeepNothing = [] { return false; };

// Fills more than half of the smallest file.
const std::string kHalfFile(40000, 'h');

TEST(WalTest, HandsOutLsnsInOrderAndReplaysThem) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  EXPECT_EQ(f.MustAppend("a"), Lsn(1));
  EXPECT_EQ(f.MustAppend("b"), Lsn(2));
  f.CommitAll();
  EXPECT_EQ(f.wal->durable_lsn(), Lsn(2));
  f.Crash(kKeepNothing);
  ASSERT_TRUE(f.Open().ok());
  EXPECT_THAT(f.replayed, ElementsAre(Pair(Lsn(1), "a"), Pair(Lsn(2), "b")));
  EXPECT_EQ(f.wal->durable_lsn(), Lsn(2));
  EXPECT_EQ(f.wal->stats().replayed_records, 2u);
  EXPECT_EQ(f.MustWrite("c"), Lsn(3));
}

TEST(WalTest, ReportsNothingDurableBeforeTheSync) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  bool called = false;
  const Lsn lsn = f.MustAppend("a");
  f.wal->NotifyDurable(lsn, [&] { called = true; });
  EXPECT_FALSE(called);
  EXPECT_EQ(f.wal->durable_lsn(), Lsn(0));
  bool seen_before_sync = false;
  f.disk->before_op = [&](DiskOp op, const std::string&) {
    if (op == DiskOp::kSync) seen_before_sync = called || f.wal->durable_lsn() == lsn;
    return OkStatus();
  };
  EXPECT_FALSE(f.wal->CommitStep(f.ctx));
  EXPECT_FALSE(seen_before_sync);
  EXPECT_TRUE(called);
  EXPECT_EQ(f.wal->durable_lsn(), lsn);
}

TEST(WalTest, RunsACallbackAtOnceWhenItsRecordIsDurable) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  const Lsn lsn = f.MustWrite("a");
  bool called = false;
  f.wal->NotifyDurable(lsn, [&] { called = true; });
  EXPECT_TRUE(called);
}

TEST(WalTest, CallbacksMayAppendAndNotifyAgain) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  bool second = false;
  f.wal->NotifyDurable(f.MustAppend("a"), [&] { f.wal->NotifyDurable(f.MustAppend("b"), [&] { second = true; }); });
  f.CommitAll();
  f.CommitAll();
  EXPECT_TRUE(second);
}

TEST(WalTest, WritesManyRecordsWithOneSync) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  int syncs = 0;
  f.disk->before_op = [&](DiskOp op, const std::string&) {
    syncs += op == DiskOp::kSync;
    return OkStatus();
  };
  for (int i = 0; i < 100; ++i) f.MustAppend("r" + std::to_string(i));
  f.CommitAll();
  EXPECT_EQ(syncs, 1);
  EXPECT_EQ(f.wal->stats().groups_synced, 1u);
}

TEST(WalTest, AFailedSyncEndsTheProcessAndAcknowledgesNothing) {
  for (const DiskOp failing : {DiskOp::kWrite, DiskOp::kSync}) {
    WalFixture f;
    ASSERT_TRUE(f.Open().ok());
    f.MustWrite("a");
    bool called = false;
    f.wal->NotifyDurable(f.MustAppend("b"), [&] { called = true; });
    int failures = 0;
    f.disk->before_op = [&](DiskOp op, const std::string&) {
      if (op != failing) return OkStatus();
      ++failures;
      return Unavailable("input/output error");
    };
    EXPECT_THROW(f.wal->CommitStep(f.ctx), Died);
    EXPECT_FALSE(f.wal->CommitStep(f.ctx));
    EXPECT_EQ(failures, 1) << "never retried";
    EXPECT_FALSE(called);
    EXPECT_EQ(f.wal->durable_lsn(), Lsn(1));
  }
}

TEST(WalTest, AFailedDirectorySyncEndsTheProcess) {
  WalFixture f;
  f.disk->before_op = [&](DiskOp op, const std::string&) {
    return op == DiskOp::kSyncDir ? Unavailable("input/output error") : OkStatus();
  };
  EXPECT_THROW(f.Open().IgnoreError("it throws"), Died);
}

TEST(WalTest, AFullDiskIsAnErrorOfAppendAndChangesNothing) {
  WalFixture f;
  f.options.spare_files_max = 0;
  f.disk->capacity_bytes = f.options.file_bytes + 100;
  ASSERT_TRUE(f.Open().ok());
  f.MustAppend(kHalfFile);
  const WalStats before = f.wal->stats();
  const Result<Lsn> lsn = f.wal->Append(f.ctx, CollectionId(7), Epoch(3), WalRecordType::kUpsert, kHalfFile);
  ASSERT_FALSE(lsn);
  EXPECT_EQ(lsn.error().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(lsn.error().reason(), "disk_full");
  EXPECT_EQ(f.wal->stats().next, before.next);
  EXPECT_EQ(f.wal->stats().live_bytes, before.live_bytes);
  EXPECT_EQ(f.disk->Paths().size(), 1u) << "the half-made file is gone";
  EXPECT_EQ(f.MustWrite("small ones still fit"), Lsn(2));
  f.disk->capacity_bytes = UINT64_MAX;
  EXPECT_EQ(f.MustWrite(kHalfFile), Lsn(3));
  f.Crash(kKeepNothing);
  ASSERT_TRUE(f.Open().ok());
  EXPECT_EQ(f.replayed.size(), 3u);
}

TEST(WalTest, AcknowledgesWhatWasAppendedBeforeTheDiskFilledUp) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  f.MustAppend(kHalfFile);
  f.MustAppend(kHalfFile);
  f.disk->capacity_bytes = 0;
  f.CommitAll();
  EXPECT_EQ(f.wal->durable_lsn(), Lsn(2));
}

TEST(WalTest, RefusesToGrowBeyondItsLimit) {
  WalFixture f;
  f.options.wal_bytes_max = 2 * f.options.file_bytes;
  ASSERT_TRUE(f.Open().ok());
  f.MustWrite(kHalfFile);
  f.MustWrite(kHalfFile);
  const Result<Lsn> lsn = f.wal->Append(f.ctx, CollectionId(7), Epoch(3), WalRecordType::kUpsert, kHalfFile);
  ASSERT_FALSE(lsn);
  EXPECT_EQ(lsn.error().reason(), "wal_full");
  EXPECT_EQ(f.wal->stats().next, Lsn(3));
  ASSERT_TRUE(f.wal->TrimTo(f.ctx, Lsn(1)).ok());
  EXPECT_EQ(f.MustWrite(kHalfFile), Lsn(3));
}

TEST(WalTest, RefusesARecordLargerThanAFile) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  const uint64_t max = f.options.file_bytes - kWalBlockBytes - kWalGroupHeaderBytes - kWalRecordHeaderBytes;
  EXPECT_EQ(f.MustWrite(std::string(max, 'x')), Lsn(1));
  const Result<Lsn> lsn =
      f.wal->Append(f.ctx, CollectionId(7), Epoch(3), WalRecordType::kUpsert, std::string(max + 1, 'x'));
  ASSERT_FALSE(lsn);
  EXPECT_EQ(lsn.error().reason(), "record_too_large");
}

TEST(WalTest, RefusesOptionsItCannotKeep) {
  WalFixture f;
  f.options.file_bytes = 4096;
  EXPECT_EQ(f.Open().code(), StatusCode::kInvalidArgument);
  f.options.file_bytes = kWalFileBytesMin + 1;
  EXPECT_EQ(f.Open().code(), StatusCode::kInvalidArgument);
  f.options.file_bytes = kWalFileBytesMin;
  f.options.wal_bytes_max = kWalFileBytesMin;
  EXPECT_EQ(f.Open().code(), StatusCode::kInvalidArgument);
}

TEST(WalTest, OneAppendMayNotBeWaitedForBeforeItsTime) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  EXPECT_EQ(f.wal->WaitDurable(f.ctx, Lsn(1)).code(), StatusCode::kFailedPrecondition);
  const Lsn lsn = f.MustAppend("a");
  EXPECT_TRUE(f.wal->WaitDurable(f.ctx, lsn).ok());
  EXPECT_EQ(f.wal->durable_lsn(), lsn);
}

TEST(WalTest, ALoneWaiterCommitsWhatOthersOnlyNotifyOn) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  const Lsn first = f.MustAppend("a");
  bool called = false;
  // Appended while the first group is being written: its own group, and nobody but the waiter is there.
  f.disk->before_op = [&](DiskOp op, const std::string&) {
    if (op == DiskOp::kWrite && f.wal->stats().next == Lsn(2)) {
      f.wal->NotifyDurable(f.MustAppend("b"), [&] { called = true; });
      EXPECT_FALSE(f.wal->CommitStep(f.ctx));
    }
    return OkStatus();
  };
  EXPECT_TRUE(f.wal->WaitDurable(f.ctx, first).ok());
  EXPECT_TRUE(called);
}

TEST(WalTest, AdvancedLsnsCountAsDurableAndLeaveAGap) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  f.MustWrite("a");
  bool called = false;
  f.wal->NotifyDurable(Lsn(50), [&] { called = true; });
  f.wal->AdvanceLsn(Lsn(100));
  EXPECT_TRUE(called);
  EXPECT_EQ(f.wal->durable_lsn(), Lsn(100));
  EXPECT_EQ(f.MustWrite("b"), Lsn(101));
  f.wal->AdvanceLsn(Lsn(5));
  EXPECT_EQ(f.MustWrite("c"), Lsn(102));
  f.Crash(kKeepNothing);
  ASSERT_TRUE(f.Open().ok());
  EXPECT_THAT(f.replayed, ElementsAre(Pair(Lsn(1), "a"), Pair(Lsn(101), "b"), Pair(Lsn(102), "c")));
}

TEST(WalTest, LsnsGoOnWhenEveryRecordWasTrimmed) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  for (int i = 0; i < 3; ++i) f.MustWrite(kHalfFile);
  f.Crash(kKeepNothing);
  ASSERT_TRUE(f.Open().ok());
  ASSERT_TRUE(f.wal->TrimTo(f.ctx, Lsn(3)).ok());
  EXPECT_EQ(f.wal->stats().files, 1u);
  for (int restart = 0; restart < 3; ++restart) {
    f.Crash(kKeepNothing);
    ASSERT_TRUE(f.Open().ok());
    EXPECT_TRUE(f.replayed.empty());
    EXPECT_EQ(f.wal->durable_lsn(), Lsn(3));
  }
  EXPECT_EQ(f.MustWrite("next"), Lsn(4));
}

TEST(WalTest, TrimsOnlyWholeFilesFromTheHead) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  for (int i = 0; i < 4; ++i) f.MustWrite(kHalfFile);
  ASSERT_TRUE(f.wal->TrimTo(f.ctx, Lsn(0)).ok());
  EXPECT_EQ(f.WalPaths().size(), 4u);
  ASSERT_TRUE(f.wal->TrimTo(f.ctx, Lsn(2)).ok());
  EXPECT_EQ(f.WalPaths().size(), 2u);
  ASSERT_TRUE(f.wal->TrimTo(f.ctx, Lsn(4)).ok());
  EXPECT_EQ(f.WalPaths().size(), 1u) << "the file being written stays";
  f.Crash(kKeepNothing);
  ASSERT_TRUE(f.Open().ok());
  EXPECT_THAT(f.replayed, ElementsAre(Pair(Lsn(4), kHalfFile)));
}

TEST(WalTest, RecyclesTrimmedFilesAndNeverReplaysTheirFormerRecords) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  for (int i = 0; i < 4; ++i) f.MustWrite("old " + std::to_string(i) + kHalfFile);
  ASSERT_TRUE(f.wal->TrimTo(f.ctx, Lsn(3)).ok());
  int created = 0;
  f.disk->before_op = [&](DiskOp op, const std::string&) {
    created += op == DiskOp::kOpen;
    return OkStatus();
  };
  f.MustWrite(kHalfFile);
  f.MustWrite("short");
  EXPECT_EQ(created, 0) << "a recycled file was used";
  ASSERT_NE(f.disk->ReadAll(f.WalPaths().back()).find("hhhh"), std::string::npos) << "its former bytes lie behind";
  f.Crash(kKeepNothing);
  ASSERT_TRUE(f.Open().ok());
  EXPECT_THAT(f.replayed,
              ElementsAre(Pair(Lsn(4), "old 3" + kHalfFile), Pair(Lsn(5), kHalfFile), Pair(Lsn(6), "short")));
}

TEST(WalTest, KeepsNoMoreSparesThanAllowed) {
  WalFixture f;
  f.options.spare_files_max = 1;
  ASSERT_TRUE(f.Open().ok());
  for (int i = 0; i < 5; ++i) f.MustWrite(kHalfFile);
  ASSERT_TRUE(f.wal->TrimTo(f.ctx, Lsn(5)).ok());
  EXPECT_EQ(f.disk->Paths().size(), 2u);
}

TEST(WalTest, PreparedFilesSpareTheAppendTheWork) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  Result<bool> did = true;
  int steps = 0;
  while (*did) {
    did = f.wal->PrepareStep(f.ctx);
    ASSERT_TRUE(did);
    ++steps;
  }
  EXPECT_EQ(steps, 3) << "two files, then nothing to do";
  f.disk->before_op = [&](DiskOp op, const std::string& path) {
    EXPECT_NE(op, DiskOp::kOpen) << path;
    return OkStatus();
  };
  for (int i = 0; i < 3; ++i) f.MustWrite(kHalfFile);
}

TEST(WalTest, RestartsThatWriteNothingDoNotPileUpFiles) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  f.MustWrite("a");
  for (int i = 0; i < 20; ++i) {
    f.Crash(kKeepNothing);
    ASSERT_TRUE(f.Open().ok());
    EXPECT_THAT(f.replayed, ElementsAre(Pair(Lsn(1), "a")));
  }
  EXPECT_EQ(f.WalPaths().size(), 2u);
  EXPECT_LE(f.disk->Paths().size(), 4u);
}

TEST(WalTest, AKilledProcessLosesNothingItWrote) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  f.MustAppend("a");
  f.disk->before_op = [&](DiskOp op, const std::string&) -> Status {
    if (op == DiskOp::kSync) throw Crashed{};
    return OkStatus();
  };
  EXPECT_THROW(f.wal->CommitStep(f.ctx), Crashed);
  // Only the process ends: the page cache still has the group.
  f.disk->before_op = nullptr;
  f.wal.reset();
  ASSERT_TRUE(f.Open().ok());
  EXPECT_THAT(f.replayed, ElementsAre(Pair(Lsn(1), "a")));
  EXPECT_EQ(f.wal->durable_lsn(), Lsn(1));
  // What was replayed and called durable is durable, and the next start agrees.
  f.Crash(kKeepNothing);
  ASSERT_TRUE(f.Open().ok());
  EXPECT_THAT(f.replayed, ElementsAre(Pair(Lsn(1), "a")));
}

TEST(WalTest, TheVisitorsErrorStopsTheOpen) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  f.MustWrite("a");
  f.Crash(kKeepNothing);
  const auto wal = Wal::Open(f.ctx, f.Env(), f.options, [](const WalRecord&) { return Aborted("visitor has enough"); });
  ASSERT_FALSE(wal);
  EXPECT_EQ(wal.error().message(), "visitor has enough");
}

}  // namespace
}  // namespace akidb
