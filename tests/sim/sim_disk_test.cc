#include "sim_disk.h"

#include <gtest/gtest.h>

#include <set>

namespace akidb::sim {
namespace {

class SimDiskTest : public ::testing::Test {
 protected:
  void Reset(uint64_t seed) {
    world_ = std::make_unique<World>(seed);
    disk_ = std::make_unique<SimDisk>(*world_, 1);
    Remount();
  }
  void SetUp() override { Reset(1); }
  void Remount() {
    life_ = std::make_shared<Life>();
    fs_ = disk_->Mount(life_);
  }
  void LosePower() {
    life_->alive = false;
    disk_->LosePower();
    Remount();
  }
  std::unique_ptr<File> Create(const std::string& path) { return *fs_->Open(path, OpenMode::kCreateNew); }
  std::string Read(const std::string& path) { return ReadWholeFile(*fs_, path, 1 << 20).value_or("<none>"); }

  std::unique_ptr<World> world_;
  std::unique_ptr<SimDisk> disk_;
  std::shared_ptr<Life> life_;
  std::unique_ptr<FileSystem> fs_;
};

TEST_F(SimDiskTest, SyncedBytesUnderASyncedNameSurvive) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Reset(seed);
    auto file = Create("/a");
    ASSERT_TRUE(file->WriteAt(0, "hello").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs_->SyncDir("/").ok());
    LosePower();
    EXPECT_EQ(Read("/a"), "hello");
  }
}

TEST_F(SimDiskTest, AnUnsyncedNameSometimesVanishes) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Reset(seed);
    auto file = Create("/a");
    ASSERT_TRUE(file->WriteAt(0, "hello").ok());
    ASSERT_TRUE(file->Sync().ok());
    LosePower();
    seen.insert(Read("/a"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"hello", "<none>"}));
}

TEST_F(SimDiskTest, UnsyncedSectorsSurviveInEveryCombination) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Reset(seed);
    auto file = Create("/a");
    ASSERT_TRUE(file->WriteAt(0, std::string(1536, '.')).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs_->SyncDir("/").ok());
    ASSERT_TRUE(file->WriteAt(0, std::string(1536, 'x')).ok());
    LosePower();
    const std::string bytes = Read("/a");
    seen.insert({bytes[0], bytes[512], bytes[1024]});
    EXPECT_EQ(bytes[0], bytes[511]) << "a sector tore inside";
  }
  EXPECT_EQ(seen.size(), 8u);
}

TEST_F(SimDiskTest, AnySinceUnsyncedContentOfASectorMaySurvive) {
  std::set<char> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Reset(seed);
    auto file = Create("/a");
    ASSERT_TRUE(file->WriteAt(0, "0").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs_->SyncDir("/").ok());
    ASSERT_TRUE(file->WriteAt(0, "1").ok());
    ASSERT_TRUE(file->WriteAt(0, "2").ok());
    LosePower();
    seen.insert(Read("/a")[0]);
  }
  EXPECT_EQ(seen, (std::set<char>{'0', '1', '2'}));
}

TEST_F(SimDiskTest, AnUnsyncedLengthMayBeLostOrKeptWithZeros) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Reset(seed);
    auto file = Create("/a");
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs_->SyncDir("/").ok());
    ASSERT_TRUE(file->WriteAt(0, "ab").ok());
    LosePower();
    seen.insert(Read("/a"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"", "ab", std::string(2, '\0')}));
}

TEST_F(SimDiskTest, ATruncatedTailNeverComesBackUnderALongerLength) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Reset(seed);
    auto file = Create("/a");
    ASSERT_TRUE(file->WriteAt(0, std::string(1024, 'o')).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs_->SyncDir("/").ok());
    ASSERT_TRUE(file->Truncate(0).ok());
    ASSERT_TRUE(file->Truncate(2048).ok());
    LosePower();
    const std::string bytes = Read("/a");
    if (bytes.size() == 2048) {
      EXPECT_EQ(bytes, std::string(2048, '\0'));
    }
  }
}

TEST_F(SimDiskTest, RenameIsAllOrNothingAndReplaces) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Reset(seed);
    for (const char* name : {"/new", "/old"}) {
      auto file = Create(name);
      ASSERT_TRUE(file->WriteAt(0, name).ok());
      ASSERT_TRUE(file->Sync().ok());
    }
    ASSERT_TRUE(fs_->SyncDir("/").ok());
    ASSERT_TRUE(fs_->Rename("/new", "/old").ok());
    LosePower();
    seen.insert(Read("/new") + " " + Read("/old"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"/new /old", "<none> /new"}));
}

TEST_F(SimDiskTest, RemovedAndLinkedNamesFollowSyncDirOfTheirOwnDirectory) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Reset(seed);
    ASSERT_TRUE(fs_->MakeDir("/d").ok());
    ASSERT_TRUE(fs_->MakeDir("/e").ok());
    ASSERT_TRUE(fs_->SyncDir("/").ok());
    auto file = Create("/d/a");
    ASSERT_TRUE(file->WriteAt(0, "x").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs_->Link("/d/a", "/e/b").ok());
    ASSERT_TRUE(fs_->SyncDir("/e").ok());
    EXPECT_EQ(fs_->Link("/d/a", "/e/b").code(), StatusCode::kAlreadyExists);
    ASSERT_TRUE(fs_->Remove("/d/a").ok());
    ASSERT_TRUE(fs_->SyncDir("/d").ok());
    LosePower();
    EXPECT_EQ(*fs_->List("/d"), std::vector<std::string>{});
    EXPECT_EQ(*fs_->List("/e"), std::vector<std::string>{"b"});
    EXPECT_EQ(Read("/e/b"), "x");
  }
}

TEST_F(SimDiskTest, ALostDirectoryTakesItsContentsAlong) {
  std::set<size_t> roots;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Reset(seed);
    ASSERT_TRUE(fs_->MakeDir("/d").ok());
    Create("/d/a");
    ASSERT_TRUE(fs_->SyncDir("/d").ok());
    LosePower();
    roots.insert(fs_->List("/")->size());
    EXPECT_EQ(*fs_->Exists("/d/a"), *fs_->Exists("/d"));
  }
  EXPECT_EQ(roots.size(), 2u);
}

TEST_F(SimDiskTest, AFailedSyncLeavesPagesCleanAndPossiblyLost) {
  bool kept = false;
  bool lost = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Reset(seed);
    auto file = Create("/a");
    ASSERT_TRUE(file->WriteAt(0, "old").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs_->SyncDir("/").ok());
    ASSERT_TRUE(file->WriteAt(0, "new").ok());
    disk_->faults().sync_error_ppm = 1'000'000;
    ASSERT_EQ(file->Sync().code(), StatusCode::kUnavailable);
    disk_->faults().sync_error_ppm = 0;
    EXPECT_EQ(Read("/a"), "new") << "the cache still has it";
    ASSERT_TRUE(file->Sync().ok()) << "the second sync lies, as Linux does";
    LosePower();
    (Read("/a") == "new" ? kept : lost) = true;
  }
  EXPECT_TRUE(kept && lost);
}

TEST_F(SimDiskTest, AProcessThatEndsLosesNothingThatWasCached) {
  auto file = Create("/a");
  ASSERT_TRUE(file->WriteAt(0, "x").ok());
  life_->alive = false;
  disk_->EndProcess();
  Remount();
  EXPECT_EQ(Read("/a"), "x");
}

TEST_F(SimDiskTest, HandlesOfADeadLifeThrowAndChangeNothing) {
  auto file = Create("/a");
  life_->alive = false;
  EXPECT_THROW(file->WriteAt(0, "x").IgnoreError("throws"), SimCrash);
  Remount();
  EXPECT_EQ(Read("/a"), "");
}

TEST_F(SimDiskTest, AScheduledCrashStrikesBeforeInOrAfterTheOperation) {
  std::set<size_t> middle;
  for (const CrashPhase phase : {CrashPhase::kBefore, CrashPhase::kMiddle, CrashPhase::kAfter}) {
    for (uint64_t seed = 0; seed < 30; ++seed) {
      Reset(seed);
      auto file = Create("/a");
      world_->ScheduleCrash(1, phase);
      EXPECT_THROW(file->WriteAt(0, std::string(100, 'x')).IgnoreError("throws"), SimCrash);
      disk_->EndProcess();
      Remount();
      const size_t size = Read("/a").size();
      if (phase == CrashPhase::kBefore) {
        EXPECT_EQ(size, 0u);
      } else if (phase == CrashPhase::kAfter) {
        EXPECT_EQ(size, 100u);
      } else {
        middle.insert(size);
      }
    }
  }
  EXPECT_GT(middle.size(), 5u);
}

TEST_F(SimDiskTest, AFullDiskRefusesGrowthButNotOverwrites) {
  auto file = Create("/a");
  ASSERT_TRUE(file->WriteAt(0, std::string(1000, 'x')).ok());
  disk_->faults().capacity_bytes = 1000;
  EXPECT_EQ(file->WriteAt(1000, "y").reason(), "disk_full");
  EXPECT_TRUE(file->WriteAt(500, "y").ok());
  EXPECT_EQ(*fs_->FreeBytes("/"), 0u);
}

TEST_F(SimDiskTest, LocksExcludeUntilReleasedOrTheMachineDies) {
  auto lock = fs_->Lock("/lock", "pid 1");
  ASSERT_TRUE(lock);
  EXPECT_EQ(fs_->Lock("/lock", "pid 2").error().reason(), "locked");
  LosePower();
  EXPECT_TRUE(fs_->Lock("/lock", "pid 3"));
}

TEST_F(SimDiskTest, ADiskThatDropsSyncsLosesWhatItConfirmed) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Reset(seed);
    disk_->faults().drop_sync_ppm = 1'000'000;
    auto file = Create("/a");
    ASSERT_TRUE(file->WriteAt(0, "hello").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs_->SyncDir("/").ok());
    LosePower();
    lost |= Read("/a") != "hello";
  }
  EXPECT_TRUE(lost);
}

TEST_F(SimDiskTest, ACopyBranchesOff) {
  auto file = Create("/a");
  ASSERT_TRUE(file->WriteAt(0, "1").ok());
  World other(2);
  SimDisk copy(other, *disk_, 9);
  ASSERT_TRUE(file->WriteAt(0, "2").ok());
  auto fs = copy.Mount(std::make_shared<Life>());
  EXPECT_EQ(*ReadWholeFile(*fs, "/a", 10), "1");
  EXPECT_EQ(Read("/a"), "2");
}

}  // namespace
}  // namespace akidb::sim
