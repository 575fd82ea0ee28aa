// The filter tree of the API: must / should / must_not over leaves on dotted payload paths, parsed once, evaluated
// exactly against payload JSON. Meaning of missing, null and wrong-typed values: docs/guide/filters.md.
//
// Threads: Filter is immutable. A FilterEvaluator belongs to one thread.
// Errors:  Parse: kInvalidArgument (reason "invalid_filter") naming path in the tree, value and limit.
//          Evaluation has none: a payload that is read and is not a JSON object does not match.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/status.h"

namespace simdjson::dom {
class element;
}

namespace akidb {

class Filter {
 public:
  static Result<std::shared_ptr<const Filter>> Parse(const simdjson::dom::element& json, const Limits& limits);
  virtual ~Filter() = default;
  // Equal meaning written with other field order or short forms gives equal text; for caches and logs.
  virtual std::string Canonical() const = 0;
  // True if some leaf reads the payload (a filter of only has_id does not).
  virtual bool NeedsPayload() const = 0;
};

class FilterEvaluator {
 public:
  // `filter` must outlive the evaluator.
  static std::unique_ptr<FilterEvaluator> New(const Filter& filter);
  virtual ~FilterEvaluator() = default;
  // `payload` is a JSON object followed by at least 64 readable bytes; empty means {}.
  virtual bool Matches(std::string_view id, std::string_view payload) = 0;
};

}  // namespace akidb
