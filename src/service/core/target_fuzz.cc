#include "service/core/target.h"

#include <cstdint>
#include <cstdlib>
#include <string>

#include "service/core/router.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto target = akidb::ParseTarget(text);
  if (!target) return 0;
  for (const char* method : {"GET", "POST", "DELETE"}) {
    const akidb::RouteMatch match = akidb::MatchRoute(method, target->segments);
    if (match.route == nullptr) continue;
    for (const std::string& param : match.params) {
      if (param.empty()) std::abort();
    }
  }
  return 0;
}
