// All ids of a segment in one buffer, and the row of each in constant time.
// Costs the ids' bytes plus about 10 bytes a row.
//
// Threads: immutable after Finish; thread-safe then.
// Errors:  Append says false for ids that do not ascend or do not fit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace akidb {

class IdTable {
 public:
  IdTable(uint32_t row_count, uint64_t ids_bytes);
  // The next id, bytewise after the one before.
  bool Append(std::string_view id);
  // False unless exactly row_count ids of ids_bytes bytes came.
  bool Finish();

  std::string_view Id(RowIndex row) const {
    const uint64_t begin = Offset(row);
    return {bytes_.get() + begin, static_cast<size_t>(Offset(row + 1) - begin)};
  }
  // Brings what Id reads of these rows nearer, all at once.
  void Prefetch(std::span<const RowIndex> rows) const {
    for (const RowIndex row : rows) __builtin_prefetch(offsets_.data() + row);
    for (const RowIndex row : rows) __builtin_prefetch(bytes_.get() + Offset(row));
  }
  std::optional<RowIndex> Find(std::string_view id) const;
  uint64_t memory_bytes() const;

 private:
  // Offsets are 32 bits within a group of rows, so that more than 4 GiB of ids need no second layout.
  static constexpr uint32_t kGroupRows = 4096;
  static constexpr RowIndex kEmpty = UINT32_MAX;

  uint64_t Offset(uint64_t row) const { return group_offsets_[row / kGroupRows] + offsets_[row]; }
  void PushOffset(uint64_t row);
  uint64_t Slot(std::string_view id) const;

  uint32_t row_count_;
  uint64_t bytes_size_;
  uint64_t bytes_used_ = 0;
  std::unique_ptr<char[]> bytes_;
  std::vector<uint32_t> offsets_;  // row_count + 1
  std::vector<uint64_t> group_offsets_;
  std::vector<RowIndex> slots_;  // linear probing, two thirds full
};

}  // namespace akidb
