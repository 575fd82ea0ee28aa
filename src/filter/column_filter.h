// Evaluates a filter on the columns of a segment: the rows that match, and those that only their payloads can decide.
// The exact evaluation of payloads (filter.h) is what it is held against.
//
// Threads: pure but for the source's own calls.
// Errors:  those of the source; ctx.Check().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/status.h"
#include "filter/column.h"
#include "filter/filter.h"

namespace akidb {

// Bit i % 64 of word i / 64 is row i's; bits beyond the last row are 0.
using RowBits = std::vector<uint64_t>;

class ColumnSource {
 public:
  virtual ~ColumnSource() = default;
  virtual uint32_t row_count() const = 0;
  // No columns and not complete, if there are none.
  virtual const filter::ColumnTree& tree() const = 0;
  virtual Result<std::shared_ptr<const filter::Column>> Get(OpContext& ctx, uint32_t column) = 0;
  virtual std::optional<uint32_t> FindId(std::string_view id) const = 0;
};

struct ColumnMatch {
  RowBits matching;
  RowBits undecided;  // none of them is in `matching`; empty if every row is decided
};

Result<ColumnMatch> MatchColumns(OpContext& ctx, const Filter& filter, ColumnSource& source);

}  // namespace akidb
