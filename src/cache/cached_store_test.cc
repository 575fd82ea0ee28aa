#include "cache/cached_store.h"

#include <gmock/gmock.h>

#include <fstream>

#include "cache/cache_testing.h"
#include "objstore/objstore_conformance_testing.h"

namespace akidb {
namespace {

using std::chrono::seconds;

constexpr uint64_t kMib = 1u << 20;

class CachedStoreTest : public testing::Test {
 protected:
  CachedStoreTest() : ctx_(clock_) {
    options_ = {.dir = dir_.path(), .size_max = 64 * kMib, .free_bytes_min = kMib};
    Open();
  }
  // Again over the same directory and an empty memory: a restart.
  void Open() {
    store_.reset();
    cache_.reset();
    Environment env;
    env.clock = &clock_;
    env.fs = &disk_;
    auto cache = BlockCache::Open(ctx_, env, options_);
    ASSERT_TRUE(cache) << cache.error().ToString();
    cache_ = std::move(*cache);
    store_ = NewCachedStore(std::make_unique<ForwardingStore>(below_), cache_, IsImmutableObjectKey);
  }
  std::string Put(int number, size_t size) {
    std::string bytes = RandomBytes(size, static_cast<uint64_t>(number));
    EXPECT_TRUE(store_->Put(ctx_, SegmentName(number), bytes, PutCondition::None()));
    return bytes;
  }
  std::string Read(int number, uint64_t begin, uint64_t end) {
    std::string out(end - begin, '#');
    const Status status = store_->GetRange(ctx_, SegmentName(number), {begin, end}, "", out.data());
    return status.ok() ? out : status.ToString();
  }
  std::filesystem::path OnlyFile() {
    const auto files = dir_.Files();
    EXPECT_EQ(files.size(), 1u);
    return files.empty() ? std::filesystem::path() : files[0];
  }
  BlockCacheStats Stats() { return cache_->Stats(); }

  ManualClock clock_;
  TemporaryDir dir_;
  FullDisk disk_;
  OpContext ctx_;
  BlockCacheOptions options_;
  std::shared_ptr<RecordingStore> below_ = std::make_shared<RecordingStore>();
  std::shared_ptr<BlockCache> cache_;
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(CachedStoreTest, SecondReadIsAnsweredFromDisk) {
  const std::string bytes = Put(1, 3 * kMib);
  EXPECT_EQ(Read(1, 3 * kMib - 100, 3 * kMib), bytes.substr(3 * kMib - 100));  // the footer
  EXPECT_EQ(below_->TakeRanges(), "[2,3)");
  EXPECT_EQ(Read(1, 10, 20), bytes.substr(10, 10));
  EXPECT_EQ(below_->TakeRanges(), "[0,1)");
  EXPECT_EQ(Read(1, 0, kMib), bytes.substr(0, kMib));
  EXPECT_EQ(Read(1, 2 * kMib, 3 * kMib), bytes.substr(2 * kMib));
  EXPECT_EQ(below_->TakeRanges(), "");
  EXPECT_EQ(Stats().hits, 2u);
  EXPECT_EQ(Stats().misses, 2u);
  EXPECT_EQ(Stats().hit_bytes, 2 * kMib);
  EXPECT_EQ(Stats().read_bytes, 2 * kMib);
}

TEST_F(CachedStoreTest, AnyRangeOfACachedBlockReadsExactlyItsBytes) {
  const std::string bytes = Put(1, 2 * kMib + 5000);
  Read(1, 0, bytes.size());
  below_->TakeRanges();
  const auto random = NewSeededRandom(1);
  for (int i = 0; i < 500; ++i) {
    const uint64_t begin = random->Below(bytes.size());
    const uint64_t size = 1 + random->Below(std::min<uint64_t>(bytes.size() - begin, i % 2 == 0 ? 9000 : bytes.size()));
    ASSERT_TRUE(Read(1, begin, begin + size) == bytes.substr(begin, size)) << begin << "+" << size;
  }
  EXPECT_EQ(below_->TakeRanges(), "");
}

TEST_F(CachedStoreTest, NeighbouringMissingBlocksAreOneRequestUpToItsLimit) {
  const std::string bytes = Put(1, 10 * kMib);
  Read(1, 10 * kMib - 1, 10 * kMib);
  Read(1, 5 * kMib, 5 * kMib + 1);
  below_->TakeRanges();
  EXPECT_TRUE(Read(1, 100, 10 * kMib) == bytes.substr(100));
  EXPECT_EQ(below_->TakeRanges(), "[0,4) [4,5) [6,9)");
}

TEST_F(CachedStoreTest, ReadsBeforeTheEndIsKnownFetchNoMoreThanWasAsked) {
  const std::string bytes = Put(1, 3 * kMib);
  EXPECT_EQ(Read(1, 100, kMib / 2), bytes.substr(100, kMib / 2 - 100));
  EXPECT_EQ(below_->TakeRanges(), "[0,0.5)");
  EXPECT_EQ(below_->heads, 0);
}

TEST_F(CachedStoreTest, GoingOnInSmallStepsAsksForTheSizeOnce) {
  const std::string bytes = Put(1, 3 * kMib);
  for (uint64_t at = 0; at < 3 * kMib; at += kMib / 8) {
    ASSERT_TRUE(Read(1, at, at + kMib / 8) == bytes.substr(at, kMib / 8));
  }
  EXPECT_EQ(below_->TakeRanges(), "[0,0.125) [0,1) [1,2) [2,3)");
  EXPECT_EQ(below_->heads, 1);
  EXPECT_EQ(dir_.Files().size(), 3u) << "the first, shorter file is gone";
}

TEST_F(CachedStoreTest, RangesPastTheEndAreTheStoresAnswer) {
  const std::string bytes = Put(1, 1000);
  EXPECT_THAT(Read(1, 0, 1001), testing::HasSubstr("OUT_OF_RANGE"));
  EXPECT_EQ(Read(1, 0, 1000), bytes);
  EXPECT_THAT(Read(1, 0, 1001), testing::HasSubstr("OUT_OF_RANGE"));
  EXPECT_THAT(Read(2, 0, 1), testing::HasSubstr("NOT_FOUND"));
  EXPECT_EQ(Read(1, 0, 1000), bytes);
}

TEST_F(CachedStoreTest, SurvivesARestart) {
  const std::string bytes = Put(1, 3 * kMib + 100);
  Read(1, 0, bytes.size());
  below_->TakeRanges();
  Open();
  EXPECT_EQ(Stats().blocks, 4u);
  EXPECT_TRUE(Read(1, 0, bytes.size()) == bytes);
  EXPECT_EQ(below_->TakeRanges(), "");
}

TEST_F(CachedStoreTest, RestartRemovesWhatIsNoBlock) {
  Put(1, 100);
  Read(1, 0, 100);
  const auto folder = OnlyFile().parent_path();
  std::ofstream(folder / "tmp-1") << "x";
  Open();
  EXPECT_EQ(dir_.Files().size(), 1u);
}

TEST_F(CachedStoreTest, SecondProcessIsRefusedTheDirectory) {
  Environment env;
  env.clock = &clock_;
  env.fs = &disk_;
  EXPECT_EQ(BlockCache::Open(ctx_, env, options_).error().reason(), "locked");
}

TEST_F(CachedStoreTest, EveryChangedByteIsSeenAndHealed) {
  const std::string bytes = Put(1, 9000);
  Read(1, 0, 9000);
  uint64_t corruptions = 0;
  for (const int at : {0, 5, 45, 2040, 2050, 4090, 4096, 8191, 8192, 13000}) {
    {
      std::fstream file(OnlyFile(), std::ios::binary | std::ios::in | std::ios::out);
      file.seekg(at);
      const char byte = static_cast<char>(file.get() ^ 0x40);
      file.seekp(at);
      file.put(byte);
    }
    Open();  // forgets the header that was read
    below_->TakeRanges();
    ASSERT_EQ(Read(1, 0, 9000), bytes) << "byte " << at;
    EXPECT_EQ(below_->range_count(), 1u) << "byte " << at;
    EXPECT_EQ(Stats().corruptions, 1u) << "byte " << at;
    corruptions += Stats().corruptions;
  }
  EXPECT_EQ(corruptions, 10u);
}

TEST_F(CachedStoreTest, OnlyTouchedPagesAreVerified) {
  const std::string bytes = Put(1, 9000);
  Read(1, 0, 9000);
  std::fstream(OnlyFile(), std::ios::binary | std::ios::in | std::ios::out).seekp(4096 + 8500).put('#');
  EXPECT_EQ(Read(1, 10, 8192), bytes.substr(10, 8182));
  EXPECT_EQ(Stats().corruptions, 0u);
  EXPECT_EQ(Read(1, 8191, 8193), bytes.substr(8191, 2));
  EXPECT_EQ(Stats().corruptions, 1u);
}

TEST_F(CachedStoreTest, TornFilesAreSeenAndHealed) {
  const std::string bytes = Put(1, 9000);
  Read(1, 0, 9000);
  for (const uint64_t size : {0u, 100u, 4096u, 9000u}) {
    std::filesystem::resize_file(OnlyFile(), size);
    Open();
    ASSERT_EQ(Read(1, 0, 9000), bytes) << size;
    EXPECT_EQ(Stats().corruptions, 1u);
  }
}

TEST_F(CachedStoreTest, FileUnderAnotherBlocksNameIsNotBelieved) {
  const std::string first = Put(1, 5000);
  const std::string second = Put(2, 5000);
  Read(1, 0, 5000);
  const auto file1 = OnlyFile();
  Read(2, 0, 5000);
  for (const auto& file : dir_.Files()) {
    if (file != file1) std::filesystem::copy_file(file1, file, std::filesystem::copy_options::overwrite_existing);
  }
  Open();
  EXPECT_EQ(Read(2, 0, 5000), second);
  EXPECT_EQ(Read(1, 0, 5000), first);
  EXPECT_EQ(Stats().corruptions, 1u);
}

TEST_F(CachedStoreTest, DirectoryMayBeDeletedAtAnyTime) {
  const std::string bytes = Put(1, 3 * kMib);
  Read(1, 0, bytes.size());
  Read(1, 0, 10);  // one file stays open
  std::filesystem::remove_all(dir_.path());
  EXPECT_TRUE(Read(1, 0, bytes.size()) == bytes);
  EXPECT_GE(Stats().lost, 2u);
  EXPECT_EQ(Stats().corruptions, 0u);
  Read(1, 2 * kMib, 3 * kMib);
  below_->TakeRanges();
  EXPECT_TRUE(Read(1, kMib, bytes.size()) == bytes.substr(kMib));
  EXPECT_EQ(below_->TakeRanges(), "") << "what was fetched again is cached again";
}

TEST_F(CachedStoreTest, FilesNeverTakeMoreThanTheLimit) {
  options_.size_max = 8 * kMib;
  Open();
  std::vector<std::string> bytes;
  for (int i = 0; i < 12; ++i) bytes.push_back(Put(i, kMib + 1000));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 12; ++i) {
      ASSERT_TRUE(Read(i, 0, kMib + 1000) == bytes[i]);
      ASSERT_LE(dir_.Bytes(), 8 * kMib);
      ASSERT_LE(Stats().used_bytes, 8 * kMib);
    }
  }
  EXPECT_GT(Stats().evictions, 0u);
  EXPECT_GT(dir_.Bytes(), 6 * kMib);
}

TEST_F(CachedStoreTest, SmallerLimitAfterARestartIsKept) {
  Put(1, 8 * kMib);
  Read(1, 0, 8 * kMib);
  options_.size_max = 3 * kMib;
  Open();
  EXPECT_LE(dir_.Bytes(), 3 * kMib);
  EXPECT_EQ(Stats().blocks, 2u);
}

TEST_F(CachedStoreTest, FullDiskStopsCachingForAWhileAndFailsNothing) {
  const std::string bytes = Put(1, 3 * kMib);
  disk_.full = true;
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Read(1, 0, bytes.size()) == bytes);
  EXPECT_EQ(Stats().skipped, 6u);
  EXPECT_EQ(Stats().io_errors, 1u) << "one attempt, then a pause";
  disk_.full = false;
  EXPECT_TRUE(Read(1, 0, bytes.size()) == bytes);
  EXPECT_EQ(Stats().blocks, 0u);
  clock_.Advance(options_.pause_after_error);
  EXPECT_TRUE(Read(1, 0, bytes.size()) == bytes);
  EXPECT_EQ(Stats().blocks, 3u);
}

TEST_F(CachedStoreTest, GivesWayWhenOthersFillTheDisk) {
  Put(1, 6 * kMib);
  Read(1, 0, 6 * kMib);
  disk_.free_bytes = 0;  // 1 MiB below what is to stay free
  Put(2, kMib);
  Read(2, 0, kMib);
  EXPECT_LE(dir_.Bytes(), 5 * kMib + 6 * 4096);
  EXPECT_GE(Stats().evictions, 2u);
}

TEST_F(CachedStoreTest, ProofOfAnAbsentObjectDropsTheCopy) {
  Put(1, 2 * kMib);
  Read(1, 0, 2 * kMib);
  ASSERT_TRUE(below_->Delete(ctx_, SegmentName(1)).ok());
  EXPECT_EQ(Read(1, 0, 10).size(), 10u) << "cached bytes outlive their object";
  ctx_.set_read_source(ReadSource::kStore);
  EXPECT_THAT(Read(1, 0, 10), testing::HasSubstr("NOT_FOUND"));
  ctx_.set_read_source(ReadSource::kAny);
  EXPECT_THAT(Read(1, 0, 10), testing::HasSubstr("NOT_FOUND"));
  EXPECT_EQ(Read(1, kMib, kMib + 10).size(), 10u) << "other blocks were not asked about";
}

TEST_F(CachedStoreTest, ProofKeepsACopyThatAgrees) {
  const std::string bytes = Put(1, 2 * kMib + 100);
  Read(1, 0, bytes.size());
  {
    const ReadFromStore proof(ctx_);
    below_->TakeRanges();
    EXPECT_TRUE(Read(1, 10, bytes.size()) == bytes.substr(10));
    EXPECT_EQ(below_->range_count(), 1u);
    below_->before_range = [] { return Unavailable("away"); };
    EXPECT_THAT(Read(1, 0, 10), testing::HasSubstr("UNAVAILABLE"));
    below_->before_range = nullptr;
  }
  below_->TakeRanges();
  EXPECT_TRUE(Read(1, 0, bytes.size()) == bytes);
  EXPECT_EQ(below_->TakeRanges(), "");
}

TEST_F(CachedStoreTest, BadBytesThatWereFetchedAreHealedByReadingTheStoreItself) {
  const std::string good = Put(1, 2 * kMib);
  std::string bad = good;
  bad[kMib + 5] ^= 1;
  ASSERT_TRUE(below_->Put(ctx_, SegmentName(1), bad, PutCondition::None()));
  EXPECT_TRUE(Read(1, 0, 2 * kMib) == bad);  // as a flipped bit on the way would
  ASSERT_TRUE(below_->Put(ctx_, SegmentName(1), good, PutCondition::None()));
  {
    const ReadFromStore again(ctx_);
    EXPECT_TRUE(Read(1, kMib, 2 * kMib) == good.substr(kMib));
  }
  below_->TakeRanges();
  EXPECT_TRUE(Read(1, 0, 2 * kMib) == good);
  EXPECT_EQ(below_->TakeRanges(), "[1,2)") << "the other block was right";
}

TEST_F(CachedStoreTest, OtherKeysAreNotCached) {
  ASSERT_TRUE(store_->Put(ctx_, "t/default/c/1/manifest/00000000000000000001.json", "{}", PutCondition::None()));
  for (int i = 0; i < 2; ++i) {
    char byte = 0;
    ASSERT_TRUE(store_->GetRange(ctx_, "t/default/c/1/manifest/00000000000000000001.json", {0, 1}, "", &byte).ok());
  }
  EXPECT_EQ(below_->range_count(), 2u);
}

TEST_F(CachedStoreTest, VersionsOfAKeyAreDifferentObjects) {
  const std::string bytes = Put(1, 100);
  std::string out(100, '#');
  for (const std::string version : {"a", "b", "a"}) {
    ASSERT_TRUE(store_->GetRange(ctx_, SegmentName(1), {0, 100}, version, out.data()).ok());
    EXPECT_EQ(out, bytes);
  }
  EXPECT_EQ(below_->range_count(), 2u);
  ASSERT_TRUE(store_->DeleteVersion(ctx_, SegmentName(1), "b").ok());
  below_->TakeRanges();
  ASSERT_FALSE(store_->GetRange(ctx_, SegmentName(1), {0, 100}, "b", out.data()).ok()) << "what is deleted is dropped";
}

TEST_F(CachedStoreTest, SmallObjectsReadWholeAreCachedWhole) {
  const std::string bytes = Put(1, 5000);
  const auto first = store_->Get(ctx_, SegmentName(1), 5000);
  Open();
  const auto second = store_->Get(ctx_, SegmentName(1), 5000);
  EXPECT_EQ(below_->gets, 1);
  EXPECT_EQ(second->bytes, bytes);
  EXPECT_EQ(second->meta.key, SegmentName(1));
  EXPECT_EQ(second->meta.size_bytes, 5000u);
  EXPECT_EQ(second->meta.etag, first->meta.etag);
  EXPECT_EQ(second->meta.modified_at, first->meta.modified_at);
  EXPECT_EQ(store_->Get(ctx_, SegmentName(1), 4999).error().reason(), "too_large");
  EXPECT_EQ(Read(1, 5, 10), bytes.substr(5, 5));
  EXPECT_EQ(below_->range_count(), 0u);
}

TEST_F(CachedStoreTest, WholeObjectReplacesTheBlockOfItsRanges) {
  const std::string bytes = Put(1, 5000);
  Read(1, 0, 5000);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(store_->Get(ctx_, SegmentName(1), 5000)->bytes, bytes);
  EXPECT_EQ(below_->gets, 1);
  EXPECT_EQ(dir_.Files().size(), 1u);
  EXPECT_EQ(Stats().used_bytes, 12288u);
}

TEST_F(CachedStoreTest, BigObjectsReadWholeAreNotCached) {
  Put(1, kMib + 1);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(store_->Get(ctx_, SegmentName(1), 2 * kMib));
  EXPECT_EQ(below_->gets, 2);
}

TEST_F(CachedStoreTest, WritesAndDeletesThroughItDropWhatIsCached) {
  Put(1, 100);
  Read(1, 0, 100);
  ASSERT_TRUE(store_->Put(ctx_, SegmentName(1), "new", PutCondition::None()));
  EXPECT_EQ(Read(1, 0, 3), "new");
  const auto writer = store_->OpenWriter(ctx_, SegmentName(1));
  ASSERT_TRUE((*writer)->Append(ctx_, "streamed").ok());
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::None()));
  EXPECT_EQ(Read(1, 0, 8), "streamed");
  ASSERT_TRUE(store_->Delete(ctx_, SegmentName(1)).ok());
  EXPECT_THAT(Read(1, 0, 3), testing::HasSubstr("NOT_FOUND"));
  EXPECT_TRUE(dir_.Files().empty());
}

TEST_F(CachedStoreTest, FailedFetchIsTheStoresAnswerAndLeavesNothing) {
  const std::string bytes = Put(1, 100);
  below_->before_range = [] { return Unavailable("away"); };
  EXPECT_THAT(Read(1, 0, 100), testing::HasSubstr("UNAVAILABLE"));
  below_->before_range = nullptr;
  EXPECT_EQ(Read(1, 0, 100), bytes);
}

TEST_F(CachedStoreTest, ObjectReplacedByAShorterOneIsReadFromTheStore) {
  Put(1, 2 * kMib);
  Read(1, kMib, 2 * kMib);
  ASSERT_TRUE(below_->Put(ctx_, SegmentName(1), "short", PutCondition::None()));  // behind our back
  EXPECT_EQ(Read(1, 0, 5), "short");
}

TEST(IsImmutableObjectKeyTest, TakesObjectsWithMintedNamesOnly) {
  const std::string id = "00000000000000000001-0123456789abcdef";
  EXPECT_TRUE(IsImmutableObjectKey("t/default/c/1/segments/" + id + ".seg"));
  EXPECT_TRUE(IsImmutableObjectKey("t/default/c/1/deletes/" + id + ".del"));
  EXPECT_TRUE(IsImmutableObjectKey("t/default/c/1/indexes/" + id + ".idx"));
  EXPECT_TRUE(IsImmutableObjectKey("t/default/c/1/bases/" + id + ".json"));
  for (const std::string& key : std::vector<std::string>{
           "t/default/c/1/segments/" + id, "t/default/c/1/segments/x.seg", "t/default/c/1/deletes/" + id + ".seg",
           "t/default/c/1/manifest/00000000000000000001.json", "probe/verdict.json"}) {
    EXPECT_FALSE(IsImmutableObjectKey(key)) << key;
  }
}

struct Owned {
  TemporaryDir dir;
  std::unique_ptr<ObjectStore> store;
};

StoreFactory Conforming(const std::string& name, bool (*cacheable)(std::string_view)) {
  return {name, [cacheable] {
            auto owned = std::make_shared<Owned>();
            Environment env;
            env.clock = &RealClock();
            env.fs = &PosixFileSystem();
            OpContext ctx(RealClock());
            std::shared_ptr<BlockCache> cache =
                BlockCache::Open(ctx, env, {.dir = owned->dir.path(), .size_max = 64 * kMib}).value();
            owned->store = NewCachedStore(NewMemoryStore(RealClock()), std::move(cache), cacheable);
            return std::shared_ptr<ObjectStore>(owned, owned->store.get());
          }};
}

// With every key cached too: one process that sees all writes must not notice.
INSTANTIATE_TEST_SUITE_P(CachedStore, ObjectStoreConformanceTest,
                         testing::Values(Conforming("cached", IsImmutableObjectKey),
                                         Conforming("everything_cached", [](std::string_view) { return true; })),
                         [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace akidb
