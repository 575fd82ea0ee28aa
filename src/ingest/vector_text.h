// A vector written as text: "[0.1, 2]" (JSON) or numbers separated by spaces, commas or semicolons.
//
// Threads: pure function.
// Errors:  kInvalidArgument naming the element.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace akidb {

// Appends the elements to `out`; more than `length_max` of them are refused.
Status AppendVectorText(std::string_view text, size_t length_max, std::vector<float>* out);

}  // namespace akidb
