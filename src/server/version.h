// The version of this build.
//
// Threads: constant.
// Errors:  none.
#pragma once

#include <string_view>

namespace akidb {

std::string_view Version();  // "0.1.0"

}  // namespace akidb
