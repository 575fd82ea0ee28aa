#include "base/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace akidb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PosixFileSystemTest : public testing::Test {
 protected:
  PosixFileSystemTest() {
    std::string path = testing::TempDir() + "akidb_fs_XXXXXX";
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    dir_ = path;
  }
  ~PosixFileSystemTest() override { std::filesystem::remove_all(dir_); }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  std::unique_ptr<File> Create(const std::string& name, std::string_view bytes = "") {
    Result<std::unique_ptr<File>> file = fs_.Open(Path(name), OpenMode::kCreateNew);
    EXPECT_TRUE(file) << file.error().ToString();
    EXPECT_TRUE((*file)->WriteAt(0, bytes).ok());
    return std::move(*file);
  }
  std::string Contents(const std::string& name) { return ReadWholeFile(fs_, Path(name), 1 << 20).value_or("(error)"); }
  StatusCode OpenCode(const std::string& name, OpenMode mode) {
    const auto file = fs_.Open(Path(name), mode);
    return file ? StatusCode::kOk : file.error().code();
  }

  FileSystem& fs_ = PosixFileSystem();
  std::string dir_;
};

TEST_F(PosixFileSystemTest, OpenModesSayWhetherTheFileMustExist) {
  EXPECT_EQ(OpenCode("f", OpenMode::kRead), StatusCode::kNotFound);
  EXPECT_EQ(OpenCode("f", OpenMode::kReadWrite), StatusCode::kNotFound);
  EXPECT_EQ(OpenCode("f", OpenMode::kCreateOrOpen), StatusCode::kOk);
  EXPECT_EQ(OpenCode("f", OpenMode::kCreateNew), StatusCode::kAlreadyExists);
  EXPECT_EQ(OpenCode("f", OpenMode::kCreateOrOpen), StatusCode::kOk);
  EXPECT_EQ(OpenCode("f/below", OpenMode::kRead), StatusCode::kNotFound);
}

TEST_F(PosixFileSystemTest, OpenRefusesADirectory) {
  ASSERT_TRUE(fs_.MakeDir(Path("d")).ok());
  EXPECT_EQ(OpenCode("d", OpenMode::kRead), StatusCode::kNotFound);
}

TEST_F(PosixFileSystemTest, ReadsStopAtTheEndOfTheFile) {
  const auto file = Create("f", "0123456789");
  char buffer[16];
  EXPECT_EQ(*file->ReadAt(4, sizeof(buffer), buffer), 6u);
  EXPECT_EQ(std::string_view(buffer, 6), "456789");
  EXPECT_EQ(*file->ReadAt(10, 1, buffer), 0u);
  EXPECT_EQ(*file->ReadAt(100, 1, buffer), 0u);
  EXPECT_EQ(*file->Size(), 10u);
}

TEST_F(PosixFileSystemTest, WritesPastTheEndLeaveZeros) {
  const auto file = Create("f", "ab");
  ASSERT_TRUE(file->WriteAt(4, "c").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(Contents("f"), std::string("ab\0\0c", 5));
  ASSERT_TRUE(file->Truncate(1).ok());
  EXPECT_EQ(Contents("f"), "a");
}

TEST_F(PosixFileSystemTest, WriteToAFileOpenedForReadingFails) {
  Create("f", "a");
  const auto file = fs_.Open(Path("f"), OpenMode::kRead);
  EXPECT_FALSE((*file)->WriteAt(0, "b").ok());
  EXPECT_EQ(Contents("f"), "a");
}

// The limit on the size of files stands for a full disk: the first part fits, then the kernel refuses.
TEST_F(PosixFileSystemTest, WriteThatFindsNoRoomIsResourceExhausted) {
  const auto file = Create("f");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = file->WriteAt(0, std::string(4096, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(status.reason(), "disk_full");
  EXPECT_EQ(*file->Size(), 1000u);
}

TEST_F(PosixFileSystemTest, FreeBytesAreCounted) {
  EXPECT_GT(*fs_.FreeBytes(dir_), 0u);
  EXPECT_EQ(fs_.FreeBytes(Path("missing")).error().code(), StatusCode::kNotFound);
}

TEST_F(PosixFileSystemTest, LinkNeverReplaces) {
  Create("a", "1");
  Create("b", "2");
  EXPECT_EQ(fs_.Link(Path("a"), Path("b")).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(Contents("b"), "2");
  EXPECT_TRUE(fs_.Link(Path("a"), Path("c")).ok());
  EXPECT_EQ(Contents("c"), "1");
  EXPECT_EQ(fs_.Link(Path("missing"), Path("d")).code(), StatusCode::kNotFound);
}

TEST_F(PosixFileSystemTest, RenameReplaces) {
  Create("a", "1");
  Create("b", "2");
  EXPECT_TRUE(fs_.Rename(Path("a"), Path("b")).ok());
  EXPECT_EQ(Contents("b"), "1");
  EXPECT_FALSE(*fs_.Exists(Path("a")));
  EXPECT_EQ(fs_.Rename(Path("a"), Path("b")).code(), StatusCode::kNotFound);
}

TEST_F(PosixFileSystemTest, ListIsSortedAndMarksDirectories) {
  Create("b");
  Create("a.txt");
  ASSERT_TRUE(fs_.MakeDir(Path("a")).ok());
  EXPECT_THAT(*fs_.List(dir_), ElementsAre("a.txt", "a/", "b"));
  EXPECT_EQ(fs_.List(Path("missing")).error().code(), StatusCode::kNotFound);
}

TEST_F(PosixFileSystemTest, DirectoriesAreRemovedOnlyWhenEmpty) {
  ASSERT_TRUE(fs_.MakeDir(Path("d")).ok());
  EXPECT_EQ(fs_.MakeDir(Path("d")).code(), StatusCode::kAlreadyExists);
  Create("d/f");
  EXPECT_EQ(fs_.RemoveDir(Path("d")).code(), StatusCode::kFailedPrecondition);
  ASSERT_TRUE(fs_.Remove(Path("d/f")).ok());
  EXPECT_EQ(fs_.Remove(Path("d/f")).code(), StatusCode::kNotFound);
  EXPECT_TRUE(fs_.RemoveDir(Path("d")).ok());
  EXPECT_EQ(fs_.SyncDir(Path("d")).code(), StatusCode::kNotFound);
}

TEST_F(PosixFileSystemTest, SecondLockNamesTheHolder) {
  auto first = fs_.Lock(Path("LOCK"), "pid 42 on\nhost");
  ASSERT_TRUE(first) << first.error().ToString();
  const auto second = fs_.Lock(Path("LOCK"), "pid 43");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), StatusCode::kUnavailable);
  EXPECT_EQ(second.error().reason(), "locked");
  EXPECT_THAT(std::string(second.error().message()), HasSubstr("LOCK: locked by pid 42 on?host"));
  first->reset();
  EXPECT_TRUE(fs_.Lock(Path("LOCK"), "pid 44"));
  EXPECT_EQ(Contents("LOCK"), "pid 44");
}

TEST_F(PosixFileSystemTest, ReadWholeFileRefusesLargeFiles) {
  Create("f", "12345");
  EXPECT_EQ(*ReadWholeFile(fs_, Path("f"), 5), "12345");
  const auto refused = ReadWholeFile(fs_, Path("f"), 4);
  EXPECT_EQ(refused.error().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("5 bytes are more than the limit of 4"));
}

TEST_F(PosixFileSystemTest, MakeDirsMakesEveryMissingParent) {
  ASSERT_TRUE(MakeDirs(fs_, Path("a/b/c/")).ok());
  EXPECT_TRUE(*fs_.Exists(Path("a/b/c")));
  EXPECT_TRUE(MakeDirs(fs_, Path("a/b/c")).ok());
  EXPECT_TRUE(MakeDirs(fs_, "/").ok());
  Create("file");
  EXPECT_FALSE(MakeDirs(fs_, Path("file/below")).ok());
}

TEST(ParentDirTest, CutsTheLastPart) {
  EXPECT_EQ(ParentDir("a/b/c"), "a/b");
  EXPECT_EQ(ParentDir("a/b/"), "a");
  EXPECT_EQ(ParentDir("a//b"), "a");
  EXPECT_EQ(ParentDir("c"), ".");
  EXPECT_EQ(ParentDir("/c"), "/");
  EXPECT_EQ(ParentDir("/"), "/");
  EXPECT_EQ(ParentDir("."), ".");
}

}  // namespace
}  // namespace akidb
