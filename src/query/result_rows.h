// Turns places in a snapshot into rows of an answer.
//
// Threads: pure functions.
// Errors:  those of payload reads.
#pragma once

#include <span>

#include "query/search.h"

namespace akidb {

// Elements as float32: halves widened, int8 codes times their scale.
std::vector<float> VectorOf(const VectorRows& rows, RowIndex row);

struct ResultPlace {
  const SearchUnit* unit = nullptr;
  RowIndex row = 0;
  double score = 0;
};

// One row a place, in the same order.
Result<std::vector<ResultRow>> MakeResultRows(OpContext& ctx, std::span<const ResultPlace> places, Include payload,
                                              Include vectors);

}  // namespace akidb
