// Filtered reads over growing rows, segments with payload columns, deletes and merges, against the evaluation of every
// live payload.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/engine_testing.h"
#include "filter/filter_generator_testing.h"
#include "filter/filter_testing.h"
#include "query/search.h"

namespace akidb {
namespace {

class FilteredReadsTest : public testing::Test {
 protected:
  FilteredReadsTest() { collection_ = test_.Create("c", 2); }

  std::string Payload() {
    return generate_.Below(3) == 0 ? generate_.Payload().Text() : generate_.PlainPayload().Text();
  }
  void UpsertSome(int count) {
    std::vector<TestRow> rows;
    std::set<std::string> ids;
    while (static_cast<int>(ids.size()) < count) ids.insert(std::to_string(generate_.Below(120)));
    for (const std::string& id : ids) {
      rows.push_back({id, {static_cast<float>(generate_.Below(100)), 1}, Payload()});
      live_[id] = rows.back().payload;
    }
    test_.Upsert(*collection_, rows);
  }
  void DeleteSome(int count) {
    std::vector<std::string> ids;
    for (int i = 0; i < count && !live_.empty(); ++i) {
      const auto it = std::next(live_.begin(), static_cast<std::ptrdiff_t>(generate_.Below(live_.size())));
      ids.push_back(it->first);
      live_.erase(it);
    }
    test_.Delete(*collection_, ids);
  }
  void ExpectTheMatchingRows(const std::shared_ptr<const Filter>& filter) {
    const auto snapshot = collection_->Read(test_.ctx()).value();
    std::vector<std::string> expected;
    PaddedEvaluator evaluator(*filter);
    for (const auto& [id, payload] : live_) {
      if (evaluator.Matches(id, payload)) expected.push_back(id);
    }
    matches_ += expected.size();
    ASSERT_EQ(Count(test_.ctx(), *snapshot, filter.get()).value(), expected.size()) << filter->Canonical();

    SearchRequest search;
    search.vector = {50, 1};
    search.top_k = 200;
    search.filter = filter;
    std::vector<std::string> found;
    for (const ResultRow& row : Search(test_.ctx(), *snapshot, search).value()) found.push_back(row.id);
    std::ranges::sort(found);
    ASSERT_EQ(found, expected) << filter->Canonical();

    ScrollRequest scroll;
    scroll.limit = 1000;
    scroll.filter = filter;
    std::vector<std::string> scrolled;
    for (const ResultRow& row : Scroll(test_.ctx(), *snapshot, scroll).value().rows) scrolled.push_back(row.id);
    ASSERT_EQ(scrolled, expected) << filter->Canonical();
  }

  FilterGenerator generate_{77};
  TestDatabase test_;
  std::shared_ptr<Collection> collection_;
  std::map<std::string, std::string> live_;  // id -> payload
  size_t matches_ = 0;
};

TEST_F(FilteredReadsTest, SearchCountAndScrollAnswerTheRowsThatMatch) {
  for (int round = 0; round < 12; ++round) {
    UpsertSome(25);
    if (round % 2 == 0) ASSERT_TRUE(collection_->Flush(test_.ctx()).ok());
    DeleteSome(6);
    if (round % 5 == 4) ASSERT_TRUE(collection_->Merge(test_.ctx(), Collection::MergeScope::kFull).ok());
    for (int i = 0; i < 25; ++i) {
      const auto filter = ParseFilterText(generate_.Filter(static_cast<int>(generate_.Below(4))).Text());
      ASSERT_TRUE(filter);
      ExpectTheMatchingRows(*filter);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(matches_, 1000u);
}

TEST_F(FilteredReadsTest, ADeleteByFilterTakesTheRowsThatMatch) {
  for (int round = 0; round < 8; ++round) {
    UpsertSome(30);
    if (round % 2 == 0) ASSERT_TRUE(collection_->Flush(test_.ctx()).ok());
    UpsertSome(10);
    const auto filter = ParseFilterText(generate_.Filter(static_cast<int>(generate_.Below(3))).Text()).value();
    PaddedEvaluator evaluator(*filter);
    const auto deleted = collection_->DeleteMatching(test_.ctx(), *filter);
    ASSERT_TRUE(deleted) << deleted.error().ToString();
    ASSERT_TRUE(collection_->WaitDurable(test_.ctx(), deleted->position.lsn).ok());
    std::erase_if(live_, [&](const auto& row) { return evaluator.Matches(row.first, row.second); });
    ExpectTheMatchingRows(ParseFilterText("{}").value());
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace akidb
