#include "segment/column_cache.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace akidb {
namespace {

using Kind = ColumnCache::Kind;

std::shared_ptr<const int> Item(int value) { return std::make_shared<const int>(value); }

uint64_t BytesOfOne() {
  ColumnCache cache(1u << 20);
  cache.Insert({0, Kind::kColumn, "0"}, Item(0), 1000);
  return cache.used_bytes();
}

TEST(ColumnCacheTest, EvictsTheLeastRecentlyUsedAndStaysWithinItsBytes) {
  ColumnCache cache(3 * BytesOfOne());
  const auto key = [](int i) { return ColumnCache::Key{0, Kind::kColumn, std::to_string(i)}; };
  for (int i = 0; i < 3; ++i) cache.Insert(key(i), Item(i), 1000);
  EXPECT_EQ(cache.used_bytes(), 3 * BytesOfOne());
  EXPECT_EQ(*cache.Get<int>(key(0)), 0);
  cache.Insert(key(3), Item(3), 1000);
  EXPECT_EQ(cache.used_bytes(), 3 * BytesOfOne());
  EXPECT_NE(cache.Get<int>(key(0)), nullptr);
  EXPECT_EQ(cache.Get<int>(key(1)), nullptr);
  cache.Insert(key(4), Item(4), 4 * BytesOfOne());  // larger than the whole cache: not kept, pushes nothing out
  EXPECT_EQ(cache.Get<int>(key(4)), nullptr);
  EXPECT_EQ(cache.used_bytes(), 3 * BytesOfOne());
}

TEST(ColumnCacheTest, OwnersAndKindsDoNotMixAndDropTakesOnlyItsOwn) {
  ColumnCache cache(1u << 20);
  const uint64_t a = cache.NewOwner();
  const uint64_t b = cache.NewOwner();
  cache.Insert({a, Kind::kColumn, "x"}, Item(1), 10);
  cache.Insert({a, Kind::kRows, "x"}, Item(2), 10);
  cache.Insert({b, Kind::kColumn, "x"}, Item(3), 10);
  EXPECT_EQ(*cache.Get<int>({a, Kind::kColumn, "x"}), 1);
  EXPECT_EQ(*cache.Get<int>({a, Kind::kRows, "x"}), 2);
  cache.Drop(a);
  EXPECT_EQ(cache.Get<int>({a, Kind::kRows, "x"}), nullptr);
  EXPECT_EQ(*cache.Get<int>({b, Kind::kColumn, "x"}), 3);
  cache.Drop(b);
  EXPECT_EQ(cache.used_bytes(), 0u);
}

TEST(ColumnCacheTest, ThreadsShareIt) {
  ColumnCache cache(20 * BytesOfOne());
  const auto work = [&cache](uint64_t owner) {
    for (int i = 0; i < 3000; ++i) {
      cache.Insert({owner % 2, Kind::kRows, std::to_string(i % 37)}, Item(i), 1000);
      cache.Get<int>({owner % 2, Kind::kRows, std::to_string(i * 7 % 37)});
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.used_bytes(), 20 * BytesOfOne());
}

}  // namespace
}  // namespace akidb
