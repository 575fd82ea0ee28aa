#include "objstore/localfs/localfs_store.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "objstore/objstore_conformance_testing.h"

namespace akidb {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class TempDir {
 public:
  TempDir() : path_(testing::TempDir() + "akidb_localfs_XXXXXX") { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
  ~TempDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The system's files, with a diary of what changes or reads them and a veto on every entry.
// Paths are shown below the root, staged files as "tmp".
class RecordingFileSystem final : public FileSystem {
 public:
  explicit RecordingFileSystem(std::string root) : root_(std::move(root)) {}

  std::vector<std::string> events;
  std::function<Status(const std::string& event)> veto = [](const std::string&) { return OkStatus(); };

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    AKI_RETURN_IF_ERROR(Note((mode == OpenMode::kRead ? "open " : "create ") + Shown(path)));
    AKI_ASSIGN_OR_RETURN(std::unique_ptr<File> file, base_.Open(path, mode));
    return std::make_unique<RecordingFile>(*this, Shown(path), std::move(file));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    AKI_RETURN_IF_ERROR(Note("rename " + Shown(from) + " " + Shown(to)));
    return base_.Rename(from, to);
  }
  Status Link(const std::string& from, const std::string& to) override {
    AKI_RETURN_IF_ERROR(Note("link " + Shown(from) + " " + Shown(to)));
    return base_.Link(from, to);
  }
  Status Remove(const std::string& path) override {
    AKI_RETURN_IF_ERROR(Note("remove " + Shown(path)));
    return base_.Remove(path);
  }
  Status MakeDir(const std::string& path) override {
    AKI_RETURN_IF_ERROR(Note("mkdir " + Shown(path)));
    return base_.MakeDir(path);
  }
  Status RemoveDir(const std::string& path) override { return base_.RemoveDir(path); }
  Status SyncDir(const std::string& path) override {
    AKI_RETURN_IF_ERROR(Note("syncdir " + Shown(path)));
    return base_.SyncDir(path);
  }
  Result<std::vector<std::string>> List(const std::string& path) override {
    AKI_RETURN_IF_ERROR(Note("list " + Shown(path)));
    return base_.List(path);
  }
  Result<bool> Exists(const std::string& path) override { return base_.Exists(path); }
  Result<uint64_t> FreeBytes(const std::string& path) override { return base_.FreeBytes(path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, const std::string& note) override {
    return base_.Lock(path, note);
  }

 private:
  class RecordingFile final : public File {
   public:
    RecordingFile(RecordingFileSystem& fs, std::string shown, std::unique_ptr<File> base)
        : fs_(fs), shown_(std::move(shown)), base_(std::move(base)) {}
    Result<size_t> ReadAt(uint64_t offset, size_t size, char* out) override { return base_->ReadAt(offset, size, out); }
    Status WriteAt(uint64_t offset, std::string_view data) override {
      AKI_RETURN_IF_ERROR(fs_.Note("write " + shown_));
      return base_->WriteAt(offset, data);
    }
    Status Sync() override {
      AKI_RETURN_IF_ERROR(fs_.Note("sync " + shown_));
      return base_->Sync();
    }
    Result<uint64_t> Size() override { return base_->Size(); }
    Status Truncate(uint64_t size) override { return base_->Truncate(size); }

   private:
    RecordingFileSystem& fs_;
    const std::string shown_;
    const std::unique_ptr<File> base_;
  };

  std::string Shown(const std::string& path) const {
    if (path == root_) return ".";
    if (!path.starts_with(root_ + "/")) return "above";
    const std::string below = path.substr(root_.size() + 1);
    return below.starts_with(".tmp/") ? "tmp" : below;
  }
  Status Note(const std::string& event) {
    events.push_back(event);
    return veto(event);
  }

  FileSystem& base_ = PosixFileSystem();
  const std::string root_;
};

struct OwnedStore {
  TempDir dir;
  std::unique_ptr<Random> random = NewSeededRandom(1);
  std::unique_ptr<ObjectStore> store;
};

std::shared_ptr<ObjectStore> MakeStore() {
  auto owned = std::make_shared<OwnedStore>();
  OpContext ctx(RealClock());
  auto store = OpenLocalFsStore(ctx, PosixFileSystem(), *owned->random, RealClock(), owned->dir.path(),
                                [](const Status& status) { ADD_FAILURE() << status.ToString(); });
  EXPECT_TRUE(store) << store.error().ToString();
  owned->store = std::move(*store);
  return {owned, owned->store.get()};
}

INSTANTIATE_TEST_SUITE_P(LocalFs, ObjectStoreConformanceTest, testing::Values(StoreFactory{"localfs", MakeStore}),
                         [](const auto& param_info) { return param_info.param.name; });

class LocalFsStoreTest : public testing::Test {
 protected:
  LocalFsStoreTest() : fs_(dir_.path() + "/root"), ctx_(RealClock()) { Reopen(); }

  void Reopen() {
    auto store = OpenLocalFsStore(ctx_, fs_, *random_, RealClock(), Root() + "/",
                                  [this](const Status& status) { deaths_.push_back(status.ToString()); });
    ASSERT_TRUE(store) << store.error().ToString();
    store_ = std::move(*store);
    fs_.events.clear();
  }
  std::string Root() const { return dir_.path() + "/root"; }
  Status Put(const std::string& key, std::string_view body, const PutCondition& condition = {}) {
    const auto meta = store_->Put(ctx_, key, body, condition);
    return meta ? OkStatus() : meta.error();
  }
  StatusCode HeadCode(const std::string& key) {
    const auto meta = store_->Head(ctx_, key);
    return meta ? StatusCode::kOk : meta.error().code();
  }
  std::vector<std::string> Staged() const { return *PosixFileSystem().List(Root() + "/.tmp"); }
  void FailAt(const std::string& event, const Status& status) {
    fs_.veto = [event, status](const std::string& e) { return e == event ? status : OkStatus(); };
  }

  TempDir dir_;
  RecordingFileSystem fs_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  OpContext ctx_;
  std::vector<std::string> deaths_;
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(LocalFsStoreTest, CreateSyncsBytesThenNameThenDirectory) {
  ASSERT_TRUE(Put("a/b/k", "x", PutCondition::IfAbsent()).ok());
  EXPECT_THAT(fs_.events, ElementsAre("create tmp", "write tmp", "sync tmp", "mkdir a", "syncdir .", "mkdir a/b",
                                      "syncdir a", "link tmp a/b/k", "syncdir a/b", "remove tmp"));
  fs_.events.clear();
  ASSERT_TRUE(Put("a/b/l", "x", PutCondition::IfAbsent()).ok());
  EXPECT_THAT(fs_.events,
              ElementsAre("create tmp", "write tmp", "sync tmp", "link tmp a/b/l", "syncdir a/b", "remove tmp"));
}

TEST_F(LocalFsStoreTest, ReplaceSyncsBytesThenNameThenDirectory) {
  ASSERT_TRUE(Put("k", "x").ok());
  fs_.events.clear();
  ASSERT_TRUE(Put("k", "y").ok());
  EXPECT_THAT(fs_.events, ElementsAre("create tmp", "write tmp", "sync tmp", "rename tmp k", "syncdir ."));
}

TEST_F(LocalFsStoreTest, DeleteSyncsTheDirectory) {
  ASSERT_TRUE(Put("a/k", "x").ok());
  fs_.events.clear();
  ASSERT_TRUE(store_->Delete(ctx_, "a/k").ok());
  EXPECT_THAT(fs_.events, ElementsAre("remove a/k", "syncdir a"));
}

TEST_F(LocalFsStoreTest, LoserSyncsTheNameItLostAgainst) {
  ASSERT_TRUE(Put("a/k", "x").ok());
  fs_.events.clear();
  EXPECT_EQ(Put("a/k", "y", PutCondition::IfAbsent()).reason(), "condition_lost");
  EXPECT_THAT(fs_.events, ElementsAre("list a/k", "syncdir a"));
}

TEST_F(LocalFsStoreTest, DirectoryOfAnEarlierProcessIsSyncedOnceBeforeItIsRead) {
  ASSERT_TRUE(Put("a/k", "x").ok());
  Reopen();
  ASSERT_TRUE(store_->Get(ctx_, "a/k", 10));
  ASSERT_TRUE(store_->Get(ctx_, "a/k", 10));
  EXPECT_THAT(fs_.events, ElementsAre("open a", "syncdir a", "open a/k", "open a/k"));
}

TEST_F(LocalFsStoreTest, FailedFileSyncKillsAndPublishesNothing) {
  FailAt("sync tmp", Unavailable("no disk"));
  const Status status = Put("k", "x", PutCondition::IfAbsent());
  EXPECT_EQ(status.effect(), Effect::kUnknown);
  EXPECT_THAT(deaths_, ElementsAre(HasSubstr("no disk")));
  EXPECT_THAT(fs_.events, Not(Contains("link tmp k")));
  EXPECT_EQ(HeadCode("k"), StatusCode::kNotFound);
}

TEST_F(LocalFsStoreTest, FailedDirectorySyncKills) {
  ASSERT_TRUE(Put("a/k", "x").ok());
  FailAt("syncdir a", Unavailable("no disk"));
  EXPECT_EQ(Put("a/l", "x", PutCondition::IfAbsent()).effect(), Effect::kUnknown);
  EXPECT_EQ(Put("a/k", "y").effect(), Effect::kUnknown);
  EXPECT_EQ(store_->Delete(ctx_, "a/k").effect(), Effect::kUnknown);
  EXPECT_EQ(deaths_.size(), 3u);
}

TEST_F(LocalFsStoreTest, FailedSyncOfAReadDirectoryKills) {
  ASSERT_TRUE(Put("a/k", "x").ok());
  Reopen();
  FailAt("syncdir a", Unavailable("no disk"));
  EXPECT_FALSE(store_->Get(ctx_, "a/k", 10));
  EXPECT_EQ(deaths_.size(), 1u);
}

TEST_F(LocalFsStoreTest, FullDiskChangesNothing) {
  for (const std::string event : {"create tmp", "write tmp", "link tmp a/k", "mkdir a"}) {
    FailAt(event, ResourceExhausted("full").WithReason("disk_full"));
    const Status status = Put("a/k", "x", PutCondition::IfAbsent());
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << event;
    EXPECT_EQ(status.effect(), Effect::kNone) << event;
    EXPECT_EQ(HeadCode("a/k"), StatusCode::kNotFound) << event;
    EXPECT_THAT(Staged(), IsEmpty()) << event;
    std::filesystem::remove_all(Root() + "/a");
    fs_.veto = [](const std::string&) { return OkStatus(); };
    Reopen();
  }
  EXPECT_THAT(deaths_, IsEmpty());
}

TEST_F(LocalFsStoreTest, IoErrorAtTheNameLeavesTheEffectUnknown) {
  for (const std::string event : {"link tmp k", "rename tmp k", "remove k"}) {
    FailAt(event, Unavailable("broken"));
    const Status status = event == "remove k"
                              ? store_->Delete(ctx_, "k")
                              : Put("k", "x", event == "link tmp k" ? PutCondition::IfAbsent() : PutCondition::None());
    EXPECT_EQ(status.effect(), Effect::kUnknown) << event;
  }
}

TEST_F(LocalFsStoreTest, OpeningRemovesInterruptedWrites) {
  std::ofstream(Root() + "/.tmp/0123") << "half";
  EXPECT_TRUE(store_->List(ctx_, "", "", 10)->objects.empty());
  Reopen();
  EXPECT_THAT(Staged(), IsEmpty());
}

TEST_F(LocalFsStoreTest, StagingDirectoryIsNoPartOfTheKeys) {
  EXPECT_EQ(Put(".tmp/k", "x").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(HeadCode(".tmp"), StatusCode::kInvalidArgument);
  EXPECT_TRUE(Put(".tmpx/k", "x").ok());
  EXPECT_EQ(store_->List(ctx_, ".tmp", "", 10)->objects.size(), 1u);
}

TEST_F(LocalFsStoreTest, ObjectAndDirectoryOfOneNameConflict) {
  ASSERT_TRUE(Put("a/b", "x").ok());
  for (const PutCondition& condition : {PutCondition::None(), PutCondition::IfAbsent()}) {
    EXPECT_EQ(Put("a", "y", condition).reason(), "key_conflict");
    EXPECT_EQ(Put("a/b/c", "y", condition).reason(), "key_conflict");
    EXPECT_EQ(Put("a/b/c/d", "y", condition).reason(), "key_conflict");
  }
  EXPECT_TRUE(store_->Delete(ctx_, "a").ok());
  EXPECT_TRUE(store_->Delete(ctx_, "a/b/c").ok());
  EXPECT_THAT(deaths_, IsEmpty());
  ASSERT_TRUE(store_->Delete(ctx_, "a/b").ok());
  EXPECT_TRUE(Put("a/b/c", "y").ok());
}

TEST_F(LocalFsStoreTest, ListReadsOnlyDirectoriesThatMayHoldKeys) {
  for (const std::string key : {"a/b/1", "a/c/2", "d/3"}) ASSERT_TRUE(Put(key, "").ok());
  fs_.events.clear();
  ASSERT_EQ(store_->List(ctx_, "a/b/", "", 10)->objects.size(), 1u);
  EXPECT_THAT(fs_.events, ElementsAre("list a/b", "open a/b/1"));
  fs_.events.clear();
  ASSERT_EQ(store_->List(ctx_, "a/", "a/b/9", 10)->objects.size(), 1u);
  EXPECT_THAT(fs_.events, Not(Contains("open a/b/1")));
}

TEST_F(LocalFsStoreTest, FilesHoldExactlyTheBytesOfTheObjects) {
  ASSERT_TRUE(Put("a/k", std::string("x\0y", 3)).ok());
  EXPECT_EQ(*ReadWholeFile(PosixFileSystem(), Root() + "/a/k", 10), std::string("x\0y", 3));
  std::ofstream(Root() + "/a/copied") << "from elsewhere";
  EXPECT_EQ(store_->Get(ctx_, "a/copied", 100)->bytes, "from elsewhere");
}

TEST_F(LocalFsStoreTest, DeadlineThatPassesBeforePublishingLeavesNothing) {
  const auto writer = store_->OpenWriter(ctx_, "k");
  ASSERT_TRUE((*writer)->Append(ctx_, "x").ok());
  OpContext late(RealClock());
  late.set_timeout(Duration(0));
  const auto meta = (*writer)->Commit(late, PutCondition::None());
  EXPECT_EQ(meta.error().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(meta.error().effect(), Effect::kNone);
  EXPECT_EQ(HeadCode("k"), StatusCode::kNotFound);
}

TEST(LocalFsOpenTest, RefusesAnEmptyRoot) {
  OpContext ctx(RealClock());
  const auto random = NewSeededRandom(1);
  const auto store = OpenLocalFsStore(ctx, PosixFileSystem(), *random, RealClock(), "", [](const Status&) {});
  EXPECT_EQ(store.error().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace akidb
