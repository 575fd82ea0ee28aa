// The OpenAPI 3.1 description of the API, embedded at build from openapi.json.
//
// Threads: constant.
// Errors:  none.
#pragma once

#include <string_view>

namespace akidb {

std::string_view OpenApiJson();

}  // namespace akidb
