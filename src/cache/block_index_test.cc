#include "cache/block_index.h"

#include <gmock/gmock.h>

namespace akidb {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

// Blocks of 8 KiB on disk; room for 100 of them.
class BlockIndexTest : public testing::Test {
 protected:
  static constexpr uint64_t kCapacity = uint64_t{100} * 8192;

  static CacheBlockName Name(uint32_t number) { return {{{1, number}, 0}, 4096, false}; }
  // As the cache does: makes room, then inserts. Returns what had to go.
  std::vector<uint32_t> Insert(uint32_t number) {
    std::vector<uint32_t> gone;
    while (index_.file_bytes() + 8192 > kCapacity) gone.push_back(static_cast<uint32_t>(index_.Evict()->id.object.low));
    index_.Insert(Name(number), now_);
    return gone;
  }
  void Use(uint32_t number) {
    now_ += seconds(2);
    index_.Touch(Name(number).id, now_);
  }
  bool Has(uint32_t number) const { return index_.Find(Name(number).id).has_value(); }

  BlockIndex index_{kCapacity};
  MonotonicTime now_{};
};

TEST_F(BlockIndexTest, UnusedBlocksLeaveInTheOrderOfTheirArrival) {
  for (uint32_t i = 0; i < 100; ++i) EXPECT_TRUE(Insert(i).empty());
  EXPECT_THAT(Insert(100), ElementsAre(0));
  EXPECT_THAT(Insert(101), ElementsAre(1));
  EXPECT_EQ(index_.block_count(), 100u);
}

TEST_F(BlockIndexTest, AScanTakesNothingFromUsedBlocks) {
  for (uint32_t i = 0; i < 80; ++i) Insert(i);
  for (uint32_t i = 0; i < 80; ++i) Use(i);
  for (uint32_t i = 1000; i < 5000; ++i) {
    Insert(i);
    // The scan itself touches each block many times, at once.
    for (int touch = 0; touch < 16; ++touch) index_.Touch(Name(i).id, now_);
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < 80; ++i) kept += Has(i) ? 1 : 0;
  EXPECT_EQ(kept, 80u);
}

TEST_F(BlockIndexTest, BlockThatComesBackSoonIsKept) {
  for (uint32_t i = 0; i < 101; ++i) Insert(i);
  ASSERT_FALSE(Has(0));
  Insert(0);
  for (uint32_t i = 1000; i < 1200; ++i) Insert(i);
  EXPECT_TRUE(Has(0));
}

TEST_F(BlockIndexTest, MainQueueGivesUpWhatIsNotUsedAnyMore) {
  for (uint32_t i = 0; i < 100; ++i) Insert(i);
  for (uint32_t i = 0; i < 100; ++i) Use(i);
  // Each of these is wanted again as soon as it was lost, so it goes to the main queue, past the old ones.
  for (uint32_t round = 0; round < 10; ++round) {
    for (uint32_t i = 1000; i < 1080; ++i) {
      if (!Has(i)) Insert(i);
      Use(i);
    }
  }
  uint32_t kept = 0;
  for (uint32_t i = 1000; i < 1080; ++i) kept += Has(i) ? 1 : 0;
  EXPECT_GE(kept, 75u);
}

TEST_F(BlockIndexTest, WhatWasFoundAtStartOutlivesAScan) {
  for (uint32_t i = 0; i < 90; ++i) index_.InsertKept(Name(i), now_);
  for (uint32_t i = 1000; i < 2000; ++i) Insert(i);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < 90; ++i) kept += Has(i) ? 1 : 0;
  EXPECT_GE(kept, 89u);  // the small queue takes its tenth
}

TEST_F(BlockIndexTest, BytesCountWholeDiskBlocks) {
  index_.Insert({{{1, 1}, 0}, 1, false}, now_);
  EXPECT_EQ(index_.file_bytes(), 8192u);
  index_.Erase({{1, 1}, 0});
  EXPECT_EQ(index_.file_bytes(), 0u);
  EXPECT_EQ(index_.Evict(), std::nullopt);
}

TEST_F(BlockIndexTest, KnowsHowFarAnObjectReaches) {
  const CacheObjectId object{1, 1};
  EXPECT_EQ(index_.KnownEnd(object), 0u);
  index_.Insert({{object, 2}, 100, false}, now_);
  EXPECT_EQ(index_.KnownEnd(object), (2u << 20) + 100);
  index_.LearnEnd(object, 5);
  EXPECT_EQ(index_.KnownEnd(object), (2u << 20) + 100);
  index_.LearnEnd(object, 9u << 20);
  EXPECT_EQ(index_.KnownEnd(object), 9u << 20);
  EXPECT_EQ(index_.BlocksOf(object).size(), 1u);
  index_.Erase({object, 2});
  EXPECT_EQ(index_.KnownEnd(object), 0u);
}

}  // namespace
}  // namespace akidb
