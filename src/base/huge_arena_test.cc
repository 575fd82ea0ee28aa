#include "base/huge_arena.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace akidb {
namespace {

TEST(HugeArenaTest, IsZeroedAndAlignedToHugePagesFromTwoMebibytesOn) {
  for (const size_t size : {size_t{1}, size_t{2} << 20, (size_t{5} << 20) + 123}) {
    const auto arena = HugeArena::Create(size);
    ASSERT_TRUE(arena);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena->data()) % (size >= 2u << 20 ? 2u << 20 : 4096), 0u);
    EXPECT_GE(arena->size_bytes(), size);
    EXPECT_LT(arena->size_bytes(), size + 4096);
    EXPECT_EQ(arena->data()[0] | arena->data()[size - 1], 0);
  }
}

TEST(HugeArenaTest, PagesOfLargeOnesAreThereAheadOfTheirWriter) {
  const auto arena = HugeArena::Create(32u << 20);
  ASSERT_TRUE(arena);
  std::vector<unsigned char> resident(arena->size_bytes() / 4096);
  const auto all_there = [&] {
    return mincore(arena->data(), arena->size_bytes(), resident.data()) == 0 &&
           std::ranges::all_of(resident, [](unsigned char page) { return (page & 1) != 0; });
  };
  ASSERT_FALSE(all_there());
  {
    const PagesAhead ahead(*arena);
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!all_there() && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  }
  EXPECT_TRUE(all_there());
  EXPECT_EQ(std::string_view(arena->data(), arena->size_bytes()).find_first_not_of('\0'), std::string_view::npos);
}

// Of the mapping that `address` lies in, as the system tells them.
std::string MappingFlags(const char* address) {
  std::ifstream maps("/proc/self/smaps");
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const auto at = reinterpret_cast<uintptr_t>(address);
      found = begin <= at && at < end;
    } else if (found && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return {};
}

TEST(HugeArenaTest, PagesThatAreSlowToComeAreTakenInSmallOnes) {
  const auto arena = HugeArena::Create(64u << 20);
  ASSERT_TRUE(arena);
  char* const last = arena->data() + arena->size_bytes() - 1;
  const bool has_huge_pages = std::filesystem::exists("/sys/kernel/mm/transparent_hugepage");
  ASSERT_EQ(MappingFlags(last).contains(" hg "), has_huge_pages);
  {
    const PagesAhead ahead(*arena, std::chrono::nanoseconds(0));
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (has_huge_pages && !MappingFlags(last).contains(" nh ") && std::chrono::steady_clock::now() < give_up)
      std::this_thread::yield();
    EXPECT_EQ(MappingFlags(last).contains(" nh "), has_huge_pages);
    *last = 'x';
  }
  EXPECT_EQ(MappingFlags(last).contains(" hg "), has_huge_pages) << "the system may make huge ones of them";
  EXPECT_EQ(*last, 'x');
  EXPECT_EQ(std::string_view(arena->data(), arena->size_bytes() - 1).find_first_not_of('\0'), std::string_view::npos);
}

TEST(HugeArenaTest, PagesAheadStopsWhenItIsNotNeededAnyMore) {
  const auto arena = HugeArena::Create(size_t{4} << 30);  // seconds of work, and the destructor waits for little of it
  ASSERT_TRUE(arena);
  {
    const PagesAhead ahead(*arena);
  }
  unsigned char last = 0;
  ASSERT_EQ(mincore(arena->data() + arena->size_bytes() - 4096, 4096, &last), 0);
  EXPECT_EQ(last & 1, 0);
}

}  // namespace
}  // namespace akidb
