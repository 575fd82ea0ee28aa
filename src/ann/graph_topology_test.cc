#include "ann/graph_topology.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace akidb {
namespace {

GraphTopology Small() {
  GraphTopology t{.distance = Distance::kEuclidean,
                  .dim = 5,
                  .row_count = 3,
                  .seed = 42,
                  .layout = GraphLayoutKind::kFast,
                  .entries = {},
                  .neighbours = {},
                  .measured = {}};
  for (uint32_t i = 0; i < kGraphDegree; ++i) t.entries.push_back(i % 3);
  for (uint32_t i = 0; i < 3 * kGraphDegree; ++i) t.neighbours.push_back((i * 7) % 3);
  return t;
}

GraphTopology Measured() {
  GraphTopology t = Small();
  t.measured.beams = {10, 12, 16, 16, 24, 40, 64, 512};
  t.measured.sweeps = {20, 24, 32, 32, 48, 80, 128, 256};
  t.measured.reach = 1.5f;
  return t;
}

GraphTopology Compact(GraphLayoutKind layout = GraphLayoutKind::kCompact5) {
  GraphTopology t = Measured();
  t.layout = layout;
  return t;
}

TEST(GraphTopologyTest, ComesBackAsItWas) {
  for (const GraphTopology& t : {Small(), Measured(), Compact()}) {
    const auto decoded = DecodeGraphTopology(EncodeGraphTopology(t));
    ASSERT_TRUE(decoded) << decoded.error().ToString();
    EXPECT_EQ(*decoded, t);
  }
}

void ExpectGolden(const std::string& name, const GraphTopology& expected) {
  std::ifstream file(std::string(AKIDB_SOURCE_DIR) + "/tests/compat/ann/" + name, std::ios::binary);
  ASSERT_TRUE(file.is_open());
  const std::string golden{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(EncodeGraphTopology(expected), golden);
  const auto decoded = DecodeGraphTopology(golden);
  ASSERT_TRUE(decoded) << decoded.error().ToString();
  EXPECT_EQ(*decoded, expected);
}

TEST(GoldenGraphTest, V1) { ExpectGolden("graph_v1.bin", Small()); }
TEST(GoldenGraphTest, V2) { ExpectGolden("graph_v2.bin", Measured()); }
TEST(GoldenGraphTest, V3) { ExpectGolden("graph_v3.bin", Compact()); }
TEST(GoldenGraphTest, V3WithFinerCodes) {
  ExpectGolden("graph_v3_compact12.bin", Compact(GraphLayoutKind::kCompact12));
  ExpectGolden("graph_v3_fast12.bin", Compact(GraphLayoutKind::kFast12));
}

TEST(GraphTopologyTest, RefusesEveryTruncationAndSurplus) {
  const std::string bytes = EncodeGraphTopology(Compact());
  for (size_t n = 0; n < bytes.size(); ++n) {
    const auto decoded = DecodeGraphTopology(std::string_view(bytes).substr(0, n));
    ASSERT_FALSE(decoded) << n;
    EXPECT_EQ(decoded.error().code(), StatusCode::kDataLoss);
  }
  EXPECT_FALSE(DecodeGraphTopology(bytes + '\0'));
}

TEST(GraphTopologyTest, EveryFlippedBitIsRefusedOrMakesAnotherValidGraph) {
  const std::string bytes = EncodeGraphTopology(Compact());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    const auto decoded = DecodeGraphTopology(changed);
    if (!decoded) continue;
    EXPECT_TRUE(ValidateGraphTopology(*decoded).ok());
    EXPECT_EQ(EncodeGraphTopology(*decoded), changed);
  }
}

TEST(GraphTopologyTest, NamesTheFieldThatIsWrong) {
  GraphTopology t = Small();
  t.neighbours[5] = 3;
  EXPECT_EQ(ValidateGraphTopology(t).message(), "graph: a neighbour is 3, at most 2");
  t = Small();
  t.entries.pop_back();
  EXPECT_EQ(ValidateGraphTopology(t).code(), StatusCode::kDataLoss);
  t = Measured();
  t.measured.beams[3] = 9;
  EXPECT_EQ(ValidateGraphTopology(t).message(), "graph: beams do not rise");
  t = Small();
  t.measured.reach = 1;
  EXPECT_EQ(ValidateGraphTopology(t).code(), StatusCode::kDataLoss);
  t = Compact();
  t.layout = static_cast<GraphLayoutKind>(7);
  EXPECT_EQ(ValidateGraphTopology(t).message(), "graph: unknown layout 7");
  t = Small();
  t.layout = GraphLayoutKind::kCompact8;
  EXPECT_EQ(ValidateGraphTopology(t).code(), StatusCode::kDataLoss);
  t = Small();
  t.dim = 0;
  EXPECT_EQ(ValidateGraphTopology(t).code(), StatusCode::kDataLoss);
}

TEST(GraphTopologyTest, AnotherVersionIsUnimplemented) {
  std::string bytes = EncodeGraphTopology(Small());
  bytes[4] = 4;
  EXPECT_EQ(DecodeGraphTopology(bytes).error().code(), StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace akidb
