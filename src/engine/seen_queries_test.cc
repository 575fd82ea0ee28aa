// Which queries are kept to measure with.
#include "engine/seen_queries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace akidb {
namespace {

constexpr uint32_t kDim = 3;

void NoteNumbers(uint64_t first, uint64_t end, SeenQueries* seen) {
  for (uint64_t i = first; i < end; ++i) seen->Note(std::vector<float>(kDim, static_cast<float>(i)));
}

TEST(SeenQueriesTest, KeepsTheFirstAndThenSomeOfTheLatest) {
  SeenQueries seen(7);
  EXPECT_TRUE(seen.Sample().empty());
  NoteNumbers(0, SeenQueries::kKept, &seen);
  const std::vector<float> first = seen.Sample();
  ASSERT_EQ(first.size(), SeenQueries::kKept * kDim);
  for (uint64_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i], static_cast<float>(i / kDim));

  const uint64_t many = 20 * SeenQueries::kOutOf;
  NoteNumbers(SeenQueries::kKept, many, &seen);
  EXPECT_EQ(seen.seen(), many);
  const std::vector<float> later = seen.Sample();
  ASSERT_EQ(later.size(), SeenQueries::kKept * kDim);
  for (uint64_t i = 0; i < later.size(); ++i) EXPECT_EQ(later[i], later[i / kDim * kDim]) << "queries are whole";
  const auto recent = std::ranges::count_if(
      later, [&](float number) { return number >= static_cast<float>(many - 4 * SeenQueries::kOutOf); });
  EXPECT_GT(recent, static_cast<long>(later.size() * 9 / 10));
  const auto last = std::ranges::count_if(
      later, [&](float number) { return number >= static_cast<float>(many - SeenQueries::kOutOf / 8); });
  EXPECT_LT(last, static_cast<long>(later.size() / 4)) << "not the last ones alone";
}

TEST(SeenQueriesTest, EqualSequencesLeaveEqualSamplesOfASeed) {
  SeenQueries a(1), b(1), other(2);
  for (SeenQueries* seen : {&a, &b, &other}) NoteNumbers(0, 5000, seen);
  EXPECT_EQ(a.Sample(), b.Sample());
  EXPECT_NE(a.Sample(), other.Sample());
}

}  // namespace
}  // namespace akidb
