// The calls of an object store, as decorators count and disturb them.
//
// Threads: constants.
// Errors:  none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace akidb {

enum class StoreOp : uint8_t { kGet, kGetRange, kHead, kPut, kOpenWriter, kAppend, kCommit, kList, kDelete };

// As in metric labels, in the order of StoreOp.
inline constexpr std::array<std::string_view, 9> kStoreOpNames = {"get",    "get_range", "head", "put",   "open_writer",
                                                                  "append", "commit",    "list", "delete"};
inline constexpr size_t kStoreOpCount = kStoreOpNames.size();

constexpr size_t Index(StoreOp op) { return static_cast<size_t>(op); }

}  // namespace akidb
