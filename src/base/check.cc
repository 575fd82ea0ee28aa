#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace akidb::internal {

void CheckFailed(const char* file, int line, const char* expression) {
  std::fprintf(stderr, "akidb: %s:%d: check failed: %s\n", file, line, expression);
  std::abort();
}

}  // namespace akidb::internal
