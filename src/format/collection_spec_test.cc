#include "format/collection_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

namespace akidb {
namespace {

using testing::HasSubstr;

Result<CollectionSpec> Parse(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  EXPECT_EQ(parser.parse(json.data(), json.size()).get(root), simdjson::SUCCESS) << json;
  return ParseCollectionSpec(root, Limits{});
}

std::string SpecError(std::string_view json) {
  const auto spec = Parse(json);
  if (spec) return "accepted";
  EXPECT_EQ(spec.error().code(), StatusCode::kInvalidArgument);
  return std::string(spec.error().message());
}

std::string SpecWith(std::string_view fields) {
  return R"({"name":"docs","vector_dim":384,"distance":"Cosine",)" + std::string(fields) + "}";
}

std::string Write(const CollectionSpec& spec) {
  std::string out;
  JsonWriter writer(&out);
  WriteCollectionSpec(spec, &writer);
  return out;
}

TEST(CollectionSpecTest, DefaultsAreThoseOfTheProduct) {
  const auto spec = Parse(R"({"name":"docs","vector_dim":384,"distance":"Cosine"})");
  ASSERT_TRUE(spec) << spec.error().ToString();
  EXPECT_EQ(Write(*spec),
            R"({"name":"docs","vector_dim":384,"distance":"Cosine","vector_type":"f32","ack":"local",)"
            R"("index":{"kind":"auto","m":16,"ef_construction":200,"layout":"auto"},"recall":0.95,"schema":{}})");
}

TEST(CollectionSpecTest, WrittenSpecReadsBackEqual) {
  const auto spec = Parse(
      R"({"schema": {"lang": "keyword", "n": [1, 2.50, -0.0, 1e300, "\u00e9\n"]}, "recall": 1, "ack": "committed",
          "index": {"layout": "fast", "kind": "hnsw", "m": 48}, "vector_type": "int8", "distance": "DotProduct",
          "vector_dim": 16384, "name": "A.b_c-9"})");
  ASSERT_TRUE(spec) << spec.error().ToString();
  EXPECT_EQ(spec->vector_type, VectorType::kInt8);
  EXPECT_EQ(spec->distance, Distance::kDotProduct);
  EXPECT_EQ(spec->ack, AckLevel::kCommitted);
  EXPECT_EQ(spec->index.kind, IndexKind::kHnsw);
  EXPECT_EQ(spec->index.layout, IndexLayout::kFast);
  EXPECT_EQ(spec->index.m, 48u);
  EXPECT_EQ(spec->index.ef_construction, 200u);
  EXPECT_EQ(Parse(Write(*spec)).value(), *spec);
}

TEST(CollectionSpecTest, ErrorsNameTheField) {
  EXPECT_EQ(SpecError("[]"), "collection must be a JSON object");
  EXPECT_EQ(SpecError(R"({"vector_dim":384,"distance":"Cosine"})"), "name is required");
  EXPECT_EQ(SpecError(R"({"name":"x","distance":"Cosine"})"), "vector_dim is required");
  EXPECT_EQ(SpecError(R"({"name":"x","vector_dim":384})"), "distance is required");
  EXPECT_EQ(SpecError(SpecWith(R"("dim":3)")),
            "dim is not a known field; known are name, vector_dim, distance, vector_type, ack, index, recall, schema");
  EXPECT_EQ(SpecError(SpecWith(R"("index":{"M":3})")),
            "index.M is not a known field; known are kind, m, ef_construction, layout");
  EXPECT_EQ(SpecError(SpecWith(R"("name":"y")")), "name is given twice");
  EXPECT_EQ(SpecError(R"({"name":7,"vector_dim":384,"distance":"Cosine"})"), "name must be a string");
  EXPECT_EQ(SpecError(R"({"name":"x","vector_dim":0,"distance":"Cosine"})"), "vector_dim is 0, must be 1 to 16384");
  EXPECT_EQ(SpecError(R"({"name":"x","vector_dim":16385,"distance":"Cosine"})"),
            "vector_dim is 16385, must be 1 to 16384");
  EXPECT_EQ(SpecError(R"({"name":"x","vector_dim":4294967297,"distance":"Cosine"})"),
            "vector_dim is 4294967297, must be 0 to 4294967295");
  EXPECT_EQ(SpecError(R"({"name":"x","vector_dim":-1,"distance":"Cosine"})"), "vector_dim must be an unsigned integer");
  EXPECT_EQ(SpecError(R"({"name":"x","vector_dim":1,"distance":"cosine"})"),
            R"(distance is "cosine", must be one of "Cosine", "Euclidean", "DotProduct")");
  EXPECT_EQ(SpecError(SpecWith(R"("vector_type":"f64")")),
            R"(vector_type is "f64", must be one of "f32", "f16", "int8")");
  EXPECT_EQ(SpecError(SpecWith(R"("ack":"none")")), R"(ack is "none", must be one of "local", "object", "committed")");
  EXPECT_EQ(SpecError(SpecWith(R"("index":{"m":1})")), "index.m is 1, must be 2 to 128");
  EXPECT_EQ(SpecError(SpecWith(R"("index":{"ef_construction":5000})")),
            "index.ef_construction is 5000, must be 8 to 4096");
  EXPECT_THAT(SpecError(SpecWith(R"("recall":0)")), HasSubstr("recall is 0"));
  EXPECT_THAT(SpecError(SpecWith(R"("recall":1.01)")), HasSubstr("recall is 1.01"));
  EXPECT_EQ(SpecError(SpecWith(R"("schema":[])")), "schema must be a JSON object");
  EXPECT_EQ(SpecError(SpecWith(R"("schema":{"a":")" + std::string(70000, 'x') + "\"}")),
            "schema has 70008 bytes, the limit is 65536");
}

TEST(CollectionSpecTest, ValidateWantsACompactSchema) {
  CollectionSpec spec;
  spec.name = "x";
  spec.dim = 1;
  EXPECT_TRUE(spec.Validate(Limits{}).ok());
  for (const char* schema : {"", "[]", "{\"a\": 1}", "{\"a\":1", "{}}"}) {
    spec.schema_json = schema;
    EXPECT_FALSE(spec.Validate(Limits{}).ok()) << schema;
  }
}

TEST(ValidateNameTest, TakesOnlyWhatMayBecomeAPath) {
  for (const std::string& name :
       {std::string("a"), std::string("9"), std::string("Docs_v1.2-x"), std::string(255, 'x')}) {
    EXPECT_TRUE(ValidateName("name", name).ok()) << name;
  }
  for (const std::string& name :
       {std::string(""), std::string("."), std::string(".."), std::string("-x"), std::string("_x"), std::string("a/b"),
        std::string("../x"), std::string("a%2f"), std::string("a\\b"), std::string("a b"), std::string("a\0b", 3),
        std::string("\xc3\xa9"), std::string(256, 'x')}) {
    EXPECT_FALSE(ValidateName("name", name).ok()) << name;
  }
}

}  // namespace
}  // namespace akidb
