#include "segment/payload_cache.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <thread>

#include "segment/segment_reader.h"

namespace akidb {
namespace {

PayloadBlockCache::BlockPtr MakeBlock(uint32_t raw_bytes = 1000) {
  auto block = std::make_shared<PayloadBlock>(raw_bytes, 1);
  const uint32_t length = raw_bytes - 4;
  std::memcpy(block->raw(), &length, sizeof(length));
  EXPECT_TRUE(block->CutRows());
  return block;
}

TEST(PayloadBlockCacheTest, EvictsTheLeastRecentlyUsedAndStaysWithinItsBytes) {
  const uint64_t block_bytes = MakeBlock()->memory_bytes();
  PayloadBlockCache cache(3 * block_bytes);
  for (uint32_t i = 0; i < 3; ++i) cache.Insert(0, i, MakeBlock());
  EXPECT_EQ(cache.used_bytes(), 3 * block_bytes);
  EXPECT_NE(cache.Get(0, 0), nullptr);
  cache.Insert(0, 3, MakeBlock());
  EXPECT_EQ(cache.used_bytes(), 3 * block_bytes);
  EXPECT_NE(cache.Get(0, 0), nullptr);
  EXPECT_EQ(cache.Get(0, 1), nullptr);
  cache.Insert(0, 4, MakeBlock(100000));  // larger than the whole cache: not kept, pushes nothing out
  EXPECT_EQ(cache.used_bytes(), 3 * block_bytes);
}

TEST(PayloadBlockCacheTest, OwnersDoNotMixAndDropTakesOnlyItsOwn) {
  PayloadBlockCache cache(64u << 20);
  const uint64_t a = cache.NewOwner();
  const uint64_t b = cache.NewOwner();
  const auto block = MakeBlock();
  for (uint32_t i = 0; i < 100; ++i) cache.Insert(a, i, block);
  EXPECT_EQ(cache.Get(b, 0), nullptr);
  cache.Insert(b, 0, block);
  cache.Drop(a, 100);
  EXPECT_EQ(cache.Get(a, 0), nullptr);
  EXPECT_EQ(cache.Get(b, 0), block);
  EXPECT_EQ(cache.used_bytes(), block->memory_bytes());
}

// A place in the queue stays for a while after its entry was dropped.
TEST(PayloadBlockCacheTest, WhatWasDroppedMakesNoRoomTwice) {
  const uint64_t block_bytes = MakeBlock()->memory_bytes();
  PayloadBlockCache cache(10 * block_bytes);
  for (uint64_t owner = 0; owner < 1000; ++owner) {
    for (uint32_t i = 0; i < 7; ++i) cache.Insert(owner, i, MakeBlock());
    ASSERT_LE(cache.used_bytes(), 10 * block_bytes);
    for (uint32_t i = 0; i < 7; ++i) ASSERT_NE(cache.Get(owner, i), nullptr) << owner << " " << i;
    cache.Drop(owner, owner % 3 == 0 ? 7 : 6);
    EXPECT_EQ(cache.used_bytes(), (owner % 3 == 0 ? 0 : 1) * block_bytes) << owner;
    cache.Drop(owner, 7);
  }
}

TEST(PayloadBlockCacheTest, WhatWasUsedGoesRoundOnceMore) {
  const uint64_t block_bytes = MakeBlock()->memory_bytes();
  PayloadBlockCache cache(3 * block_bytes);
  for (uint32_t i = 0; i < 3; ++i) cache.Insert(0, i, MakeBlock());
  for (uint32_t i = 0; i < 3; ++i) EXPECT_NE(cache.Get(0, i), nullptr);
  cache.Insert(0, 3, MakeBlock());  // all were used: the first that came goes
  EXPECT_EQ(cache.Get(0, 0), nullptr);
  EXPECT_NE(cache.Get(0, 2), nullptr);
  cache.Insert(0, 4, MakeBlock());
  EXPECT_EQ(cache.Get(0, 1), nullptr);
  EXPECT_NE(cache.Get(0, 2), nullptr);
  EXPECT_NE(cache.Get(0, 4), nullptr);
}

TEST(PayloadBlockCacheTest, ManyAtOnceAreThoseThatAreThere) {
  PayloadBlockCache cache(64u << 20);
  const uint64_t owner = cache.NewOwner();
  std::vector<PayloadBlockCache::BlockPtr> blocks;
  for (uint32_t i = 0; i < 1000; ++i) {
    blocks.push_back(MakeBlock());
    if (i % 3 != 0) cache.Insert(owner, i, blocks.back());
  }
  for (uint32_t first = 0; first + 16 <= 1000; first += 5) {
    std::array<uint32_t, PayloadBlockCache::kBlocksAtOnce> numbers;
    std::array<PayloadBlockCache::BlockPtr, PayloadBlockCache::kBlocksAtOnce> found;
    for (uint32_t i = 0; i < numbers.size(); ++i) numbers[i] = first + i;
    cache.GetMany(owner, numbers, found);
    for (uint32_t i = 0; i < numbers.size(); ++i) {
      EXPECT_EQ(found[i], numbers[i] % 3 != 0 ? blocks[numbers[i]] : nullptr) << numbers[i];
    }
  }
}

// Entries that others pushed away from their places are found after those others are gone.
TEST(PayloadBlockCacheTest, HoldsWhatItSaysWhileBlocksComeAndGo) {
  const uint64_t block_bytes = MakeBlock()->memory_bytes();
  PayloadBlockCache cache(300 * block_bytes);
  for (uint32_t i = 0; i < 20000; ++i) {
    cache.Insert(i % 5, i, MakeBlock());
    if (i % 997 == 0) cache.Drop(i % 5, i + 1);
    if (i % 50 != 0) continue;
    uint64_t held = 0;
    for (uint32_t k = i < 1000 ? 0 : i - 1000; k <= i; ++k) held += cache.Get(k % 5, k) != nullptr ? 1 : 0;
    ASSERT_EQ(cache.used_bytes(), held * block_bytes) << i;
  }
}

TEST(PayloadBlockCacheTest, ThreadsShareIt) {
  PayloadBlockCache cache(50 * MakeBlock()->memory_bytes());
  const auto work = [&cache](uint64_t owner) {
    for (uint32_t i = 0; i < 5000; ++i) {
      cache.Insert(owner % 2, i % 97, MakeBlock());
      cache.Get(owner % 2, (i * 7) % 97);
      const std::array<uint32_t, 3> numbers = {i % 89, i % 61, i % 97};
      std::array<PayloadBlockCache::BlockPtr, 3> found;
      cache.GetMany(owner % 2, numbers, found);
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.used_bytes(), 50 * MakeBlock()->memory_bytes());
  EXPECT_GT(cache.used_bytes(), 40 * MakeBlock()->memory_bytes());
}

TEST(PayloadBlockTest, LengthsBeyondTheBlockAreRefused) {
  const auto cut = [](uint32_t first, uint32_t second) {
    PayloadBlock block(20, 2);
    std::memcpy(block.raw(), &first, 4);
    std::memcpy(block.raw() + 4, &second, 4);
    return block.CutRows();
  };
  EXPECT_TRUE(cut(5, 7));
  EXPECT_FALSE(cut(5, 6));
  EXPECT_FALSE(cut(13, 0));
  EXPECT_FALSE(cut(UINT32_MAX, 13));
  EXPECT_FALSE(PayloadBlock(4, 2).CutRows());
}

}  // namespace
}  // namespace akidb
