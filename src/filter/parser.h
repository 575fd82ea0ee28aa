// Reads the filter tree of the API out of JSON into normal form. Grammar: docs/guide/filters.md.
//
// Threads: pure function.
// Errors:  kInvalidArgument (reason "invalid_filter") naming the place as a JSON pointer into the filter, the value
//          and the limit.
#pragma once

#include "base/limits.h"
#include "base/status.h"
#include "filter/expr.h"

namespace simdjson::dom {
class element;
}

namespace akidb::filter {

Result<Expr> ParseExpr(const simdjson::dom::element& json, const Limits& limits);

}  // namespace akidb::filter
