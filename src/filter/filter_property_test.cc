#include <gtest/gtest.h>

#include "filter/filter_generator_testing.h"
#include "filter/filter_reference_testing.h"
#include "filter/filter_testing.h"

namespace akidb {
namespace {

using reference::Json;
using Generator = FilterGenerator;

TEST(FilterPropertyTest, AgreesWithTheReferenceAndWithItsCanonicalText) {
  constexpr size_t kFilters = 1000;
  constexpr size_t kPayloadsPerFilter = 30;
  Generator generate(20240501);
  size_t matches = 0;
  for (size_t i = 0; i < kFilters; ++i) {
    const Json tree = generate.Filter(static_cast<int>(generate.Below(5)));
    const auto filter = ParseFilterText(tree.Text());
    ASSERT_TRUE(filter) << filter.error().ToString() << "\n" << tree.Text();
    const auto canonical = ParseFilterText((*filter)->Canonical());
    ASSERT_TRUE(canonical) << canonical.error().ToString() << "\n" << (*filter)->Canonical();
    ASSERT_EQ((*canonical)->Canonical(), (*filter)->Canonical()) << tree.Text();
    PaddedEvaluator evaluator(**filter);
    PaddedEvaluator canonical_evaluator(**canonical);
    for (size_t k = 0; k < kPayloadsPerFilter; ++k) {
      const Json payload = generate.Payload();
      const std::string id = generate.Below(2) == 0 ? "id-1" : "7";
      const bool expected = reference::Matches(tree, id, payload);
      matches += expected ? 1 : 0;
      ASSERT_EQ(evaluator.Matches(id, payload.Text()), expected)
          << tree.Text() << "\non " << id << " " << payload.Text();
      ASSERT_EQ(canonical_evaluator.Matches(id, payload.Text()), expected)
          << (*filter)->Canonical() << "\non " << id << " " << payload.Text();
    }
  }
  // The pools are worth something only if both answers and all tests are frequent.
  EXPECT_GT(matches, kFilters * kPayloadsPerFilter / 5);
  EXPECT_LT(matches, kFilters * kPayloadsPerFilter * 4 / 5);
  for (const auto& [test, count] : generate.tests()) EXPECT_GT(count, kFilters / 30) << test;
  EXPECT_EQ(generate.tests().size(), 14u);
}

// A leaf alone, so that no tree hides a wrong answer.
TEST(FilterPropertyTest, LeavesAgreeWithTheReference) {
  Generator generate(7);
  for (size_t i = 0; i < 3000; ++i) {
    const Json leaf = generate.Filter(0);
    const auto filter = ParseFilterText(leaf.Text());
    ASSERT_TRUE(filter) << filter.error().ToString() << "\n" << leaf.Text();
    PaddedEvaluator evaluator(**filter);
    for (size_t k = 0; k < 10; ++k) {
      const Json payload = generate.Payload();
      ASSERT_EQ(evaluator.Matches("id-1", payload.Text()), reference::Matches(leaf, "id-1", payload))
          << leaf.Text() << "\non " << payload.Text();
    }
  }
}

}  // namespace
}  // namespace akidb
