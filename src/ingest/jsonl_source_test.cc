#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/ingest_testing.h"

namespace akidb {
namespace {

using testing::HasSubstr;

Result<std::unique_ptr<RowSource>> Open(std::string text, SourceOptions options = {}, size_t read_max = SIZE_MAX) {
  OpContext ctx(RealClock());
  return OpenJsonlSource(ctx, std::make_unique<StringFile>(std::move(text), read_max), options);
}

ReadResult Read(const std::string& text, const SourceOptions& options = {}) {
  auto source = Open(text, options);
  if (!source) return {source.error(), {}, {}};
  return ReadAll(**source);
}

TEST(JsonlSourceTest, TurnsOtherFieldsIntoThePayload) {
  const auto read = Read(R"({"id":"a","vector":[1,2.5],"lang":"fr","n":{"k":[1,true,null]}})"
                         "\n");
  ASSERT_TRUE(read.status.ok()) << read.status.ToString();
  const ReadRow expected{1, "a", {1, 2.5}, R"({"lang":"fr","n":{"k":[1,true,null]}})"};
  ASSERT_EQ(read.rows.size(), 1u);
  EXPECT_EQ(read.rows[0], expected);
}

TEST(JsonlSourceTest, UnwrapsASinglePayloadObject) {
  const auto read = Read(R"({"id":1,"payload":{"lang":"fr"},"vector":[1]})"
                         "\n"
                         R"({"id":2,"payload":"text","vector":[1]})"
                         "\n"
                         R"({"id":3,"payload":{"a":1},"other":2,"vector":[1]})");
  ASSERT_EQ(read.rows.size(), 3u);
  EXPECT_EQ(read.rows[0].payload, R"({"lang":"fr"})");
  EXPECT_EQ(read.rows[1].payload, R"({"payload":"text"})");
  EXPECT_EQ(read.rows[2].payload, R"({"payload":{"a":1},"other":2})");
}

TEST(JsonlSourceTest, KeepsIntegersAndFloatsApart) {
  const auto read = Read(R"({"id":-7,"vector":[1],"i":9007199254740993,"f":5.0,"e":1e300})");
  ASSERT_EQ(read.rows.size(), 1u);
  EXPECT_EQ(read.rows[0].id, "-7");
  EXPECT_EQ(read.rows[0].payload, R"({"i":9007199254740993,"f":5.0,"e":1e+300})");
}

TEST(JsonlSourceTest, NamesWhatIsWrongWithARowAndGoesOn) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"id":"a","vector":[1,2],)", "not valid JSON"},
      {R"([1])", "expected an object"},
      {R"({"vector":[1,2]})", "'id' is missing"},
      {R"({"id":"a"})", "'vector' is missing"},
      {R"({"id":1.5,"vector":[1,2]})", "id is a float"},
      {R"({"id":"","vector":[1,2]})", "id is empty"},
      {R"({"id":"a","id":"b","vector":[1,2]})", "occurs twice"},
      {R"({"id":"a","vector":[1]})", "has 1 elements, expected 2"},
      {R"({"id":"a","vector":[1,"x"]})", "element 1 is a string"},
      {R"({"id":"a","vector":[1,1e39]})", "element 1 is not finite"},
      {R"({"id":"a","vector":{}})", "vector is a object"},
      {"{\"id\":\"\xff\",\"vector\":[1,2]}", "not valid JSON"},
      {R"({"id":")" + std::string(513, 'x') + R"(","vector":[1,2]})", "at most 512"},
      {R"({"id":"a","vector":[1,2],"t":")" + std::string(300 << 10, 'x') + R"("})", "payload has"},
  };
  for (const auto& [line, reason] : cases) {
    const auto read = Read("{\"id\":\"first\",\"vector\":[1,2]}\n" + line + "\n{\"id\":\"last\",\"vector\":[3,4]}\n");
    ASSERT_TRUE(read.status.ok()) << read.status.ToString();
    ASSERT_EQ(read.problems.size(), 1u) << line.substr(0, 60);
    EXPECT_EQ(read.problems[0].row, 2u);
    EXPECT_THAT(read.problems[0].reason, HasSubstr(reason));
    ASSERT_EQ(read.rows.size(), 2u);
    EXPECT_EQ(read.rows[1].id, "last");
    EXPECT_EQ(read.rows[1].number, 3u);
    EXPECT_EQ(read.rows[1].vector, (std::vector<float>{3, 4}));
  }
}

TEST(JsonlSourceTest, ReportsALineAboveTheLimitAndReadsTheNext) {
  SourceOptions options;
  options.limits.row_bytes_max = 64;
  const auto read = Read(R"({"id":"a","vector":[1]})"
                         "\n{\"id\":\"b\",\"vector\":[1],\"t\":\"" +
                             std::string(3 << 20, 'x') + "\"}\n{\"id\":\"c\",\"vector\":[2]}",
                         options);
  ASSERT_EQ(read.problems.size(), 1u);
  EXPECT_THAT(read.problems[0].reason, HasSubstr("more than 64 bytes"));
  ASSERT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.rows[1].id, "c");
}

TEST(JsonlSourceTest, RefusesDeepNestingInsteadOfOverflowingTheStack) {
  const auto read =
      Read("{\"id\":\"a\",\"vector\":[1]}\n{\"id\":\"b\",\"vector\":[1],\"d\":" + std::string(100000, '[') +
           std::string(100000, ']') + "}");
  ASSERT_EQ(read.problems.size(), 1u);
  EXPECT_EQ(read.rows.size(), 1u);
}

TEST(JsonlSourceTest, IgnoresBlankLinesCarriageReturnsAndAByteOrderMark) {
  const auto read = Read("\xEF\xBB\xBF{\"id\":\"a\",\"vector\":[1]}\r\n\n  \r\n{\"id\":\"b\",\"vector\":[2]}");
  ASSERT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.rows[1].number, 2u);
  EXPECT_TRUE(read.problems.empty());
}

TEST(JsonlSourceTest, ReadsTheSameWhateverTheSizeOfReads) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += R"({"id":)" + std::to_string(i) + R"(,"vector":[1,2],"t":"xyz"})" + "\n";
  auto whole = Open(text);
  auto pieces = Open(text, {}, 7);
  ASSERT_TRUE(whole && pieces);
  EXPECT_EQ(ReadAll(**whole).rows, ReadAll(**pieces, 3).rows);
}

TEST(JsonlSourceTest, SkippedRowsKeepTheirNumbers) {
  auto source = Open("{\"id\":1,\"vector\":[1]}\nbroken\n{\"id\":3,\"vector\":[1]}\n{\"id\":4,\"vector\":[1]}\n");
  ASSERT_TRUE(source);
  OpContext ctx(RealClock());
  ASSERT_TRUE((*source)->SkipRows(ctx, 2).ok());
  const auto read = ReadAll(**source);
  ASSERT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.rows[0].id, "3");
  EXPECT_EQ(read.rows[0].number, 3u);
  EXPECT_TRUE(read.problems.empty());
}

TEST(JsonlSourceTest, MapsColumnsByTheFlags) {
  SourceOptions options;
  options.mapping.id_column = "key";
  options.mapping.vector_column = "emb";
  options.mapping.exclude = {"secret"};
  const auto read = Read(R"({"key":"k","emb":[1],"id":"not the id","secret":1})", options);
  ASSERT_EQ(read.rows.size(), 1u);
  EXPECT_EQ(read.rows[0].id, "k");
  EXPECT_EQ(read.rows[0].payload, R"({"id":"not the id"})");
  options.mapping.payload_columns = {"a"};
  const auto chosen = Read(R"({"key":"k","emb":[1],"a":1,"b":2})", options);
  ASSERT_EQ(chosen.rows.size(), 1u);
  EXPECT_EQ(chosen.rows[0].payload, R"({"a":1})");
}

TEST(JsonlSourceTest, ShowsTypesAndRolesInTheSchema) {
  auto source = Open("{\"id\":1,\"vector\":[1,2,3],\"a\":null}\n{\"id\":\"x\",\"vector\":[1,2,3],\"a\":\"t\"}");
  ASSERT_TRUE(source);
  const SourceSchema& schema = (*source)->schema();
  EXPECT_EQ(schema.dim, 3u);
  ASSERT_EQ(schema.columns.size(), 3u);
  EXPECT_EQ(schema.columns[0].type, "mixed");
  EXPECT_EQ(schema.columns[1].role, ColumnRole::kVector);
  EXPECT_EQ(schema.columns[2].type, "string");
}

TEST(JsonlSourceTest, RefusesFilesThatCannotBeMapped) {
  EXPECT_THAT(Read("").status.message(), HasSubstr("no rows"));
  EXPECT_THAT(Read("{\"id\":1}").status.message(), HasSubstr("no column 'vector'"));
  EXPECT_THAT(Read("{\"vector\":[1]}").status.message(), HasSubstr("--id-column"));
  EXPECT_THAT(Read("{\"id\":1,\"vector\":\"x\"}").status.message(), HasSubstr("no list of numbers"));
  EXPECT_THAT(Read("nonsense").status.message(), HasSubstr("row 1"));
}

}  // namespace
}  // namespace akidb
