// Evaluates a filter tree on payload text. Meaning of every leaf: docs/guide/filters.md.
//
// Threads: an evaluator belongs to one thread.
// Errors:  none; a payload that is not a JSON object matches nothing, not even a negation.
#pragma once

#include <memory>

#include "filter/expr.h"
#include "filter/filter.h"

namespace akidb::filter {

// `expr` must outlive the evaluator.
std::unique_ptr<FilterEvaluator> NewExprEvaluator(const Expr& expr);

}  // namespace akidb::filter
