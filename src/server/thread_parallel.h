// Threads for work that is cut into independent pieces, started for one Run and ended with it.
//
// Threads: thread-safe; the calling thread works too.
// Errors:  none.
#pragma once

#include <memory>

#include "ann/parallel.h"

namespace akidb {

// `threads` at least 1, the caller's included.
std::unique_ptr<Parallel> NewThreadParallel(int threads);

}  // namespace akidb
