#include "service/core/row_parser.h"

#include <gtest/gtest.h>

#include "format/columns.h"

namespace akidb {
namespace {

class RowParserTest : public testing::Test {
 protected:
  Result<ParsedRows> ParseRows(std::string text, uint32_t dim = 2) {
    body_ = std::move(text);
    body_.reserve(body_.size() + 64);
    return ParseJsonRows(body_, dim, limits_);
  }
  // The reason of the body's error, or of its first bad row.
  std::string Reason(std::string text) {
    const auto rows = ParseRows(std::move(text));
    if (!rows) return std::string(rows.error().reason());
    return rows->problems.empty() ? "" : "row:" + std::string(rows->problems.front().status.reason());
  }

  Limits limits_;
  std::string body_;
};

TEST_F(RowParserTest, ReadsRowsInAnyFieldOrder) {
  const auto rows = ParseRows(R"({"mode":"insert", "vectors": [
    {"id":"a","vector":[1, -2.5e0],"payload":{"t" : "x y", "n":[1, 2]}},
    {"payload":null,"vector":[0.25,3],"id":18446744073709551615}, {"id":"","vector":[1,1],"payload":{}}], "partial":true,"ack":"object"})");
  ASSERT_TRUE(rows) << rows.error().ToString();
  EXPECT_TRUE(rows->problems.empty());
  EXPECT_EQ(rows->rows.ids, (std::vector<std::string_view>{"a", "18446744073709551615", ""}));
  EXPECT_EQ(rows->rows.payloads, (std::vector<std::string_view>{R"({"t":"x y","n":[1,2]})", "", "{}"}));
  EXPECT_EQ(rows->vectors, (std::vector<float>{1, -2.5f, 0.25f, 3, 1, 1}));
  EXPECT_EQ(rows->mode, WriteMode::kInsert);
  EXPECT_EQ(rows->policy, BatchPolicy::kPartial);
  EXPECT_EQ(rows->ack, AckLevel::kObject);
}

TEST_F(RowParserTest, UnescapesIds) {
  const auto rows = ParseRows(R"({"vectors":[{"id":"a\"\u00e9\n","vector":[1,1]},{"id":"日本","vector":[1,1]}]})");
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->rows.ids, (std::vector<std::string_view>{"a\"é\n", "日本"}));
}

TEST_F(RowParserTest, KeepsGoingPastBadRows) {
  const auto rows =
      ParseRows(R"({"vectors":[{"id":"a","vector":[1,"x"]},{"id":"b","vector":[1,2]},{"id":"c","vector":[1,2,3]},
    {"vector":[1,2]},{"id":"e"},{"id":[1],"vector":[1,2]},{"id":"g","vector":[1,2],"payload":[]},{"id":"h","vector":{"x":[1]}},
    {"id":"i","vector":[[1,2]]},{"id":"j","vector":[1,null]},{"id":"k","vector":[1,1e39]},{"id":1.5,"vector":[1,2]},{"id":"z","vector":[3,4]}]})");
  ASSERT_TRUE(rows) << rows.error().ToString();
  EXPECT_EQ(rows->rows.ids, (std::vector<std::string_view>{"b", "z"}));
  EXPECT_EQ(rows->source, (std::vector<uint32_t>{1, 12}));
  EXPECT_EQ(rows->vectors[2], 3);
  std::vector<std::string_view> reasons;
  for (const RowError& problem : rows->problems) reasons.push_back(problem.status.reason());
  EXPECT_EQ(reasons,
            (std::vector<std::string_view>{"invalid_vector", "wrong_dimension", "missing_field", "missing_field",
                                           "invalid_id", "invalid_payload", "invalid_vector", "invalid_vector",
                                           "invalid_vector", "invalid_vector", "invalid_id"}));
  EXPECT_EQ(rows->problems[1].index, 2u);
  EXPECT_EQ(rows->request_ids[2], "c");
}

TEST_F(RowParserTest, RefusesBrokenBodies) {
  for (const char* text :
       {"", "[]", "{", "{\"vectors\"", "{\"vectors\":", "{\"vectors\":[", "{\"vectors\":[{\"id\":\"a\",\"vector\":[1,2",
        "{\"vectors\":[]} x", "{\"vectors\":[],}", "{\"vectors\":[{\"id\":\"a\" \"vector\":[1,2]}]}",
        "{\"vectors\":[{\"id\":\"a\",\"vector\":[1 2]}]}", "{\"vectors\":[{\"id\":\"a\",\"vector\":[1,2]},]}",
        "{\"vectors\":[{\"id\":\"a\",\"vector\":[1,2,]}]}"}) {
    EXPECT_TRUE(Reason(text).ends_with("invalid_json") || Reason(text) == "invalid_field")
        << text << " " << Reason(text);
  }
  EXPECT_EQ(Reason("{}"), "missing_field");
  EXPECT_EQ(Reason(R"({"vectors":[],"vectors":[]})"), "duplicate_field");
  EXPECT_EQ(Reason(R"({"vectors":[],"mode":"upsert","mode":"upsert"})"), "duplicate_field");
  EXPECT_EQ(Reason(R"({"vectors":[{"id":"a","id":"b","vector":[1,2]}]})"), "duplicate_field");
  EXPECT_EQ(Reason(R"({"vectors":[],"extra":1})"), "unknown_field");
  EXPECT_EQ(Reason(R"({"vectors":[{"id":"a","vector":[1,2],"extra":1}]})"), "unknown_field");
  EXPECT_EQ(Reason(R"({"vectors":[],"partial":1})"), "invalid_field");
  EXPECT_EQ(Reason(R"({"vectors":[],"mode":"upset"})"), "invalid_field");
}

TEST_F(RowParserTest, ChecksPayloads) {
  const auto with = [](const std::string& payload) {
    return R"({"vectors":[{"id":"a","vector":[1,2],"payload":)" + payload + "}]}";
  };
  EXPECT_EQ(Reason(with(R"({"a":tru})")), "row:invalid_payload");
  EXPECT_EQ(Reason(with("{\"a\":\"\xff\"}")), "row:invalid_payload");
  EXPECT_EQ(Reason(with("{\"a\":\"\n\"}")), "row:invalid_payload");
  EXPECT_EQ(Reason(with("7")), "row:invalid_payload");
  EXPECT_EQ(Reason(with("{\"a\":" + std::string(63, '[') + std::string(63, ']') + "}")), "");
  EXPECT_EQ(Reason(with("{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}")), "row:invalid_payload");
  EXPECT_EQ(Reason(with("{\"a\":\"" + std::string((256u << 10) - 8, 'x') + "\"}")), "");
  EXPECT_EQ(Reason(with("{\"a\":\"" + std::string((256u << 10) - 7, 'x') + "\"}")), "row:payload_too_large");
  EXPECT_EQ(Reason(with("{\"a\":1}" + std::string(300u << 10, ' '))), "");
}

TEST_F(RowParserTest, SurvivesDeepNesting) {
  const std::string deep = std::string(1000000, '[') + std::string(1000000, ']');
  EXPECT_EQ(Reason(R"({"vectors":[{"id":"a","vector":)" + deep + "}]}"), "invalid_json");
  EXPECT_EQ(Reason(R"({"vectors":[{"id":"a","vector":[1,2],"payload":{"a":)" + deep + "}}]}"), "row:invalid_payload");
  EXPECT_EQ(Reason(std::string(1000000, '{')), "invalid_json");
}

TEST_F(RowParserTest, StopsAtTheRowLimit) {
  limits_.vectors_per_request_max = 2;
  const std::string row = R"({"id":"a","vector":[1,2]})";
  EXPECT_EQ(Reason(R"({"vectors":[)" + row + "," + row + "]}"), "");
  EXPECT_EQ(Reason(R"({"vectors":[)" + row + "," + row + "," + row + "]}"), "too_many_vectors");
}

TEST_F(RowParserTest, EveryTruncationIsAnError) {
  const std::string whole =
      R"({"vectors":[{"id":"a","vector":[1,2.5],"payload":{"k":[1,"x"]}},{"id":7,"vector":[0.1,2]}],"mode":"upsert"})";
  ASSERT_EQ(Reason(whole), "");
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(ParseRows(whole.substr(0, size))) << size;
}

TEST_F(RowParserTest, ReadsColumns) {
  const float vectors[] = {1, 2, 3, 4};
  ColumnBatch batch;
  batch.dim = 2;
  batch.ids = {"a", "b"};
  batch.vectors = {reinterpret_cast<const char*>(vectors), sizeof(vectors)};
  batch.payloads = {R"({ "x": 1 })", ""};
  std::string body = EncodeColumns(batch);
  body.reserve(body.size() + 64);
  const auto rows = ParseColumnRows(body, 2, limits_);
  ASSERT_TRUE(rows) << rows.error().ToString();
  EXPECT_EQ(rows->rows.ids, batch.ids);
  EXPECT_EQ(rows->rows.payloads, (std::vector<std::string_view>{R"({"x":1})", ""}));
  EXPECT_EQ(rows->vectors, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(ParseColumnRows(body, 3, limits_).error().reason(), "wrong_dimension");
}

TEST_F(RowParserTest, DropsColumnRowsWithBadPayloads) {
  const float vectors[] = {1, 2, 3, 4};
  ColumnBatch batch;
  batch.dim = 2;
  batch.ids = {"a", "b"};
  batch.vectors = {reinterpret_cast<const char*>(vectors), sizeof(vectors)};
  batch.payloads = {"[1]", "{}"};
  std::string body = EncodeColumns(batch);
  body.reserve(body.size() + 64);
  const auto rows = ParseColumnRows(body, 2, limits_);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->problems.size(), 1u);
  EXPECT_EQ(rows->rows.ids, (std::vector<std::string_view>{"b"}));
  EXPECT_EQ(rows->rows.vectors[0], 3);
}

}  // namespace
}  // namespace akidb
