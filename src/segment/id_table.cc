#include "segment/id_table.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"

namespace akidb {

IdTable::IdTable(uint32_t row_count, uint64_t ids_bytes)
    : row_count_(row_count), bytes_size_(ids_bytes), bytes_(std::make_unique_for_overwrite<char[]>(ids_bytes)) {
  offsets_.reserve(uint64_t{row_count} + 1);
  group_offsets_.reserve(row_count / kGroupRows + 1);
  PushOffset(0);
}

void IdTable::PushOffset(uint64_t row) {
  if (row % kGroupRows == 0) group_offsets_.push_back(bytes_used_);
  offsets_.push_back(static_cast<uint32_t>(bytes_used_ - group_offsets_.back()));
}

bool IdTable::Append(std::string_view id) {
  const uint64_t row = offsets_.size() - 1;
  if (row == row_count_ || id.empty() || id.size() > bytes_size_ - bytes_used_) return false;
  if (row > 0 && id <= Id(static_cast<RowIndex>(row - 1))) return false;
  std::memcpy(bytes_.get() + bytes_used_, id.data(), id.size());
  bytes_used_ += id.size();
  PushOffset(row + 1);
  return true;
}

bool IdTable::Finish() {
  if (offsets_.size() != uint64_t{row_count_} + 1 || bytes_used_ != bytes_size_) return false;
  slots_.assign(std::min<uint64_t>(uint64_t{row_count_} * 3 / 2 + 1, UINT32_MAX), kEmpty);
  for (RowIndex row = 0; row < row_count_; ++row) {
    uint64_t slot = Slot(Id(row));
    while (slots_[slot] != kEmpty) slot = slot + 1 == slots_.size() ? 0 : slot + 1;
    slots_[slot] = row;
  }
  return true;
}

uint64_t IdTable::Slot(std::string_view id) const { return (Xxh3(id) >> 32) * slots_.size() >> 32; }

std::optional<RowIndex> IdTable::Find(std::string_view id) const {
  for (uint64_t slot = Slot(id); slots_[slot] != kEmpty; slot = slot + 1 == slots_.size() ? 0 : slot + 1) {
    if (Id(slots_[slot]) == id) return slots_[slot];
  }
  return std::nullopt;
}

uint64_t IdTable::memory_bytes() const {
  return bytes_size_ + offsets_.size() * sizeof(uint32_t) + group_offsets_.size() * sizeof(uint64_t) +
         slots_.size() * sizeof(RowIndex);
}

}  // namespace akidb
