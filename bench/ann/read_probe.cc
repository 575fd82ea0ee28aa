// How many bytes a second one thread reads at random, in blocks that are asked for some time ahead: the roof over a
// walk through a graph whose nodes are such blocks.
//
// usage: read_probe ARENA_BYTES BLOCK_BYTES
#include <sys/mman.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr size_t kLine = 64;
constexpr size_t kHugePage = 2 << 20;
constexpr double kSeconds = 0.5;
constexpr int kRounds = 3;

double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

uint64_t Next(uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const size_t bytes = (std::strtoull(argv[1], nullptr, 10) + kHugePage - 1) / kHugePage * kHugePage;
  const size_t block = (std::strtoull(argv[2], nullptr, 10) + kLine - 1) / kLine * kLine;
  if (block == 0 || bytes / block < 2) return 2;
  auto* arena = static_cast<uint8_t*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (arena == MAP_FAILED) return 1;
  madvise(arena, bytes, MADV_HUGEPAGE);
  for (size_t at = 0; at < bytes; at += kLine) arena[at] = static_cast<uint8_t>(at >> 6);
  const size_t blocks = bytes / block;
  double best = 0;
  uint64_t state = 88172645463325252u, sum = 0;
  // How many blocks are asked for ahead is what a walk may choose too: the best counts.
  for (const size_t ahead : {1, 2, 4, 8}) {
    for (int round = 0; round < kRounds; ++round) {
      std::vector<const uint8_t*> queue(ahead, arena);
      uint64_t read = 0;
      const double began = CpuSeconds();
      double now = began;
      while (now - began < kSeconds / kRounds) {
        for (size_t i = 0; i < 1024; ++i) {
          const uint8_t*& slot = queue[i % ahead];
          for (size_t at = 0; at < block; at += kLine) {
            uint64_t word;
            __builtin_memcpy(&word, slot + at, sizeof word);
            sum += word;
          }
          slot = arena + Next(state) % blocks * block;
          for (size_t at = 0; at < block; at += kLine) __builtin_prefetch(slot + at, 0, 2);
        }
        read += 1024 * block;
        now = CpuSeconds();
      }
      const double speed = static_cast<double>(read) / (now - began);
      if (speed > best) best = speed;
    }
  }
  std::printf("{\"bytes_per_s\":%.0f,\"arena_bytes\":%zu,\"block_bytes\":%zu,\"sum\":%llu}\n", best, bytes, block,
              static_cast<unsigned long long>(sum));
  return 0;
}
