// Numbers distinct values in the order in which they are first seen: the dictionary of a column while it is built.
//
// Threads: one table, one thread.
// Errors:  none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace akidb::filter {

class ValueTable {
 public:
  uint32_t size() const { return static_cast<uint32_t>(ends_.size()); }
  // What the values take, with their places.
  uint64_t bytes() const { return bytes_.size() + uint64_t{size()} * sizeof(uint32_t); }
  // The number of `value`, which is added if it is new.
  uint32_t NumberOf(std::string_view value);
  std::string_view Value(uint32_t number) const;
  void Clear() { *this = ValueTable(); }

 private:
  void Grow();

  std::string bytes_;
  std::vector<uint32_t> ends_;
  std::vector<uint32_t> slots_;  // number + 1, 0 if free; a power of two, at most half full
  std::vector<uint32_t> hashes_;
};

}  // namespace akidb::filter
