// Any JSON as a filter: it is refused with a reason, or it evaluates, and its canonical text means the same.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "filter/filter_testing.h"

namespace akidb {
namespace {

constexpr std::string_view kPayloads[] = {
    "",
    R"({"a":1,"b":"hello world","c":null,"d":[],"e":{"f":[{"g":1},{"g":[2,null,true]}]}})",
    R"({"a":[1.5,18446744073709551615,-9223372036854775808,"2024-05-01T10:00:00+02:00"],"at":{"lat":52.5,"lon":-180}})",
    R"({"a":{"a":{"a":[{"a":1},[[{"a":"x"}]]]}},"b":["x","y",false]})",
};

void Run(std::string_view input) {
  Limits limits;
  const auto filter = ParseFilterText(input, limits);
  if (!filter) {
    AKI_CHECK(filter.error().code() == StatusCode::kInvalidArgument);
    return;
  }
  // Short forms grow when written out, so the second reading gets room.
  limits.filter_depth_max *= 4;
  limits.filter_nodes_max *= 4;
  const auto again = ParseFilterText((*filter)->Canonical(), limits);
  AKI_CHECK(again.has_value());
  AKI_CHECK((*again)->Canonical() == (*filter)->Canonical());
  AKI_CHECK((*again)->NeedsPayload() == (*filter)->NeedsPayload());
  PaddedEvaluator evaluator(**filter);
  PaddedEvaluator evaluator_again(**again);
  for (const std::string_view payload : kPayloads) {
    AKI_CHECK(evaluator.Matches("a", payload) == evaluator_again.Matches("a", payload));
  }
}

}  // namespace
}  // namespace akidb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akidb::Run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
