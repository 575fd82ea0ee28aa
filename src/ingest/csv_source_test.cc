#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/csv_records.h"
#include "ingest/ingest_testing.h"

namespace akidb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<std::unique_ptr<RowSource>> Open(std::string text, SourceOptions options = {}, size_t read_max = SIZE_MAX) {
  OpContext ctx(RealClock());
  return OpenCsvSource(ctx, std::make_unique<StringFile>(std::move(text), read_max), options);
}

ReadResult Read(const std::string& text, const SourceOptions& options = {}) {
  auto source = Open(text, options);
  if (!source) return {source.error(), {}, {}};
  return ReadAll(**source);
}

std::vector<std::vector<std::string>> Records(const std::string& text, size_t read_max = SIZE_MAX,
                                              size_t bytes_max = 1 << 20) {
  CsvRecords records(std::make_unique<StringFile>(text, read_max), ',', bytes_max);
  std::vector<std::vector<std::string>> out;
  std::vector<CsvField> fields;
  Status problem;
  for (;;) {
    const auto more = records.Next(&fields, &problem);
    if (!more || !*more) return out;
    auto& record = out.emplace_back();
    if (!problem.ok()) record.push_back("! " + std::string(problem.message()));
    for (const CsvField& field : fields) record.emplace_back(field.text);
  }
}

TEST(CsvRecordsTest, FollowsRfc4180) {
  const std::string text = "a,\"b,1\",\"c\"\"d\"\r\n\"line\nbreak\",,\"\"\r\nlast,x,y";
  const std::vector<std::vector<std::string>> expected = {
      {"a", "b,1", "c\"d"}, {"line\nbreak", "", ""}, {"last", "x", "y"}};
  EXPECT_EQ(Records(text), expected);
  for (const size_t read_max : {1u, 2u, 3u, 7u}) EXPECT_EQ(Records(text, read_max), expected) << read_max;
}

TEST(CsvRecordsTest, ReportsBrokenRecordsAndGoesOnAtTheNextLine) {
  EXPECT_EQ(Records("a\"b,1\nc,2\n")[1], (std::vector<std::string>{"c", "2"}));
  EXPECT_THAT(Records("a\"b,1\nc,2\n")[0][0], HasSubstr("not quoted"));
  EXPECT_THAT(Records("\"a\"b,1\nc,2\n")[0][0], HasSubstr("after a closing quote"));
  EXPECT_EQ(Records("\"a\"b,1\nc,2\n")[1], (std::vector<std::string>{"c", "2"}));
  const auto open = Records("\"never closed,1\nc,2\n");
  ASSERT_EQ(open.size(), 2u);
  EXPECT_THAT(open[0][0], HasSubstr("not closed"));
  EXPECT_EQ(open[1], (std::vector<std::string>{"c", "2"}));
}

TEST(CsvRecordsTest, LimitsTheSizeOfARecord) {
  const auto records = Records("\"" + std::string(5 << 20, 'x') + "\",1\nc,2\n", SIZE_MAX, 1000);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_THAT(records[0][0], HasSubstr("more than 1000 bytes"));
  EXPECT_EQ(records[1], (std::vector<std::string>{"c", "2"}));
}

TEST(CsvSourceTest, GuessesTypesFromTheFirstRows) {
  const auto read = Read(
      "id,vector,n,f,b,code,tags\n"
      "1,\"[1, 2]\",7,1,true,007,\"[\"\"x\"\",1]\"\n"
      "2,\"3;4\",-8,2.5e3,false,abc,\n");
  ASSERT_TRUE(read.status.ok()) << read.status.ToString();
  ASSERT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.rows[0].payload, R"({"n":7,"f":1,"b":true,"code":"007","tags":["x",1]})");
  EXPECT_EQ(read.rows[1].payload, R"({"n":-8,"f":2.5e3,"b":false,"code":"abc"})");
  EXPECT_THAT(read.rows[1].vector, ElementsAre(3, 4));
}

TEST(CsvSourceTest, LeavesMissingValuesOutAndKeepsEmptyText) {
  const auto read = Read("id,vector,t,n\n1,1 2,\"\",\n2,3 4,,5\n");
  ASSERT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.rows[0].payload, R"({"t":""})");
  EXPECT_EQ(read.rows[1].payload, R"({"n":5})");
}

TEST(CsvSourceTest, ReportsRaggedRecords) {
  const auto read = Read("id,vector,n\n1,1 2,5\n2,1 2\n3,1 2,5,6\n4,1 2,5\n");
  ASSERT_EQ(read.problems.size(), 2u);
  EXPECT_EQ(read.problems[0].row, 2u);
  EXPECT_THAT(read.problems[0].reason, HasSubstr("2 fields, the header has 3"));
  EXPECT_THAT(read.problems[1].reason, HasSubstr("4 fields, the header has 3"));
  ASSERT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.rows[1].id, "4");
}

TEST(CsvSourceTest, ReportsAValueThatDoesNotFitItsColumn) {
  std::string text = "id,vector,n\n";
  for (int i = 1; i <= 1000; ++i) text += std::to_string(i) + ",1 2,5\n";
  text += "1001,1 2,five\n";
  const auto read = Read(text);
  ASSERT_EQ(read.problems.size(), 1u);
  EXPECT_EQ(read.problems[0].row, 1001u);
  EXPECT_THAT(read.problems[0].reason, HasSubstr("--string-columns n"));
  SourceOptions options;
  options.mapping.string_columns = {"n"};
  const auto forced = Read(text, options);
  EXPECT_TRUE(forced.problems.empty());
  EXPECT_EQ(forced.rows[0].payload, R"({"n":"5"})");
}

TEST(CsvSourceTest, ReportsBadVectors) {
  for (const auto& [cell, reason] :
       std::vector<std::pair<std::string, std::string>>{{"1 x", "element 1 is not a number"},
                                                        {"[1 2", "no closing"},
                                                        {"{vector: [1]}", "is a JSON object"},
                                                        {"", "empty"},
                                                        {"1 2 3", "expected 2"},
                                                        {"1 nan", "not finite"}}) {
    const auto read = Read("id,vector\n1,1 2\n2," + cell + "\n");
    ASSERT_EQ(read.problems.size(), 1u) << cell;
    EXPECT_THAT(read.problems[0].reason, HasSubstr(reason));
  }
}

TEST(CsvSourceTest, TakesOtherDelimiters) {
  SourceOptions options;
  options.mapping.csv_delimiter = '\t';
  const auto read = Read("id\tvector\n1\t1,2\n", options);
  ASSERT_EQ(read.rows.size(), 1u);
  EXPECT_THAT(read.rows[0].vector, ElementsAre(1, 2));
}

TEST(CsvSourceTest, SkippedRowsKeepTheirNumbers) {
  auto source = Open("id,vector\n1,1\n\"2,1\n3,1\n4,1\n");
  ASSERT_TRUE(source);
  OpContext ctx(RealClock());
  ASSERT_TRUE((*source)->SkipRows(ctx, 2).ok());
  const auto read = ReadAll(**source);
  ASSERT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.rows[0].id, "3");
  EXPECT_EQ(read.rows[0].number, 3u);
}

TEST(CsvSourceTest, RefusesFilesThatCannotBeMapped) {
  EXPECT_THAT(Read("").status.message(), HasSubstr("header"));
  EXPECT_THAT(Read("id,n\n1,2\n").status.message(), HasSubstr("--vector-column"));
  EXPECT_THAT(Read("id,id,vector\n1,2,3\n").status.message(), HasSubstr("occurs 2 times"));
  EXPECT_THAT(Read("id,vector\n1,x\n").status.message(), HasSubstr("no vector in the first"));
  SourceOptions options;
  options.mapping.exclude = {"gone"};
  EXPECT_THAT(Read("id,vector\n1,1\n", options).status.message(), HasSubstr("no column 'gone'"));
}

}  // namespace
}  // namespace akidb
