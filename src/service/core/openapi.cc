#include "service/core/openapi.h"

namespace akidb {

std::string_view OpenApiJson() {
  static constexpr char kBytes[] = {
#include "service/core/openapi_bytes.inc"
  };
  return {kBytes, sizeof(kBytes)};
}

}  // namespace akidb
