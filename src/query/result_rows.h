// Turns a place in a snapshot into a row of an answer.
//
// Threads: pure functions.
// Errors:  those of payload reads.
#pragma once

#include "query/search.h"

namespace akidb {

// Elements as float32: halves widened, int8 codes times their scale.
std::vector<float> VectorOf(const VectorRows& rows, RowIndex row);

Result<ResultRow> MakeResultRow(OpContext& ctx, const SearchUnit& unit, RowIndex row, double score, Include payload,
                                Include vectors);

}  // namespace akidb
