// A fixed run of zeroed memory on 2-MiB pages where the system has them, for what is scanned end to end.
//
// Threads: movable value; concurrent reads are fine.
// Errors:  Create: kResourceExhausted.
#pragma once

#include <cstddef>
#include <utility>

#include "base/status.h"

namespace akidb {

class HugeArena {
 public:
  static Result<HugeArena> Create(size_t size_bytes);
  HugeArena() = default;
  HugeArena(HugeArena&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  HugeArena& operator=(HugeArena&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~HugeArena();

  // At least 4-KiB aligned; 2-MiB aligned from 2 MiB on.
  char* data() const { return data_; }
  size_t size_bytes() const { return size_; }

 private:
  HugeArena(char* data, size_t size) : data_(data), size_(size) {}
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace akidb
