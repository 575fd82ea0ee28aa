// What every kind of index promises (ann/vector_index.h), asked of each kind in the same words. A new kind joins by one
// line in kKinds.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ann/flat_index.h"
#include "ann/graph_index.h"
#include "ann/growing_index.h"
#include "ann/rows_testing.h"

namespace akidb {
namespace {

constexpr Distance kDistances[] = {Distance::kCosine, Distance::kEuclidean, Distance::kDotProduct};
constexpr VectorType kTypes[] = {VectorType::kF32, VectorType::kF16, VectorType::kInt8};

struct IndexKind {
  std::string name;
  std::function<std::unique_ptr<VectorIndex>(const VectorRows&, Distance)> make;
};

template <GraphLayoutKind kLayout>
std::unique_ptr<VectorIndex> MakeGraph(const VectorRows& rows, Distance distance) {
  FixedClock clock;
  OpContext ctx(clock);
  Serial serial;
  Result<std::unique_ptr<GraphIndex>> index =
      GraphIndex::Build(ctx, rows, distance, {.ef_construction = 64, .layout = kLayout}, serial);
  EXPECT_TRUE(index) << index.error().ToString();
  return std::move(*index);
}

// A graph that has come to nine of ten rows.
class GrowingWithTail final : public VectorIndex {
 public:
  GrowingWithTail(const VectorRows& rows, Distance distance)
      : index_(rows, distance, {.rows_min = 1}), view_(index_.View(rows.row_count)) {
    FixedClock clock;
    OpContext ctx(clock);
    EXPECT_TRUE(index_.Advance(ctx, rows.row_count, rows.row_count - rows.row_count / 10));
  }
  std::string_view kind() const override { return view_->kind(); }
  Status Search(OpContext& ctx, const IndexQuery& query, std::vector<Candidate>* out) const override {
    return view_->Search(ctx, query, out);
  }
  uint64_t memory_bytes() const override { return index_.memory_bytes(); }

 private:
  GrowingIndex index_;
  const std::unique_ptr<VectorIndex> view_;
};

std::unique_ptr<VectorIndex> MakeGrowing(const VectorRows& rows, Distance distance) {
  return std::make_unique<GrowingWithTail>(rows, distance);
}

const IndexKind kKinds[] = {{"Flat", NewFlatIndex},
                            {"Graph", MakeGraph<GraphLayoutKind::kFast>},
                            {"CompactGraph", MakeGraph<GraphLayoutKind::kCompact5>},
                            {"Growing", MakeGrowing}};

class VectorIndexTest : public testing::TestWithParam<IndexKind> {
 protected:
  std::unique_ptr<VectorIndex> Make(const VectorRows& rows, Distance distance) {
    return GetParam().make(rows, distance);
  }

  static std::vector<Candidate> Find(const VectorIndex& index, const IndexQuery& query) {
    FixedClock clock;
    OpContext ctx(clock);
    std::vector<Candidate> out = {{.score = 99, .row = 99}};
    const Status status = index.Search(ctx, query, &out);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return out;
  }
};

// Sorted, without repetition, eligible, exactly scored, and as many as there must be.
void ExpectProper(const VectorRows& rows, Distance distance, const IndexQuery& query,
                  const std::vector<Candidate>& found) {
  const uint32_t matches = query.eligible == nullptr ? rows.row_count : query.eligible->Count();
  ASSERT_GE(found.size(), std::min(query.k, matches));
  std::set<RowIndex> seen;
  for (size_t i = 0; i < found.size(); ++i) {
    const Candidate& c = found[i];
    ASSERT_LT(c.row, rows.row_count);
    ASSERT_TRUE(seen.insert(c.row).second) << "row " << c.row << " twice";
    ASSERT_TRUE(query.eligible == nullptr || query.eligible->Contains(c.row)) << "row " << c.row;
    ASSERT_EQ(std::bit_cast<uint64_t>(c.score),
              std::bit_cast<uint64_t>(ExactScore(rows, distance, query.vector, c.row)));
    if (i == 0) continue;
    const Candidate& before = found[i - 1];
    if (before.score == c.score) {
      ASSERT_LT(before.row, c.row);
    } else {
      ASSERT_EQ(LargerIsNearer(distance), before.score > c.score) << "place " << i;
    }
    if (i >= query.k) {
      ASSERT_EQ(c.score, found[query.k - 1].score) << "only ties may follow the k-th";
    }
  }
}

// Every dimension with every distance and with every type.
TEST_P(VectorIndexTest, AnswersAreSortedDistinctAndExactlyScored) {
  size_t turn = 0;
  for (const uint32_t dim : {1u, 3u, 37u, 64u, 100u, 384u}) {
    const std::vector<float> values = ClusteredFloats(dim, 1000, dim), query = ClusteredFloats(77, 1, dim);
    ++turn;
    for (const Distance distance : kDistances) {
      const StoredTestRows rows(kTypes[turn++ % std::size(kTypes)], dim, values);
      const auto index = Make(rows.view(), distance);
      for (const uint32_t k : {1u, 10u, 100u}) {
        const IndexQuery q{.vector = query, .k = k};
        ExpectProper(rows.view(), distance, q, Find(*index, q));
      }
    }
  }
}

TEST_P(VectorIndexTest, ReturnsAsManyAsMatchWhateverTheFilter) {
  constexpr uint32_t kRows = 1500, kDim = 24;
  const std::vector<float> values = ClusteredFloats(4, kRows, kDim), query = ClusteredFloats(5, 1, kDim);
  const StoredTestRows rows(VectorType::kF16, kDim, values);
  std::mt19937_64 random(6);
  for (const Distance distance : kDistances) {
    const auto index = Make(rows.view(), distance);
    for (const uint32_t one_in : {1u, 2u, 5u, 30u, 700u, 5000u}) {
      RowSet eligible(kRows);
      for (uint32_t row = 0; row < kRows; ++row) {
        if (random() % one_in == 0) eligible.Add(row);
      }
      for (const uint32_t k : {1u, 10u, 300u}) {
        const IndexQuery q{.vector = query, .k = k, .eligible = &eligible};
        ExpectProper(rows.view(), distance, q, Find(*index, q));
      }
    }
  }
}

// The rows that pass are those farthest from the query: no walk meets them by chance.
TEST_P(VectorIndexTest, FindsMatchesFarFromTheQuery) {
  constexpr uint32_t kRows = 1500, kDim = 24;
  const std::vector<float> values = ClusteredFloats(4, kRows, kDim), query = ClusteredFloats(5, 1, kDim);
  const StoredTestRows rows(VectorType::kF32, kDim, values);
  for (const Distance distance : kDistances) {
    const auto all = Find(*NewFlatIndex(rows.view(), distance), {.vector = query, .k = kRows});
    const auto index = Make(rows.view(), distance);
    for (const uint32_t matches : {1u, 9u, 300u, 1000u}) {
      RowSet eligible(kRows);
      for (uint32_t i = 0; i < matches; ++i) eligible.Add(all[kRows - 1 - i].row);
      const IndexQuery q{.vector = query, .k = 10, .eligible = &eligible};
      ExpectProper(rows.view(), distance, q, Find(*index, q));
    }
  }
}

TEST_P(VectorIndexTest, ExactMeansExact) {
  constexpr uint32_t kRows = 1500, kDim = 48;
  const std::vector<float> values = ClusteredFloats(7, kRows, kDim), query = NormalFloats(8, kDim);
  const StoredTestRows rows(VectorType::kF16, kDim, values);
  for (const Distance distance : kDistances) {
    const IndexQuery q{.vector = query, .k = 20, .exact = true};
    const auto expected = Find(*NewFlatIndex(rows.view(), distance), q);
    const auto found = Find(*Make(rows.view(), distance), q);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].row, expected[i].row);
  }
}

TEST_P(VectorIndexTest, FindsNearlyAllOfTheTrueBest) {
  constexpr uint32_t kRows = 2500, kDim = 64, kQueries = 50;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(9, kRows, kDim));
  const std::vector<float> queries = ClusteredFloats(10, kQueries, kDim);
  for (const Distance distance : kDistances) {
    const auto index = Make(rows.view(), distance);
    const auto oracle = NewFlatIndex(rows.view(), distance);
    size_t found = 0;
    for (uint32_t i = 0; i < kQueries; ++i) {
      const IndexQuery q{.vector = std::span(queries).subspan(i * kDim, kDim), .k = 10, .ef_search = 150};
      const auto expected = Find(*oracle, q);
      for (const Candidate& c : Find(*index, q)) {
        found += std::ranges::any_of(expected, [&](const Candidate& e) { return e.row == c.row; }) ? 1 : 0;
      }
    }
    EXPECT_GE(found, kQueries * 10 * 97 / 100) << DistanceName(distance);
  }
}

TEST_P(VectorIndexTest, ReturnsAllRowsWhenMoreAreAskedFor) {
  for (const uint32_t count : {1u, 2u, 31u, 32u, 33u, 34u, 500u}) {
    const StoredTestRows rows(VectorType::kF32, 7, NormalFloats(4, size_t{count} * 7));
    const std::vector<float> query = NormalFloats(5, 7);
    for (const Distance distance : kDistances) {
      const auto index = Make(rows.view(), distance);
      EXPECT_EQ(Find(*index, {.vector = query, .k = count}).size(), count);
      EXPECT_EQ(Find(*index, {.vector = query, .k = UINT32_MAX}).size(), count);
    }
  }
}

TEST_P(VectorIndexTest, ReturnsNothingWhenNothingIsEligibleOrAskedFor) {
  const StoredTestRows rows(VectorType::kF32, 4, NormalFloats(4, 400));
  const std::vector<float> query = NormalFloats(5, 4);
  const RowSet none(100);
  const auto index = Make(rows.view(), Distance::kCosine);
  EXPECT_TRUE(Find(*index, {.vector = query, .k = 10, .eligible = &none}).empty());
  EXPECT_TRUE(Find(*index, {.vector = query, .k = 0}).empty());
}

TEST_P(VectorIndexTest, LivesWithRowsThatAreAllAlike) {
  constexpr uint32_t kRows = 1500;
  const StoredTestRows same(VectorType::kF32, 20, std::vector<float>(kRows * 20, 0.25f));
  const StoredTestRows zeros(VectorType::kF32, 20, std::vector<float>(kRows * 20, 0.0f));
  const std::vector<float> query = NormalFloats(5, 20), zero(20);
  for (const Distance distance : kDistances) {
    for (const StoredTestRows* rows : {&same, &zeros}) {
      const auto index = Make(rows->view(), distance);
      EXPECT_GE(Find(*index, {.vector = query, .k = 30}).size(), 30u);
      EXPECT_GE(Find(*index, {.vector = zero, .k = 30}).size(), 30u);
    }
  }
}

TEST_P(VectorIndexTest, SurvivesTheEdgesOfTheFloatRange) {
  constexpr uint32_t kRows = 1500, kDim = 33;
  std::vector<float> values = NormalFloats(15, kRows * kDim);
  std::mt19937_64 random(14);
  for (uint32_t row = 0; row < kRows; ++row) {
    const int exponent = static_cast<int>(random() % 250) - 140;
    for (uint32_t i = 0; i < kDim; ++i) {
      float& x = values[row * kDim + i];
      x = std::clamp(std::ldexp(x, exponent), -3e38f, 3e38f);
    }
  }
  const StoredTestRows rows(VectorType::kF32, kDim, values);
  for (const Distance distance : kDistances) {
    const auto index = Make(rows.view(), distance);
    for (const float size : {1e-44f, 1.0f, 1e38f}) {
      std::vector<float> query = NormalFloats(16, kDim);
      for (float& x : query) x = std::clamp(x * size, -3e38f, 3e38f);
      const IndexQuery q{.vector = query, .k = 25};
      ExpectProper(rows.view(), distance, q, Find(*index, q));
    }
  }
}

TEST_P(VectorIndexTest, GivesTheSameAnswerOnManyThreads) {
  constexpr uint32_t kRows = 1500, kDim = 32, kQueries = 40;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(1, kRows, kDim));
  const std::vector<float> queries = ClusteredFloats(2, kQueries, kDim);
  const auto index = Make(rows.view(), Distance::kCosine);
  const auto answers = [&] {
    std::vector<RowIndex> out;
    for (uint32_t i = 0; i < kQueries; ++i) {
      for (const Candidate& c : Find(*index, {.vector = std::span(queries).subspan(i * kDim, kDim), .k = 10})) {
        out.push_back(c.row);
      }
    }
    return out;
  };
  const std::vector<RowIndex> expected = answers();
  std::vector<std::vector<RowIndex>> found(4);
  std::vector<std::thread> threads;
  for (auto& one : found) threads.emplace_back([&] { one = answers(); });
  for (std::thread& t : threads) t.join();
  for (const auto& one : found) EXPECT_EQ(one, expected);
}

TEST_P(VectorIndexTest, StopsAtTheDeadlineAndWhenCancelled) {
  const StoredTestRows rows(VectorType::kF32, 4, NormalFloats(1, 4000));
  const std::vector<float> query = NormalFloats(2, 4);
  const auto index = Make(rows.view(), Distance::kEuclidean);
  FixedClock clock;
  std::vector<Candidate> out;
  OpContext late(clock);
  late.set_deadline(clock.Now());
  EXPECT_EQ(index->Search(late, {.vector = query}, &out).code(), StatusCode::kDeadlineExceeded);
  OpContext cancelled(clock);
  cancelled.Cancel();
  EXPECT_EQ(index->Search(cancelled, {.vector = query}, &out).code(), StatusCode::kCancelled);
}

INSTANTIATE_TEST_SUITE_P(Kinds, VectorIndexTest, testing::ValuesIn(kKinds),
                         [](const testing::TestParamInfo<IndexKind>& info) { return info.param.name; });

}  // namespace
}  // namespace akidb
