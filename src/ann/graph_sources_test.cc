// Graphs made from older ones: what is taken over, when nothing is, and that as much is found as in one built anew.
#include "ann/graph_sources.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ann/graph_index.h"
#include "ann/index_kinds.h"
#include "ann/rows_testing.h"
#include "ann/three_threads_testing.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

constexpr uint32_t kSourceDim = 48;
constexpr uint32_t kEfConstruction = 64;

GraphTopology Ring(uint32_t row_count) {
  GraphTopology out;
  out.row_count = row_count;
  for (uint32_t row = 0; row < row_count; ++row) {
    for (uint32_t j = 0; j < kGraphDegree; ++j) {
      out.neighbours.push_back(j == 0 ? (row + 1) % row_count : j == 1 ? (row + row_count - 1) % row_count : row);
    }
  }
  return out;
}

std::vector<uint32_t> NeighboursIn(const GraphSources& sources, uint32_t row) {
  std::vector<uint32_t> out;
  sources.AppendNeighbours(row, &out);
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  std::erase(out, row);
  return out;
}

TEST(GraphSourcesTest, ANeighbourThatIsGoneIsReplacedByItsOwn) {
  const std::vector<RowIndex> rows = {4, kNoRow, 3, 0};
  const std::vector<GraphSource> graphs = {{Ring(4), rows}};
  const GraphSources known(graphs, 5);
  EXPECT_EQ(known.known_count(), 3u);
  EXPECT_FALSE(known.Knows(1));
  EXPECT_EQ(NeighboursIn(known, 4), (std::vector<uint32_t>{0, 3})) << "3 lies behind the one that is gone";
  EXPECT_EQ(NeighboursIn(known, 3), (std::vector<uint32_t>{0, 4}));
  EXPECT_TRUE(NeighboursIn(known, 1).empty());
}

TEST(GraphSourcesTest, WhereFewRowsAreKnownNoneIs) {
  const std::vector<RowIndex> rows = {0, 1, 2, 3};
  const std::vector<GraphSource> graphs = {{Ring(4), rows}};
  EXPECT_EQ(GraphSources(graphs, 8).known_count(), 4u);
  EXPECT_EQ(GraphSources(graphs, 9).known_count(), 0u);
  EXPECT_FALSE(GraphSources(graphs, 9).Knows(0));
}

TEST(GraphSourcesTest, AGraphThatLostTooManyRowsIsLeftOut) {
  std::vector<RowIndex> whole(10), half_gone(10);
  for (RowIndex row = 0; row < 10; ++row) {
    whole[row] = row;
    half_gone[row] = row % 2 == 0 ? 10 + row / 2 : kNoRow;
  }
  const std::vector<GraphSource> graphs = {{Ring(10), whole}, {Ring(10), half_gone}};
  const GraphSources sources(graphs, 15);
  EXPECT_EQ(sources.known_count(), 10u);
  EXPECT_TRUE(sources.Knows(9));
  EXPECT_FALSE(sources.Knows(10));
}

TEST(GraphSourcesTest, RowsOfAGraphThatIsWholeKnowEachOther) {
  std::vector<RowIndex> first(40), second(40);
  for (RowIndex row = 0; row < 40; ++row) {
    first[row] = row;
    second[row] = 40 + row;
  }
  const auto groups_of = [&](uint32_t row_count) {
    const std::vector<GraphSource> both = {{Ring(40), first}, {Ring(40), second}};
    return GraphSources(both, row_count).Groups();
  };
  const std::vector<uint32_t> groups = groups_of(80);
  ASSERT_EQ(groups.size(), 80u);
  EXPECT_EQ(groups[39], 0u);
  EXPECT_EQ(groups[40], 1u);
  EXPECT_TRUE(groups_of(81).empty()) << "one is in no graph";
  second[0] = second[1] = kNoRow;
  EXPECT_EQ(groups_of(80).size(), 0u) << "two are in no graph";
  for (RowIndex row = 2; row < 40; ++row) second[row] = 38 + row;
  EXPECT_EQ(groups_of(78).size(), 78u) << "a twentieth may be gone";
  second[2] = kNoRow;
  for (RowIndex row = 3; row < 40; ++row) second[row] = 37 + row;
  EXPECT_TRUE(groups_of(77).empty());
  const std::vector<GraphSource> one = {{Ring(40), first}};
  EXPECT_TRUE(GraphSources(one, 40).Groups().empty()) << "there are no others to look for";
}

// Rows that are dealt to segments, each with its graph.
class Segments {
 public:
  // Of row i the segment that has it, or none if that is `count` or more.
  template <class SegmentOf>
  Segments(const std::vector<float>& values, uint32_t count, SegmentOf segment_of) {
    const auto row_count = static_cast<uint32_t>(values.size() / kSourceDim);
    places_.resize(count);
    std::vector<std::vector<float>> parts(count);
    for (RowIndex row = 0; row < row_count; ++row) {
      const uint32_t segment = segment_of(row);
      if (segment >= count) continue;
      places_[segment].push_back(row);
      parts[segment].insert(parts[segment].end(), values.begin() + row * kSourceDim,
                            values.begin() + (row + 1) * kSourceDim);
    }
    FixedClock clock;
    OpContext ctx(clock);
    Serial serial;
    for (const auto& part : parts) {
      const StoredTestRows rows(VectorType::kF32, kSourceDim, part);
      auto index =
          BuildIndex(ctx, kGraphKind, rows.view(), Distance::kCosine, {.ef_construction = kEfConstruction}, serial);
      EXPECT_TRUE(index) << index.error().ToString();
      encoded_.push_back((*index)->Encode());
    }
  }

  // Rows for which `gone` holds are in none of the new rows, which are numbered anew.
  template <class Gone>
  std::vector<IndexSource> Sources(uint32_t row_count, Gone gone) const {
    std::vector<RowIndex> numbers;
    RowIndex next = 0;
    for (RowIndex row = 0; row < row_count; ++row) numbers.push_back(gone(row) ? kNoRow : next++);
    std::vector<IndexSource> out;
    for (size_t i = 0; i < places_.size(); ++i) {
      out.push_back({std::string(kGraphKind), encoded_[i], {}});
      for (const RowIndex row : places_[i]) out.back().rows.push_back(numbers[row]);
    }
    return out;
  }

 private:
  std::vector<std::vector<RowIndex>> places_;
  std::vector<std::string> encoded_;
};

constexpr auto kNothingGone = [](RowIndex) { return false; };

std::unique_ptr<VectorIndex> Build(const VectorRows& rows, std::span<const IndexSource> sources) {
  FixedClock clock;
  OpContext ctx(clock);
  Serial serial;
  auto index =
      BuildIndex(ctx, kGraphKind, rows, Distance::kCosine, {.ef_construction = kEfConstruction}, serial, sources);
  EXPECT_TRUE(index) << index.error().ToString();
  return std::move(*index);
}

// Of the true ten nearest of queries.
double Recall(const VectorIndex& index, uint32_t ef_search) {
  static const std::vector<float> kQueries = ClusteredFloats(2, 300, kSourceDim);
  FixedClock clock;
  OpContext ctx(clock);
  size_t hits = 0;
  for (size_t at = 0; at < kQueries.size(); at += kSourceDim) {
    IndexQuery query{.vector = std::span(kQueries).subspan(at, kSourceDim), .k = 10, .ef_search = ef_search};
    std::vector<Candidate> found, truth;
    GraphSearchStats stats;
    EXPECT_TRUE(
        dynamic_cast<const GraphIndex&>(index).SearchWithout(ctx, 0, query, GraphWay::kWalk, &found, &stats).ok());
    query.exact = true;
    query.k = 11;
    EXPECT_TRUE(index.Search(ctx, query, &truth).ok());
    std::erase_if(truth, [](const Candidate& c) { return c.row == 0; });
    truth.resize(10);
    for (const Candidate& c : found) {
      hits += std::ranges::any_of(truth, [&](const Candidate& t) { return t.row == c.row; });
    }
  }
  return static_cast<double>(hits) / 3000;
}

struct Split {
  std::string name;
  uint32_t segments;
  std::function<uint32_t(RowIndex)> segment_of;
};

TEST(MergedGraphTest, FindsAsMuchAsOneBuiltAnew) {
  constexpr uint32_t kRows = 3200;
  const std::vector<float> values = ClusteredFloats(1, kRows, kSourceDim);
  const StoredTestRows rows(VectorType::kF32, kSourceDim, values);
  const auto anew = Build(rows.view(), {});
  const Split splits[] = {
      {"four equal ones", 4, [](RowIndex row) { return row % 4; }},
      {"a large one and small ones", 3, [](RowIndex row) { return row % 10 < 8 ? 0 : row % 10 - 7; }},
      {"a quarter without a graph", 3, [](RowIndex row) { return row % 4; }},
      {"one in front of the other", 2, [](RowIndex row) { return row / (kRows / 2); }},
  };
  for (const Split& split : splits) {
    const Segments segments(values, split.segments, split.segment_of);
    const auto merged = Build(rows.view(), segments.Sources(kRows, kNothingGone));
    EXPECT_NE(merged->Encode(), anew->Encode()) << split.name;
    for (const uint32_t ef : {16u, 48u}) EXPECT_GE(Recall(*merged, ef), Recall(*anew, ef) - 0.01) << split.name << ef;
    const auto topology = DecodeGraphTopology(merged->Encode());
    ASSERT_TRUE(topology);
    EXPECT_EQ(topology->measured.beams.size(), std::size(kRecallLevels)) << "it measured itself";
  }
}

TEST(MergedGraphTest, FindsAsMuchWhereRowsAreGone) {
  constexpr uint32_t kRows = 3500;
  const auto gone = [](RowIndex row) { return row % 7 == 3 || row % 10 == 0; };
  const std::vector<float> values = ClusteredFloats(1, kRows, kSourceDim);
  std::vector<float> left;
  for (RowIndex row = 0; row < kRows; ++row) {
    if (!gone(row)) left.insert(left.end(), values.begin() + row * kSourceDim, values.begin() + (row + 1) * kSourceDim);
  }
  const StoredTestRows rows(VectorType::kF32, kSourceDim, left);
  const auto anew = Build(rows.view(), {});
  const auto merged =
      Build(rows.view(), Segments(values, 3, [](RowIndex row) { return row % 3; }).Sources(kRows, gone));
  EXPECT_NE(merged->Encode(), anew->Encode());
  for (const uint32_t ef : {16u, 48u}) EXPECT_GE(Recall(*merged, ef), Recall(*anew, ef) - 0.01) << ef;
}

// Rows of which thirds are known from a graph each.
struct Known {
  static constexpr uint32_t kRows = 1500;
  static constexpr GraphOptions kOptions = {.ef_construction = kEfConstruction};

  std::vector<float> values = ClusteredFloats(1, kRows, kSourceDim);
  StoredTestRows rows{VectorType::kF32, kSourceDim, values};
  std::vector<IndexSource> encoded;
  std::vector<GraphSource> sources;

  explicit Known(uint32_t thirds)
      : encoded(Segments(values, thirds, [](RowIndex row) { return row % 3; }).Sources(kRows, kNothingGone)) {
    for (const IndexSource& source : encoded) sources.push_back({*DecodeGraphTopology(source.bytes), source.rows});
  }

  GraphTopology BuildWith(const KernelSet& kernels, Parallel& parallel) const {
    FixedClock clock;
    OpContext ctx(clock);
    const auto index = GraphIndex::BuildWith(ctx, rows.view(), Distance::kCosine, kOptions, kernels, parallel, sources);
    EXPECT_TRUE(index) << index.error().ToString();
    return (*index)->topology();
  }
};

TEST(MergedGraphTest, IsTheSameForAnyNumberOfThreads) {
  for (const uint32_t thirds : {2u, 3u}) {
    const Known known(thirds);
    Serial serial;
    ThreeThreads threads;
    EXPECT_EQ(known.BuildWith(Kernels(), threads), known.BuildWith(Kernels(), serial)) << thirds;
  }
}

TEST(MergedGraphTest, IsTheSameOnAnyInstructionSet) {
  for (const uint32_t thirds : {2u, 3u}) {
    const Known known(thirds);
    Serial serial;
    const GraphTopology expected = known.BuildWith(Kernels(), serial);
    for (const KernelSet* kernels : AllKernels()) {
      if (kernels->supported()) EXPECT_EQ(known.BuildWith(*kernels, serial), expected) << kernels->name << thirds;
    }
  }
}

TEST(MergedGraphTest, SourcesOfNoUseAreLeftOut) {
  constexpr uint32_t kRows = 600;
  const std::vector<float> values = ClusteredFloats(1, kRows, kSourceDim);
  const StoredTestRows rows(VectorType::kF32, kSourceDim, values);
  const std::string anew = Build(rows.view(), {})->Encode();
  const IndexSource good = Segments(values, 1, [](RowIndex) { return 0; }).Sources(kRows, kNothingGone)[0];
  EXPECT_NE(Build(rows.view(), std::vector{good})->Encode(), anew);
  std::vector<IndexSource> bad(5, good);
  bad[0].kind = "another";
  bad[1].bytes.resize(bad[1].bytes.size() / 2);
  bad[2].rows.pop_back();
  bad[3].bytes = "not a graph";
  auto topology = *DecodeGraphTopology(good.bytes);
  topology.distance = Distance::kEuclidean;
  bad[4].bytes = EncodeGraphTopology(topology);
  for (const IndexSource& source : bad) EXPECT_EQ(Build(rows.view(), std::vector{source})->Encode(), anew);
}

}  // namespace
}  // namespace akidb
