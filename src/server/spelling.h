// What somebody may have meant by a word that is not known.
//
// Threads: pure.
// Errors:  none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace akidb {

// "; did you mean 'server.listen'?", or "" if none of `known` is near.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& known);

}  // namespace akidb
