#include "filter/column_filter.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <span>
#include <string>

#include "filter/column_test_codes.h"
#include "filter/expr.h"

namespace akidb {
namespace filter {
namespace {

// A table of all codes is asked once a row; each run of codes costs a pass over all rows, which is far cheaper.
constexpr size_t kRunsMax = 8;

// Rows that match for certain, and those that may; `possible` is empty where both are the same.
struct Rows {
  RowBits certain;
  RowBits possible;

  bool decided() const { return possible.empty(); }
  const RowBits& upper() const { return decided() ? certain : possible; }
};

void OrInto(RowBits* to, const RowBits& from) {
  for (size_t i = 0; i < from.size(); ++i) (*to)[i] |= from[i];
}
void AndInto(RowBits* to, const RowBits& from) {
  for (size_t i = 0; i < from.size(); ++i) (*to)[i] &= from[i];
}

class Matcher {
 public:
  Matcher(OpContext& ctx, ColumnSource& source) : ctx_(ctx), source_(source), row_count_(source.row_count()) {}

  // `scope` is the column of the object in which paths start.
  Result<Rows> Eval(const Expr& expr, uint32_t scope) {
    AKI_RETURN_IF_ERROR(ctx_.Check());
    AKI_ASSIGN_OR_RETURN(Rows rows, std::visit([&](const auto& node) { return EvalNode(node, scope); }, expr.node));
    return expr.negated ? Not(std::move(rows)) : std::move(rows);
  }

 private:
  using ColumnPtr = std::shared_ptr<const Column>;
  // Where the values of a path are.
  struct Place {
    ColumnPtr column;  // null: nowhere, or unknown
    uint32_t number = 0;
    bool known = true;
  };

  size_t word_count() const { return (uint64_t{row_count_} + 63) / 64; }
  RowBits None() const { return RowBits(word_count(), 0); }
  RowBits All() const {
    RowBits bits(word_count(), ~0ull);
    if (row_count_ % 64 != 0) bits.back() = (1ull << row_count_ % 64) - 1;
    return bits;
  }
  void Complement(RowBits* bits) const {
    for (uint64_t& word : *bits) word = ~word;
    if (row_count_ % 64 != 0) bits->back() &= (1ull << row_count_ % 64) - 1;
  }
  Rows Not(Rows rows) const {
    Complement(&rows.certain);
    if (rows.decided()) return rows;
    Complement(&rows.possible);
    std::swap(rows.certain, rows.possible);
    return rows;
  }
  Rows Unknown() const { return {.certain = None(), .possible = All()}; }

  Result<Rows> EvalNode(const Group& group, uint32_t scope);
  Result<Rows> EvalNode(const HasId& leaf, uint32_t scope);
  Result<Rows> EvalNode(const AnyValue& leaf, uint32_t scope);
  Result<Rows> EvalNode(const ValuesCount& leaf, uint32_t scope);
  Result<Rows> EvalNode(const Nested& leaf, uint32_t scope);

  Result<Place> Find(const Path& path, uint32_t scope);
  // The rows whose code, or the values whose code in a list, is in `runs`.
  static RowBits InRuns(const Codes& codes, const CodeRuns& runs, uint32_t code_count);
  static bool MayHave(const Column& column, const CodeRuns& runs) {
    return std::ranges::any_of(runs.runs, [&](const CodeRuns::Run& run) { return column.MayHave(run.low, run.high); });
  }
  static void AddListRows(const Column& column, const RowBits& values, RowBits* rows);

  OpContext& ctx_;
  ColumnSource& source_;
  uint32_t row_count_;
};

RowBits Matcher::InRuns(const Codes& codes, const CodeRuns& runs, uint32_t code_count) {
  RowBits bits((uint64_t{codes.size()} + 63) / 64, 0);
  if (runs.runs.size() > kRunsMax) {
    std::vector<uint8_t> in(code_count, 0);
    for (const CodeRuns::Run& run : runs.runs) std::fill(in.begin() + run.low, in.begin() + run.high + 1, uint8_t{1});
    codes.In(in.data(), bits.data());
    return bits;
  }
  RowBits more;
  for (size_t i = 0; i < runs.runs.size(); ++i) {
    const auto [low, high] = runs.runs[i];
    if (i == 0) {
      codes.InRange(low, high, bits.data());
      continue;
    }
    more.resize(bits.size());
    codes.InRange(low, high, more.data());
    OrInto(&bits, more);
  }
  return bits;
}

void Matcher::AddListRows(const Column& column, const RowBits& values, RowBits* rows) {
  size_t list = 0;
  for (size_t word = 0; word < values.size(); ++word) {
    for (uint64_t left = values[word]; left != 0; left &= left - 1) {
      const auto value = static_cast<uint32_t>(word * 64 + static_cast<size_t>(std::countr_zero(left)));
      while (column.list_ends[list] <= value) ++list;
      const uint32_t row = column.list_rows[list];
      (*rows)[row / 64] |= 1ull << row % 64;
    }
  }
}

Result<Matcher::Place> Matcher::Find(const Path& path, uint32_t scope) {
  const ColumnTree& tree = source_.tree();
  uint32_t at = scope;
  for (const std::string& name : path) {
    const std::optional<uint32_t> next = tree.Find(at, name);
    if (!next) return Place{.column = nullptr, .known = tree.CompleteAt(at)};
    at = *next;
  }
  AKI_ASSIGN_OR_RETURN(ColumnPtr column, source_.Get(ctx_, at));
  return Place{.column = std::move(column), .number = at};
}

Result<Rows> Matcher::EvalNode(const HasId& leaf, uint32_t) {
  Rows rows{.certain = None(), .possible = {}};
  for (const std::string& id : leaf.ids) {
    if (const auto row = source_.FindId(id)) rows.certain[*row / 64] |= 1ull << *row % 64;
  }
  return rows;
}

Result<Rows> Matcher::EvalNode(const AnyValue& leaf, uint32_t scope) {
  AKI_ASSIGN_OR_RETURN(const Place place, Find(leaf.path, scope));
  if (!place.column) return place.known ? Rows{.certain = None(), .possible = {}} : Unknown();
  const Column& column = *place.column;
  const TestCodes test = CodesOf(leaf.test, column);
  const auto rows_in = [&column](const CodeRuns& runs) {
    RowBits bits = InRuns(column.codes, runs, column.code_count());
    if (!column.list_ends.empty()) {
      AddListRows(column, InRuns(column.list_codes, runs, column.code_count()), &bits);
    }
    return bits;
  };
  Rows rows{.certain = rows_in(test.pass), .possible = {}};
  if (!MayHave(column, test.undecided)) return rows;
  rows.possible = rows_in(test.undecided);
  OrInto(&rows.possible, rows.certain);
  return rows;
}

Result<Rows> Matcher::EvalNode(const ValuesCount& leaf, uint32_t scope) {
  const auto fits = [&leaf](uint64_t count) { return count >= leaf.min && count <= leaf.max; };
  AKI_ASSIGN_OR_RETURN(const Place place, Find(leaf.path, scope));
  if (!place.column && !place.known) return Unknown();
  if (!place.column) return Rows{.certain = fits(0) ? All() : None(), .possible = {}};
  const Column& column = *place.column;
  CodeRuns codes;
  if (fits(0)) codes.Add(kMissingCode, kNullCode);
  if (fits(1)) codes.Add(kTextCode, column.code_count() - 1);
  Rows rows{.certain = InRuns(column.codes, codes, column.code_count()), .possible = {}};
  uint32_t begin = 0;
  for (size_t list = 0; list < column.list_ends.size(); ++list) {
    const uint32_t row = column.list_rows[list];
    if (fits(column.list_ends[list] - begin)) rows.certain[row / 64] |= 1ull << row % 64;
    begin = column.list_ends[list];
  }
  CodeRuns undecided;
  undecided.Add(kUndecidedCode);
  if (!MayHave(column, undecided)) return rows;
  rows.possible = InRuns(column.codes, undecided, column.code_count());
  OrInto(&rows.possible, rows.certain);
  return rows;
}

// Where a row has one object at the path, the columns below are that object's.
Result<Rows> Matcher::EvalNode(const Nested& leaf, uint32_t scope) {
  AKI_ASSIGN_OR_RETURN(const Place place, Find(leaf.path, scope));
  if (!place.column) return place.known ? Rows{.certain = None(), .possible = {}} : Unknown();
  AKI_ASSIGN_OR_RETURN(Rows rows, Eval(*leaf.filter, place.number));
  CodeRuns object;
  object.Add(kObjectCode);
  CodeRuns undecided;
  undecided.Add(kUndecidedCode);
  const uint32_t code_count = place.column->code_count();
  const RowBits objects = InRuns(place.column->codes, object, code_count);
  RowBits possible = rows.upper();
  AndInto(&possible, objects);
  OrInto(&possible, InRuns(place.column->codes, undecided, code_count));
  AndInto(&rows.certain, objects);
  rows.possible = std::move(possible);
  return rows;
}

// Counts for each row how many of the sets have it, in binary: counters_[b] holds bit b of all counts.
class RowCounters {
 public:
  explicit RowCounters(size_t words) : words_(words) {}
  void Add(RowBits carry) {
    for (RowBits& counter : counters_) {
      uint64_t left = 0;
      for (size_t i = 0; i < words_; ++i) {
        const uint64_t both = counter[i] & carry[i];
        counter[i] ^= carry[i];
        carry[i] = both;
        left |= both;
      }
      if (left == 0) return;
    }
    counters_.push_back(std::move(carry));
  }
  // The rows that were counted `count` times at least.
  RowBits AtLeast(size_t count) const {
    RowBits greater(words_, 0);
    RowBits equal(words_, ~0ull);
    if (count >> counters_.size() != 0) return greater;
    for (size_t bit = counters_.size(); bit-- > 0;) {
      const bool one = (count >> bit & 1) != 0;
      for (size_t i = 0; i < words_; ++i) {
        if (!one) greater[i] |= equal[i] & counters_[bit][i];
        equal[i] &= one ? counters_[bit][i] : ~counters_[bit][i];
      }
    }
    OrInto(&greater, equal);
    return greater;
  }

 private:
  size_t words_;
  std::vector<RowBits> counters_;
};

Result<Rows> Matcher::EvalNode(const Group& group, uint32_t scope) {
  if (group.required == 0) return Rows{.certain = All(), .possible = {}};
  if (group.required > group.children.size()) return Rows{.certain = None(), .possible = {}};
  if (group.required != 1 && !group.all()) {
    RowCounters certain(word_count());
    RowCounters possible(word_count());
    for (const Expr& child : group.children) {
      AKI_ASSIGN_OR_RETURN(Rows rows, Eval(child, scope));
      possible.Add(rows.upper());
      certain.Add(std::move(rows.certain));
    }
    return Rows{.certain = certain.AtLeast(group.required), .possible = possible.AtLeast(group.required)};
  }
  const auto combine = group.all() ? AndInto : OrInto;
  std::optional<Rows> all;
  for (const Expr& child : group.children) {
    AKI_ASSIGN_OR_RETURN(Rows rows, Eval(child, scope));
    if (!all) {
      all = std::move(rows);
      continue;
    }
    if (!all->decided() || !rows.decided()) {
      RowBits possible = all->upper();
      combine(&possible, rows.upper());
      all->possible = std::move(possible);
    }
    combine(&all->certain, rows.certain);
  }
  return std::move(*all);
}

}  // namespace
}  // namespace filter

Result<ColumnMatch> MatchColumns(OpContext& ctx, const Filter& filter, ColumnSource& source) {
  filter::Matcher matcher(ctx, source);
  AKI_ASSIGN_OR_RETURN(filter::Rows rows, matcher.Eval(filter::ExprOf(filter), filter::ColumnTree::kRoot));
  ColumnMatch match{.matching = std::move(rows.certain), .undecided = std::move(rows.possible)};
  uint64_t left = 0;
  for (size_t i = 0; i < match.undecided.size(); ++i) left |= match.undecided[i] &= ~match.matching[i];
  if (left == 0) match.undecided.clear();
  return match;
}

}  // namespace akidb
