// Time from a filter to a bitmap by columns, and what the columns cost.
// Usage: column_bench PAYLOADS.jsonl [rows] [filter ...]
// One JSON object a line, repeated until there are so many rows.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "filter/column_builder.h"
#include "filter/column_filter.h"
#include "filter/column_format.h"
#include "simd/kernels.h"

#include <simdjson.h>

namespace akidb {
namespace {

using Clock = std::chrono::steady_clock;

double Micros(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

class Columns final : public ColumnSource {
 public:
  Columns(PayloadColumns built, uint32_t row_count) : row_count_(row_count), tree_(std::move(built.tree)) {
    for (filter::Column& column : built.columns) {
      columns_.push_back(std::make_shared<const filter::Column>(std::move(column)));
    }
  }
  uint32_t row_count() const override { return row_count_; }
  const filter::ColumnTree& tree() const override { return tree_; }
  Result<std::shared_ptr<const filter::Column>> Get(OpContext&, uint32_t column) override { return columns_[column]; }
  std::optional<uint32_t> FindId(std::string_view) const override { return std::nullopt; }

 private:
  uint32_t row_count_;
  filter::ColumnTree tree_;
  std::vector<std::shared_ptr<const filter::Column>> columns_;
};

void Measure(const std::string& json, Columns& columns) {
  simdjson::dom::parser parser;
  const auto filter = Filter::Parse(parser.parse(simdjson::padded_string(json)).value(), Limits());
  if (!filter) {
    std::printf("%s\n", filter.error().ToString().c_str());
    std::exit(1);
  }
  OpContext ctx(RealClock());
  std::vector<double> micros;
  size_t matching = 0;
  size_t undecided = 0;
  const auto start = Clock::now();
  while (micros.size() < 5 || Micros(start) < 1e6) {
    const auto begin = Clock::now();
    const auto match = MatchColumns(ctx, **filter, columns).value();
    matching = Kernels().count_bits(match.matching.data(), match.matching.size());
    micros.push_back(Micros(begin));
    undecided = Kernels().count_bits(match.undecided.data(), match.undecided.size());
  }
  std::ranges::sort(micros);
  std::printf("%9.1f us median %9.1f us p99  %8zu match %8zu undecided  %s\n", micros[micros.size() / 2],
              micros[micros.size() * 99 / 100], matching, undecided, json.c_str());
}

void Run(const char* file, uint32_t row_count, const std::vector<std::string>& filters) {
  std::vector<std::string> payloads;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) payloads.push_back(line);
  if (payloads.empty()) std::exit(1);
  const auto begin = Clock::now();
  const auto builder = ColumnBuilder::New({});
  for (uint32_t row = 0; row < row_count; ++row) builder->Add(payloads[row % payloads.size()]);
  PayloadColumns built = builder->Finish();
  std::printf("%u rows, kernels %s, built in %.2f us a row\n", row_count, std::string(Kernels().name).c_str(),
              Micros(begin) / row_count);
  uint64_t all = 0;
  for (uint32_t i = 0; i < built.columns.size(); ++i) {
    const filter::Column& column = built.columns[i];
    const size_t bytes = EncodeColumn(column).size();
    all += bytes;
    std::printf("  %-20s %u byte codes, %7zu numbers, %7u strings, %8zu lists of %9u values, %10zu bytes\n",
                built.tree.nodes[i].name.c_str(), column.codes.width(), column.numbers.size(), column.string_count(),
                column.list_ends.size(), column.list_codes.size(), bytes);
  }
  std::printf("  %.1f bytes a row, not packed\n", static_cast<double>(all) / row_count);
  Columns columns(std::move(built), row_count);
  for (const std::string& filter : filters) Measure(filter, columns);
}

}  // namespace
}  // namespace akidb

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::string gt = R"({"key":"installed_size_kib","range":{"gt":1000}})";
  std::vector<std::string> filters = {
      R"({"must":[{"key":"lang","value":"fr"},)" + gt + "]}",
      R"({"key":"lang","value":"fr"})",
      gt,
      R"({"key":"lang","in":["fr","ja","es"]})",
      R"({"must_not":[{"key":"section","in":["libs","net","doc"]}]})",
      R"({"key":"name","match":{"prefix":"lib"}})",
      R"({"key":"name","match":{"text":"python"}})",
      R"({"key":"tags","value":"role::program"})",
      R"({"key":"depends","value":"libc6"})",
      R"({"key":"depends","values_count":{"gte":10}})",
      R"({"is_empty":{"key":"homepage"}})",
  };
  if (argc > 3) filters.assign(argv + 3, argv + argc);
  akidb::Run(argv[1], argc > 2 ? static_cast<uint32_t>(std::atoi(argv[2])) : 1'000'000, filters);
}
