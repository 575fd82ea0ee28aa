// The rows of one segment that may appear in an answer, as a dense bitmap.
//
// Threads: immutable once filled.
// Errors:  none.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/ids.h"
#include "simd/kernels.h"

namespace akidb {

class RowSet {
 public:
  explicit RowSet(uint32_t row_count, bool all = false)
      : row_count_(row_count), words_((row_count + 63) / 64, all ? ~0ull : 0) {
    if (all && row_count % 64 != 0) words_.back() = (1ull << (row_count % 64)) - 1;
  }
  // Bit i % 64 of words[i / 64] is row i's; bits beyond the last row are 0.
  RowSet(uint32_t row_count, std::vector<uint64_t> words) : row_count_(row_count), words_(std::move(words)) {
    AKI_CHECK(words_.size() == (uint64_t{row_count} + 63) / 64);
  }
  uint32_t row_count() const { return row_count_; }
  bool Contains(RowIndex row) const { return (words_[row / 64] >> (row % 64) & 1) != 0; }
  void Add(RowIndex row) { words_[row / 64] |= 1ull << (row % 64); }
  void Remove(RowIndex row) { words_[row / 64] &= ~(1ull << (row % 64)); }
  uint32_t Count() const { return static_cast<uint32_t>(Kernels().count_bits(words_.data(), words_.size())); }
  const std::vector<uint64_t>& words() const { return words_; }

 private:
  uint32_t row_count_;
  std::vector<uint64_t> words_;
};

}  // namespace akidb
