#include "filter/column_builder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace akidb {
namespace {

using filter::Column;
using filter::ColumnTree;

PayloadColumns Build(const std::vector<std::string>& payloads, const ColumnOptions& options = {}) {
  const auto builder = ColumnBuilder::New(options);
  for (const std::string& payload : payloads) builder->Add(payload);
  return builder->Finish();
}

std::vector<uint32_t> CodesOf(const Column& column) {
  std::vector<uint32_t> codes;
  for (uint32_t row = 0; row < column.codes.size(); ++row) codes.push_back(column.codes.At(row));
  return codes;
}

// Of a column without numbers or strings: the codes that all columns share.
std::vector<uint32_t> KindsOf(const std::vector<std::string>& payloads) {
  const PayloadColumns built = Build(payloads);
  EXPECT_EQ(built.tree.nodes[0].name, "a");
  return CodesOf(built.columns[0]);
}

TEST(ColumnBuilderTest, ValuesAreNumberedInTheirOrder) {
  const PayloadColumns built = Build({R"({"a":"y"})", R"({"a":2})", R"({"a":"x"})", R"({"a":1.5})", R"({"a":2.0})"});
  ASSERT_EQ(built.columns.size(), 1u);
  const Column& column = built.columns[0];
  EXPECT_EQ(CodesOf(column), (std::vector<uint32_t>{11, 9, 10, 8, 9}));
  EXPECT_EQ(column.numbers, (std::vector{filter::Number(1.5), filter::Number(int64_t{2})}));
  EXPECT_EQ(column.String(0), "x");
  EXPECT_EQ(column.codes.width(), 1u);
}

TEST(ColumnBuilderTest, EachShapeOfAValueHasItsCode) {
  using namespace filter;  // NOLINT(google-build-using-namespace)
  const std::string long_text(kColumnStringBytesMax + 1, 'x');
  EXPECT_EQ(KindsOf({R"({"a":null})", "", "{}", R"({"a":[]})", R"({"a":[null]})", R"({"a":[true,false]})",
                     R"({"a":{}})", R"({"a":false})", R"({"a":true})", R"({"a":")" + long_text + "\"}"}),
            (std::vector{kNullCode, kMissingCode, kMissingCode, kListCode, kListCode, kListCode, kObjectCode,
                         kFalseCode, kTrueCode, kTextCode}));
  EXPECT_EQ(KindsOf({R"({"a":[true]})", R"({"a":[[true]]})", R"({"a":[{"b":1}]})"}),
            (std::vector{kTrueCode, kUndecidedCode, kUndecidedCode}));
}

TEST(ColumnBuilderTest, AFieldThatIsThereTwiceCountsOnce) {
  EXPECT_EQ(KindsOf({R"({"a":true,"a":false})", R"({"a":null,"b":1,"a":true})"}),
            (std::vector{filter::kTrueCode, filter::kNullCode}));
}

TEST(ColumnBuilderTest, ArraysOfObjectsMakeListsOfTheirFields) {
  const PayloadColumns built = Build({R"({"a":[{"b":true},{"b":[false,null]},[{"b":true}]]})"});
  ASSERT_EQ(built.columns.size(), 2u);
  EXPECT_EQ(built.tree.nodes[1], (ColumnTree::Node{.parent = 0, .name = "b"}));
  EXPECT_EQ(CodesOf(built.columns[1]), std::vector{filter::kListCode});
  EXPECT_EQ(built.columns[1].list_ends, std::vector{4u});
}

TEST(ColumnBuilderTest, CodesGrowWiderWithTheDictionary) {
  std::vector<std::string> payloads;
  for (int i = 0; i < 70'000; ++i) {
    payloads.push_back(R"({"a":)" + std::to_string(i % 200) + R"(,"b":)" + std::to_string(i % 20'000) + R"(,"c":)" +
                       std::to_string(i) + "}");
  }
  const PayloadColumns built = Build(payloads);
  EXPECT_EQ(built.columns[0].codes.width(), 1u);
  EXPECT_EQ(built.columns[1].codes.width(), 2u);
  EXPECT_EQ(built.columns[2].codes.width(), 4u);
  for (uint32_t row = 0; row < payloads.size(); ++row) {
    ASSERT_EQ(built.columns[1].codes.At(row), filter::kValueCode + row % 20'000);
    ASSERT_EQ(built.columns[2].codes.At(row), filter::kValueCode + row);
  }
}

TEST(ColumnBuilderTest, WhatHasTooManyValuesKeepsTheirKind) {
  std::vector<std::string> payloads;
  for (int i = 0; i < 3000; ++i) {
    payloads.push_back(R"({"text":"the text of row )" + std::to_string(i) + R"(","lang":"fr"})");
  }
  const PayloadColumns built = Build(payloads);
  EXPECT_EQ(CodesOf(built.columns[0]), std::vector<uint32_t>(3000, filter::kTextCode));
  EXPECT_FALSE(built.columns[0].text_is_long);
  EXPECT_EQ(CodesOf(built.columns[1]), std::vector<uint32_t>(3000, filter::kValueCode));
}

TEST(ColumnBuilderTest, FieldsBeyondTheLimitAreKnownToBeLeftOut) {
  std::string payload = "{";
  for (int i = 0; i < 70; ++i) payload += (i == 0 ? "\"f" : ",\"f") + std::to_string(i) + "\":{\"x\":1}";
  const PayloadColumns built = Build({payload + "}"});
  EXPECT_EQ(built.columns.size(), ColumnTree::kColumnsMax);
  EXPECT_FALSE(built.tree.complete);
  EXPECT_TRUE(built.tree.nodes[0].complete);
  EXPECT_TRUE(built.tree.nodes[1].complete);
  const PayloadColumns few = Build({R"({"a":{"b":1}})"});
  EXPECT_TRUE(few.tree.complete);
}

TEST(ColumnBuilderTest, TimesInOrderAreMarked) {
  EXPECT_TRUE(Build({R"({"a":"2024-05-01"})", R"({"a":"2024-05-02T10:00:00Z"})"}).columns[0].strings_are_times);
  EXPECT_FALSE(Build({R"({"a":"2024-05-01"})", R"({"a":"soon"})"}).columns[0].strings_are_times);
  // As text the first is smaller, as time it is greater.
  EXPECT_FALSE(
      Build({R"({"a":"2024-05-01T10:00:00-05:00"})", R"({"a":"2024-05-01T11:00:00Z"})"}).columns[0].strings_are_times);
}

TEST(ColumnBuilderTest, NoColumnsWhereAPayloadIsNoObject) {
  EXPECT_TRUE(Build({R"({"a":1})", "[1]"}).empty());
  EXPECT_TRUE(Build({R"({"a":1})", R"({"a":)"}).empty());
  EXPECT_TRUE(Build({"", "{}"}).empty());
}

}  // namespace
}  // namespace akidb
