// Reads the tests of a leaf: match, range, geo areas, values_count and the short forms.
//
// Threads: pure functions over one ParseState.
// Errors:  kInvalidArgument (reason "invalid_filter").
#pragma once

#include <string_view>

#include "base/limits.h"
#include "base/status.h"
#include "filter/expr.h"
#include "filter/json_fields.h"

namespace akidb::filter {

// What the parts of one parse share.
struct ParseState {
  explicit ParseState(const Limits& l) : limits(l) {}

  // Accounts for entries of value lists and words.
  Status CountValues(size_t count);
  Status LimitError(std::string_view what, size_t value, std::string_view limit_name, size_t limit) const;

  const Limits& limits;
  Pointer at;
  size_t values = 0;
};

// `test.name` is the field's name in the condition, `test.value` is given.
Result<ValueTest> ParseTest(const Field& test, ParseState& state);
// The path is left empty.
Result<ValuesCount> ParseValuesCount(const JsonElement& json, ParseState& state);
// Strings, and integers as their decimal text.
Result<HasId> ParseHasId(const JsonElement& json, ParseState& state);

}  // namespace akidb::filter
