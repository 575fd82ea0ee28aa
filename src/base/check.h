// Stops the process on our own bugs. Bytes from network, disk or bucket never reach a check: they get a Status.
//
// Threads: any.
// Errors:  none; a failed check prints file, line and expression to stderr and aborts.
#pragma once

namespace akidb::internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* expression);
}

#define AKI_CHECK(expr)                                                \
  (__builtin_expect(static_cast<bool>(expr), 1) ? static_cast<void>(0) \
                                                : ::akidb::internal::CheckFailed(__FILE__, __LINE__, #expr))

#ifdef NDEBUG
#define AKI_DCHECK(expr) static_cast<void>(0)
#else
#define AKI_DCHECK(expr) AKI_CHECK(expr)
#endif
