// A fixed run of zeroed memory on 2-MiB pages where the system has them, for what is scanned end to end.
//
// Threads: movable value; concurrent reads are fine. PagesAhead is a thread.
// Errors:  Create: kResourceExhausted.
#pragma once

#include <atomic>
#include <cstddef>
#include <thread>
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

// Takes the pages of an arena from the system, from its beginning on, ahead of who writes to it from there: what clears
// them, or on a virtual machine finds them, takes longer than the writing. Nothing for small arenas. What it did not
// come to when it is destroyed is left as it is; the arena must live until then.
class PagesAhead {
 public:
  explicit PagesAhead(const HugeArena& arena);
  ~PagesAhead();
  PagesAhead(const PagesAhead&) = delete;
  PagesAhead& operator=(const PagesAhead&) = delete;

 private:
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace akidb
