// Runs against the plug-in of this build; its files are written by make_test_files.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/ingest_testing.h"

namespace akidb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<std::unique_ptr<RowSource>> Open(const std::string& name, const SourceOptions& options = {}) {
  OpContext ctx(RealClock());
  return OpenRowSource(ctx, PosixFileSystem(), std::string(AKIDB_PARQUET_TEST_DIR "/") + name, options);
}

SourceOptions GroupsOptions() {
  SourceOptions options;
  options.mapping.id_column = "key";
  options.mapping.vector_column = "emb";
  return options;
}

TEST(ParquetSourceTest, WritesEveryTypeAsJson) {
  auto source = Open("types.parquet");
  ASSERT_TRUE(source) << source.error().ToString();
  const auto read = ReadAll(**source);
  ASSERT_TRUE(read.status.ok()) << read.status.ToString();
  ASSERT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.rows[0].id, "1");
  EXPECT_THAT(read.rows[1].vector, ElementsAre(3, -0.5f));
  EXPECT_EQ(read.rows[0].payload,
            R"({"text":"a\"b","category":"x","small":-1,"large":18446744073709551615,"float":5.0,"flag":true,)"
            R"("none":null,"when":"2024-02-29T12:30:01.250Z","day":"2024-02-29","price":12.50,"tags":["x",null],)"
            R"("deep":{"a":1,"b":[1,2]},"map":{"k":1}})");
  EXPECT_EQ(read.rows[1].payload, R"({"text":null,"category":"x","small":2,"large":0,"float":0.1,"flag":null,)"
                                  R"("none":null,"when":"1969-12-31T23:59:59Z","day":null,"price":null,"tags":[],)"
                                  R"("deep":{"a":null,"b":null},"map":{}})");
}

TEST(ParquetSourceTest, LeavesOutColumnsWithoutAJsonForm) {
  auto source = Open("types.parquet");
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->schema().columns.back().name, "bytes");
  EXPECT_EQ((*source)->schema().columns.back().role, ColumnRole::kExcluded);
  SourceOptions options;
  options.mapping.payload_columns = {"bytes"};
  const auto asked = Open("types.parquet", options);
  ASSERT_FALSE(asked);
  EXPECT_THAT(asked.error().message(), HasSubstr("'bytes' is binary"));
}

TEST(ParquetSourceTest, ReadsRowGroupsInOrder) {
  auto source = Open("groups.parquet", GroupsOptions());
  ASSERT_TRUE(source) << source.error().ToString();
  EXPECT_EQ((*source)->schema().row_count, 1000u);
  EXPECT_EQ((*source)->schema().dim, 3u);
  const auto read = ReadAll(**source, 64);
  ASSERT_EQ(read.rows.size(), 1000u);
  for (size_t i = 0; i < read.rows.size(); ++i) {
    ASSERT_EQ(read.rows[i].number, i + 1);
    ASSERT_EQ(read.rows[i].id, "row-" + std::to_string(i));
    ASSERT_EQ(read.rows[i].vector[0], static_cast<float>(i));
    ASSERT_EQ(read.rows[i].payload, "{\"n\":" + std::to_string(i) + "}");
  }
}

TEST(ParquetSourceTest, SkipsToAnyRow) {
  for (const uint64_t skipped : {1u, 149u, 150u, 151u, 700u, 999u, 1000u, 5000u}) {
    auto source = Open("groups.parquet", GroupsOptions());
    ASSERT_TRUE(source);
    OpContext ctx(RealClock());
    ASSERT_TRUE((*source)->SkipRows(ctx, skipped).ok());
    const auto read = ReadAll(**source);
    ASSERT_EQ(read.rows.size(), skipped < 1000 ? 1000 - skipped : 0) << skipped;
    if (!read.rows.empty()) {
      EXPECT_EQ(read.rows[0].number, skipped + 1);
      EXPECT_EQ(read.rows[0].id, "row-" + std::to_string(skipped));
    }
  }
}

TEST(ParquetSourceTest, ReadsHalfFloats) {
  auto source = Open("half.parquet");
  ASSERT_TRUE(source) << source.error().ToString();
  const auto read = ReadAll(**source);
  ASSERT_EQ(read.rows.size(), 1u);
  EXPECT_THAT(read.rows[0].vector, ElementsAre(0.5f, -2));
  EXPECT_EQ(read.rows[0].payload, "{}");
}

TEST(ParquetSourceTest, ReportsHolesAsRowProblems) {
  auto source = Open("holes.parquet");
  ASSERT_TRUE(source) << source.error().ToString();
  const auto read = ReadAll(**source);
  ASSERT_EQ(read.rows.size(), 1u);
  ASSERT_EQ(read.problems.size(), 4u);
  EXPECT_THAT(read.problems[0].reason, HasSubstr("id is empty"));
  EXPECT_THAT(read.problems[1].reason, HasSubstr("has 0 elements"));
  EXPECT_THAT(read.problems[2].reason, HasSubstr("element 1 is not finite"));
  EXPECT_THAT(read.problems[3].reason, HasSubstr("has 1 elements, expected 2"));
}

TEST(ParquetSourceTest, RefusesFilesThatCannotBeMapped) {
  EXPECT_THAT(Open("no_vector.parquet").error().message(), HasSubstr("no column 'vector'"));
  EXPECT_THAT(Open("text_vector.parquet").error().message(), HasSubstr("vector column 'vector' is string"));
  EXPECT_EQ(Open("truncated.parquet", GroupsOptions()).error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Open("absent.parquet").error().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace akidb
