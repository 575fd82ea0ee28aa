#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/bench_stats.h"
#include "cli/exit_code.h"
#include "cli/progress.h"
#include "cli/table.h"

namespace akidb {
namespace {

TEST(TableTest, AlignsColumnsAndTrimsLineEnds) {
  Table table({{"NAME"}, {"ROWS", Align::kRight}, {"NOTE"}});
  table.Add({"a", "1,000", ""});
  table.Add({"longer", "7", "x"});
  table.Add({"short row"});
  EXPECT_EQ(table.ToString(),
            "NAME        ROWS  NOTE\n"
            "a          1,000\n"
            "longer         7  x\n"
            "short row\n");
}

TEST(TableTest, CountsWideCharactersAsTwoColumns) {
  EXPECT_EQ(DisplayWidth("é"), 1u);
  EXPECT_EQ(DisplayWidth("検索"), 4u);
  EXPECT_EQ(DisplayWidth("\xE6"), 1u);  // cut short
  Table table({{"T"}, {"N"}});
  table.Add({"検索", "1"});
  table.Add({"abcd", "2"});
  EXPECT_EQ(table.ToString(), "T     N\n検索  1\nabcd  2\n");
}

TEST(TableTest, ShowsControlCharactersAsQuestionMarks) {
  Table table({{"T"}});
  table.Add({"a\x1b[31m\n"});
  EXPECT_EQ(table.ToString(), "T\na?[31m?\n");
}

TEST(HumanTest, WritesNumbersForPeople) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes(77ull << 30), "77.0 GiB");
  EXPECT_EQ(HumanCount(0), "0");
  EXPECT_EQ(HumanCount(999), "999");
  EXPECT_EQ(HumanCount(92555), "92,555");
  EXPECT_EQ(HumanCount(1234567), "1,234,567");
  EXPECT_EQ(HumanDuration(std::chrono::microseconds(350)), "350 us");
  EXPECT_EQ(HumanDuration(std::chrono::milliseconds(1)), "1.0 ms");
  EXPECT_EQ(HumanDuration(std::chrono::seconds(125)), "2m05s");
  EXPECT_EQ(HumanDuration(std::chrono::seconds(3725)), "1h02m");
}

TEST(ProgressTest, ShowsBarRateAndTimeLeft) {
  EXPECT_EQ(FormatProgress({500, "rows", 0.5, std::chrono::seconds(2), 250}, 10),
            "[#####-----]  50%  500 rows  250 rows/s  ETA 2.0 s");
  EXPECT_EQ(FormatProgress({1000, "rows", 1.0, std::chrono::seconds(4), 250}, 10),
            "[##########] 100%  1,000 rows  250 rows/s");
}

TEST(ProgressTest, ShowsNoBarWhenTheEndIsUnknown) {
  EXPECT_EQ(FormatProgress({500, "rows", std::nullopt, std::chrono::seconds(2), 250}, 10), "500 rows  250 rows/s");
}

TEST(ProgressTest, StaysInsideTheBarWhateverTheFraction) {
  EXPECT_THAT(FormatProgress({1, "rows", 7.0, {}, 0}, 4), testing::StartsWith("[####] 100%"));
  EXPECT_THAT(FormatProgress({1, "rows", -1.0, {}, 0}, 4), testing::StartsWith("[----]   0%"));
}

TEST(ExitCodeTest, FollowsTheTableOfTheDocumentation) {
  const std::vector<std::pair<Status, int>> table = {
      {OkStatus(), 0},         {Internal("x"), 1},         {FailedPrecondition("x"), 1},
      {Unimplemented("x"), 1}, {PermissionDenied("x"), 1}, {InvalidArgument("x"), 2},
      {NotFound("x"), 3},      {AlreadyExists("x"), 4},    {Aborted("x"), 4},
      {Unavailable("x"), 5},   {DeadlineExceeded("x"), 5}, {ResourceExhausted("x"), 5},
      {DataLoss("x"), 6},      {Cancelled("x"), 130}};
  for (const auto& [status, code] : table) EXPECT_EQ(static_cast<int>(ExitCodeOf(status)), code) << status.ToString();
  EXPECT_EQ(static_cast<int>(ExitCode::kDied), 70);
}

TEST(BenchStatsTest, TakesNearestRankPercentiles) {
  std::vector<Duration> samples;
  for (int i = 100; i >= 1; --i) samples.push_back(std::chrono::milliseconds(i));
  const LatencySummary summary = Summarise(samples);
  EXPECT_EQ(summary.p50, std::chrono::milliseconds(50));
  EXPECT_EQ(summary.p95, std::chrono::milliseconds(95));
  EXPECT_EQ(summary.p99, std::chrono::milliseconds(99));
  EXPECT_EQ(summary.max, std::chrono::milliseconds(100));
  EXPECT_EQ(summary.mean, std::chrono::microseconds(50500));
  EXPECT_EQ(Summarise({std::chrono::milliseconds(3)}).p99, std::chrono::milliseconds(3));
  EXPECT_EQ(Summarise({}).p99, Duration{});
}

}  // namespace
}  // namespace akidb
