// Filters from text, for tests and fuzz targets.
//
// Threads: pure functions.
// Errors:  as Filter::Parse; text that is no JSON gives kInvalidArgument without a reason.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "filter/filter.h"

namespace akidb {

Result<std::shared_ptr<const Filter>> ParseFilterText(std::string_view json, const Limits& limits = Limits());

// Evaluates one payload after another; gives them the padding that evaluators ask for.
class PaddedEvaluator {
 public:
  explicit PaddedEvaluator(const Filter& filter) : evaluator_(FilterEvaluator::New(filter)) {}
  bool Matches(std::string_view id, std::string_view payload);

 private:
  std::unique_ptr<FilterEvaluator> evaluator_;
  std::string padded_;
};

}  // namespace akidb
