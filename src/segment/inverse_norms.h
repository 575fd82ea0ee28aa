// 1 / euclidean norm of every row, as Cosine search wants it beside the stored elements.
//
// Threads: pure function.
// Errors:  none; a row of zeros gets 0.
#pragma once

#include <vector>

#include "base/vector_types.h"

namespace akidb {

// Sums in double precision, so that the result does not depend on the instruction set.
std::vector<float> InverseNorms(const VectorRows& rows);

}  // namespace akidb
