#include "base/huge_arena.h"

#include <sys/mman.h>

#include <cstdint>
#include <string>

namespace akidb {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kHugePageBytes = 2u << 20;

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

}  // namespace akidb
