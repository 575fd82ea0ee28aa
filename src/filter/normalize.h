// Makes nodes of the filter tree in normal form, and the canonical text of a whole tree.
// Two trees of equal meaning under reordering, duplication, regrouping and double negation come out equal.
//
// Threads: pure functions.
// Errors:  none.
#pragma once

#include <string>

#include "filter/expr.h"

namespace akidb::filter {

Expr Normalize(HasId leaf);
Expr Normalize(AnyValue leaf);
Expr Normalize(ValuesCount leaf);
Expr Normalize(Nested leaf);
// The children must be in normal form.
Expr Normalize(Group group);
// `expr` must be in normal form, and so is what comes out.
Expr Negate(Expr expr);

// The canonical JSON of a finished tree; what was kept in its leaves to make it is freed.
std::string TakeText(Expr& expr);

}  // namespace akidb::filter
