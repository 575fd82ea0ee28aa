// The exact index: scans the rows in blocks with a float kernel, keeps the few whose true score may be among the best,
// and scores those in double precision. The answer does not depend on the instruction set.
//
// Threads: immutable; Search is thread-safe.
// Errors:  Search: those of ctx.Check().
#pragma once

#include <memory>

#include "ann/vector_index.h"
#include "simd/kernels.h"

namespace akidb {

// NewFlatIndex with the kernels named, for tests and benchmarks.
std::unique_ptr<VectorIndex> NewFlatIndexWith(const VectorRows& rows, Distance distance, const KernelSet& kernels);

}  // namespace akidb
