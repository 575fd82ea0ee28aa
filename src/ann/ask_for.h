// Memory asked for before it is read.
//
// Into the second-level cache: Zen 4 reads twice as many lines at random in a second that way as by asking for them
// into the first; Sapphire Rapids hardly cares (docs/internals/ann.md, "Into which cache").
//
// Threads: pure functions; any address will do.
// Errors:  none.
#pragma once

#include <cstddef>

namespace akidb {

inline constexpr size_t kLineBytes = 64;

// Inlined everywhere, since kernels are compiled for more than the baseline.
[[maybe_unused, gnu::always_inline]] static inline void AskForLine(const void* line) { __builtin_prefetch(line, 0, 2); }

// `from` is the begin of a line, or what lies on the last one may come late.
[[maybe_unused, gnu::always_inline]] static inline void AskForLines(const void* from, size_t bytes) {
  for (size_t at = 0; at < bytes; at += kLineBytes) AskForLine(static_cast<const char*>(from) + at);
}

}  // namespace akidb
