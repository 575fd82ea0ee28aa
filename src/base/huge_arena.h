// A fixed run of zeroed memory on 2-MiB pages where the system has them, for what is scanned end to end.
//
// Threads: movable value; concurrent reads are fine. PagesAhead is a thread.
// Errors:  Create: kResourceExhausted.
#pragma once

#include <atomic>
#include <chrono>
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
// them, or on a virtual machine finds them, takes longer than the writing. A host that took free memory back took it in
// large runs, so where a huge page is slow to come, the rest is taken in small ones, and the system may make huge ones
// of them later. Nothing for small arenas. What it did not come to when it is destroyed is left as it is; the arena
// must live until then.
class PagesAhead {
 public:
  // Clearing a huge page takes 0.1 to 0.3 ms; where the host has to find it first, several.
  static constexpr std::chrono::nanoseconds kSlow = std::chrono::milliseconds(2);
  explicit PagesAhead(const HugeArena& arena, std::chrono::nanoseconds slow = kSlow);
  ~PagesAhead();
  PagesAhead(const PagesAhead&) = delete;
  PagesAhead& operator=(const PagesAhead&) = delete;

 private:
  void Take();

  char* const data_;
  const size_t size_;
  const std::chrono::nanoseconds slow_;
  std::atomic<bool> stopped_{false};
  bool small_ = false;  // of thread_ until it ends
  std::thread thread_;
};

}  // namespace akidb
