// The version of this build.
//
// Threads: constant.
// Errors:  none.
#pragma once

#include <string_view>

namespace akidb {

std::string_view Version();       // "0.1.0"
std::string_view SourceCommit();  // "0123456789ab"; empty if it was not built in a clone

}  // namespace akidb
