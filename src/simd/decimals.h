// Reads numbers as vectors hold them, "-0.0123456789,", some times faster than a general parser does.
//
// Threads: pure functions.
// Errors:  none: what is not of that shape is left to the caller.
#pragma once

#include <cstddef>

namespace akidb {

// Reads numbers of one digit, a point, and at most fourteen digits, each followed by a comma, from *at on into out[0,
// max). Stops before the first of another shape (which may be none of JSON), or that cannot be rounded with certainty,
// or at `end`; moves *at there and says how many were read. `text` is where readable bytes begin, at or before *at; at
// least 64 are readable behind `end`. Reads none where the CPU, or AKIDB_SIMD, has only the scalar set.
size_t ReadDecimals(const char* text, const char** at, const char* end, float* out, size_t max);

}  // namespace akidb
