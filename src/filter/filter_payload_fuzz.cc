// Any bytes as a payload under filters that use every leaf; a filter and its negation never both match.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "filter/filter_testing.h"

namespace akidb {
namespace {

constexpr std::string_view kFilters[] = {
    R"({"key":"a","value":1})",
    R"({"key":"a.b","match":{"any":["x",2,true]}})",
    R"({"key":"a","match":{"except":["x",2]}})",
    R"({"key":"a","match":{"text":"hello world"}})",
    R"({"key":"a\\.b","match":{"prefix":"x"}})",
    R"({"key":"a","range":{"gt":-9223372036854775808,"lte":18446744073709551615}})",
    R"({"key":"a","range":{"gte":"2024-05-01T10:00:00+02:00"}})",
    R"({"key":"a","values_count":{"gte":2,"lt":5}})",
    R"({"is_empty":{"key":"a.b"}})",
    R"({"is_null":{"key":"a"}})",
    R"({"nested":{"key":"a","filter":{"must":[{"key":"b","value":1},{"must_not":{"key":"a","value":2}}]}}})",
    R"({"key":"a","geo_radius":{"center":{"lat":52.5,"lon":13.4},"radius_m":30000}})",
    R"({"key":"a","geo_bounding_box":{"top_left":{"lat":10,"lon":170},"bottom_right":{"lat":-10,"lon":-170}}})",
    R"({"min_should":2,"should":[{"key":"a","value":1},{"key":"b","value":1},{"has_id":["a"]}]})",
};

struct Pair {
  std::shared_ptr<const Filter> filter;
  std::shared_ptr<const Filter> negation;
};

std::vector<Pair> ParsePairs() {
  std::vector<Pair> pairs;
  for (const std::string_view text : kFilters) {
    auto filter = ParseFilterText(text);
    auto negation = ParseFilterText(R"({"must_not":)" + std::string(text) + "}");
    AKI_CHECK(filter.has_value() && negation.has_value());
    pairs.push_back({*filter, *negation});
  }
  return pairs;
}

void Run(std::string_view payload) {
  static const auto* pairs = new std::vector<Pair>(ParsePairs());
  for (const Pair& pair : *pairs) {
    const bool matches = PaddedEvaluator(*pair.filter).Matches("a", payload);
    const bool negation_matches = PaddedEvaluator(*pair.negation).Matches("a", payload);
    AKI_CHECK(!(matches && negation_matches));
  }
}

}  // namespace
}  // namespace akidb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akidb::Run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
