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

PagesAhead::PagesAhead(const HugeArena& arena, std::chrono::nanoseconds slow)
    : data_(arena.data()), size_(arena.size_bytes()), slow_(slow) {
  if (size_ >= kAheadBytesMin) thread_ = std::thread([this] { Take(); });
}

PagesAhead::~PagesAhead() {
  stopped_.store(true, std::memory_order_relaxed);
  if (!thread_.joinable()) return;
  thread_.join();
  if (small_) madvise(data_, size_, MADV_HUGEPAGE);
}

void PagesAhead::Take() {
  for (size_t at = 0; at < size_ && !stopped_.load(std::memory_order_relaxed); at += kHugePageBytes) {
    const auto begun = std::chrono::steady_clock::now();
    // What the system does not want to do now is done by who writes.
    if (madvise(data_ + at, std::min(kHugePageBytes, size_ - at), MADV_POPULATE_WRITE) != 0) return;
    if (small_ || std::chrono::steady_clock::now() - begun < slow_) continue;
    small_ = madvise(data_, size_, MADV_NOHUGEPAGE) == 0;
  }
}

}  // namespace akidb
