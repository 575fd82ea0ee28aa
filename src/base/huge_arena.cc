#include "base/huge_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace akidb {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kHugePageBytes = 2u << 20;
constexpr size_t kAheadBytesMin = 16u << 20;  // below it a thread costs as much as it spares

}  // namespace

Result<HugeArena> HugeArena::Create(size_t size_bytes) {
  const size_t size = (size_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  const bool huge = size >= kHugePageBytes;
  const size_t reserved = size + (huge ? kHugePageBytes : 0);
  void* base = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return std::unexpected(ResourceExhausted("no memory for an arena of " + std::to_string(size) + " bytes"));
  }
  char* data = static_cast<char*>(base);
  if (huge) {
    // What lies before and after the aligned part goes back, so that the arena costs its size and no more.
    const size_t misaligned = reinterpret_cast<uintptr_t>(data) % kHugePageBytes;
    const size_t head = misaligned == 0 ? 0 : kHugePageBytes - misaligned;
    if (head > 0) munmap(data, head);
    data += head;
    if (head < kHugePageBytes) munmap(data + size, kHugePageBytes - head);
    madvise(data, size, MADV_HUGEPAGE);  // a wish: small pages are slower, not wrong
  }
  return HugeArena(data, size);
}

HugeArena::~HugeArena() {
  if (data_ != nullptr) munmap(data_, size_);
}

PagesAhead::PagesAhead(const HugeArena& arena) {
  if (arena.size_bytes() < kAheadBytesMin) return;
  thread_ = std::thread([this, data = arena.data(), size = arena.size_bytes()] {
    for (size_t at = 0; at < size && !stopped_.load(std::memory_order_relaxed); at += kHugePageBytes) {
      // What the system does not want to do now is done by who writes.
      if (madvise(data + at, std::min(kHugePageBytes, size - at), MADV_POPULATE_WRITE) != 0) return;
    }
  });
}

PagesAhead::~PagesAhead() {
  stopped_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
}

}  // namespace akidb
