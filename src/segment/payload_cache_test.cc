#include "segment/payload_cache.h"

#include <gtest/gtest.h>

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
  cache.Drop(a);
  EXPECT_EQ(cache.Get(a, 0), nullptr);
  EXPECT_EQ(cache.Get(b, 0), block);
  EXPECT_EQ(cache.used_bytes(), block->memory_bytes());
}

TEST(PayloadBlockCacheTest, ThreadsShareIt) {
  PayloadBlockCache cache(50 * MakeBlock()->memory_bytes());
  const auto work = [&cache](uint64_t owner) {
    for (uint32_t i = 0; i < 5000; ++i) {
      cache.Insert(owner % 2, i % 97, MakeBlock());
      cache.Get(owner % 2, (i * 7) % 97);
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
