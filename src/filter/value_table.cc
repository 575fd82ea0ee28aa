#include "filter/value_table.h"

#include <algorithm>

#include "base/hash.h"

namespace akidb::filter {

std::string_view ValueTable::Value(uint32_t number) const {
  const uint32_t begin = number == 0 ? 0 : ends_[number - 1];
  return std::string_view(bytes_).substr(begin, ends_[number] - begin);
}

void ValueTable::Grow() {
  slots_.assign(std::max<size_t>(64, slots_.size() * 2), 0);
  const size_t mask = slots_.size() - 1;
  for (uint32_t number = 0; number < size(); ++number) {
    size_t slot = hashes_[number] & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = number + 1;
  }
}

uint32_t ValueTable::NumberOf(std::string_view value) {
  if (slots_.size() <= size_t{size()} * 2) Grow();
  const auto hash = static_cast<uint32_t>(Xxh3(value));
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const uint32_t number = slots_[slot] - 1;
    if (hashes_[number] == hash && Value(number) == value) return number;
  }
  slots_[slot] = size() + 1;
  bytes_ += value;
  ends_.push_back(static_cast<uint32_t>(bytes_.size()));
  hashes_.push_back(hash);
  return size() - 1;
}

}  // namespace akidb::filter
