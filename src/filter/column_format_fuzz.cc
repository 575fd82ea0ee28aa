// Any bytes as a tree of columns and as a column: what is accepted is written back as it was, and filters may be asked.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "filter/column_filter.h"
#include "filter/column_format.h"
#include "filter/filter_testing.h"

namespace akidb {
namespace {

constexpr std::string_view kFilters[] = {
    R"({"key":"a","match":{"any":["x","yy",2,1.5,true]}})",
    R"({"key":"a","match":{"except":["x",2]}})",
    R"({"key":"a","match":{"text":"hello world"}})",
    R"({"key":"a","match":{"prefix":"x"}})",
    R"({"key":"a","range":{"gt":-9223372036854775808,"lte":1e9}})",
    R"({"key":"a","range":{"gte":"2024-05-01T10:00:00+02:00","lt":"2025-01-01"}})",
    R"({"min_should":2,"should":[{"key":"a","values_count":{"gte":2}},{"is_null":{"key":"a"}},{"is_empty":{"key":"a"}}]})",
    R"({"nested":{"key":"a","filter":{"must_not":{"key":"b","value":1}}}})",
};

// The column is that of "a".
class OneColumn final : public ColumnSource {
 public:
  OneColumn(filter::Column column, uint32_t row_count)
      : column_(std::make_shared<const filter::Column>(std::move(column))), row_count_(row_count) {
    tree_.nodes.push_back({.name = "a"});
  }
  uint32_t row_count() const override { return row_count_; }
  const filter::ColumnTree& tree() const override { return tree_; }
  Result<std::shared_ptr<const filter::Column>> Get(OpContext&, uint32_t) override { return column_; }
  std::optional<uint32_t> FindId(std::string_view) const override { return std::nullopt; }

 private:
  std::shared_ptr<const filter::Column> column_;
  uint32_t row_count_;
  filter::ColumnTree tree_;
};

void AskAll(filter::Column decoded, uint32_t row_count) {
  static const auto* filters = [] {
    auto* parsed = new std::vector<std::shared_ptr<const Filter>>;
    for (const std::string_view text : kFilters) parsed->push_back(ParseFilterText(text).value());
    return parsed;
  }();
  OneColumn column(std::move(decoded), row_count);
  OpContext ctx(RealClock());
  for (const auto& filter : *filters) {
    const auto match = MatchColumns(ctx, *filter, column);
    AKI_CHECK(match.has_value());
    for (size_t i = 0; i < match->undecided.size(); ++i) {
      AKI_CHECK((match->undecided[i] & match->matching[i]) == 0);
    }
  }
}

void Run(std::string_view bytes) {
  if (const auto tree = filter::DecodeColumnTree(bytes)) AKI_CHECK(filter::EncodeColumnTree(*tree) == bytes);
  if (bytes.size() < sizeof(uint32_t)) return;
  // The segment would say how many rows there are; here the column is asked.
  const auto row_count = GetLe<uint32_t>(bytes.data());
  auto column = filter::DecodeColumn(bytes, row_count);
  if (!column) return;
  AKI_CHECK(filter::EncodeColumn(*column) == bytes);
  if (row_count > 0) AskAll(std::move(*column), row_count);
}

}  // namespace
}  // namespace akidb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akidb::Run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
