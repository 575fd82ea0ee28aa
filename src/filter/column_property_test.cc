// Columns against the exact evaluation of payloads, over random filters and payloads of every shape.
#include <gtest/gtest.h>

#include <map>

#include "base/clock.h"
#include "filter/column_builder.h"
#include "filter/column_filter.h"
#include "filter/column_format.h"
#include "filter/filter_generator_testing.h"
#include "filter/filter_testing.h"

namespace akidb {
namespace {

// Columns that went through their stored form.
class StoredColumns final : public ColumnSource {
 public:
  StoredColumns(const std::vector<std::string>& ids, const std::vector<std::string>& payloads,
                const ColumnOptions& options)
      : row_count_(static_cast<uint32_t>(payloads.size())) {
    const auto builder = ColumnBuilder::New(options);
    for (const std::string& payload : payloads) builder->Add(payload);
    const PayloadColumns built = builder->Finish();
    tree_.complete = false;
    if (!built.empty()) tree_ = filter::DecodeColumnTree(filter::EncodeColumnTree(built.tree)).value();
    EXPECT_EQ(tree_.nodes.size(), built.columns.size());
    for (const filter::Column& column : built.columns) {
      auto decoded = filter::DecodeColumn(filter::EncodeColumn(column), row_count_);
      EXPECT_TRUE(decoded) << decoded.error().ToString();
      columns_.push_back(std::make_shared<const filter::Column>(std::move(*decoded)));
    }
    for (uint32_t row = 0; row < row_count_; ++row) ids_[ids[row]] = row;
  }
  uint32_t row_count() const override { return row_count_; }
  const filter::ColumnTree& tree() const override { return tree_; }
  Result<std::shared_ptr<const filter::Column>> Get(OpContext&, uint32_t column) override { return columns_[column]; }
  std::optional<uint32_t> FindId(std::string_view id) const override {
    const auto found = ids_.find(id);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  uint32_t row_count_;
  filter::ColumnTree tree_;
  std::vector<std::shared_ptr<const filter::Column>> columns_;
  std::map<std::string, uint32_t, std::less<>> ids_;
};

bool Has(const RowBits& bits, size_t row) { return !bits.empty() && (bits[row / 64] >> row % 64 & 1) != 0; }

struct Tally {
  size_t rows = 0;
  size_t matching = 0;
  size_t undecided = 0;
};

// Every row that columns decide is decided as its payload says.
void ExpectAgreement(const Filter& filter, const std::vector<std::string>& ids,
                     const std::vector<std::string>& payloads, StoredColumns& columns, Tally* tally) {
  OpContext ctx(RealClock());
  const auto match = MatchColumns(ctx, filter, columns);
  ASSERT_TRUE(match) << match.error().ToString();
  PaddedEvaluator evaluator(filter);
  for (size_t row = 0; row < payloads.size(); ++row) {
    const bool expected = evaluator.Matches(ids[row], payloads[row]);
    const bool undecided = Has(match->undecided, row);
    ++tally->rows;
    tally->matching += expected ? 1 : 0;
    tally->undecided += undecided ? 1 : 0;
    if (undecided) {
      ASSERT_FALSE(Has(match->matching, row));
      continue;
    }
    ASSERT_EQ(Has(match->matching, row), expected) << filter.Canonical() << "\non " << ids[row] << " " << payloads[row];
  }
  for (size_t row = payloads.size(); row % 64 != 0; ++row) {
    ASSERT_FALSE(Has(match->matching, row) || Has(match->undecided, row)) << "beyond the last row";
  }
}

// Payloads as the generator draws them: of `wild` in ten any shape, the others with one scalar a field.
std::vector<std::string> Payloads(FilterGenerator& generate, size_t count, uint64_t wild) {
  std::vector<std::string> payloads;
  for (size_t i = 0; i < count; ++i) {
    if (generate.Below(20) == 0) {
      payloads.emplace_back();
    } else {
      payloads.push_back(generate.Below(10) < wild ? generate.Payload().Text() : generate.PlainPayload().Text());
    }
  }
  return payloads;
}

Tally CompareAll(uint64_t seed, uint64_t wild, const ColumnOptions& options) {
  FilterGenerator generate(seed);
  Tally tally;
  for (size_t set = 0; set < 20; ++set) {
    const size_t count = 1 + generate.Below(200);
    const std::vector<std::string> payloads = Payloads(generate, count, wild);
    std::vector<std::string> ids = {"id-1", "7"};
    while (ids.size() < count) ids.push_back("row-" + std::to_string(ids.size()));
    ids.resize(count);
    StoredColumns columns(ids, payloads, options);
    for (size_t i = 0; i < 60; ++i) {
      const auto tree = generate.Filter(static_cast<int>(generate.Below(4)));
      const auto filter = ParseFilterText(tree.Text());
      EXPECT_TRUE(filter) << tree.Text();
      ExpectAgreement(**filter, ids, payloads, columns, &tally);
      if (testing::Test::HasFatalFailure()) return tally;
    }
  }
  return tally;
}

TEST(ColumnPropertyTest, AgreeWithPayloadsOfAnyShape) {
  const Tally tally = CompareAll(1, 10, {});
  EXPECT_GT(tally.matching, tally.rows / 10);
  EXPECT_LT(tally.undecided, tally.rows * 6 / 10);
}

TEST(ColumnPropertyTest, DecideAlmostEveryRowOfPlainPayloads) {
  const Tally tally = CompareAll(2, 0, {});
  EXPECT_GT(tally.matching, tally.rows / 10);
  EXPECT_LT(tally.undecided, tally.rows / 10);
}

TEST(ColumnPropertyTest, AgreeWhenDictionariesAndListsAreGivenUp) {
  for (const uint32_t bytes : {1u, 20u, 60u}) {
    CompareAll(3 + bytes, 3, {.column_row_bytes_max = bytes, .rows_min = 1});
    CompareAll(5 + bytes, 3, {.column_row_bytes_max = bytes, .rows_min = 1, .growing_rows_min = 1});
    CompareAll(4 + bytes, 3, {.rows_min = 1, .row_bytes_max = bytes});
  }
}

}  // namespace
}  // namespace akidb
