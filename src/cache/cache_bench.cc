// What a read from the block cache costs, beside the bare pread of the same bytes: cache_bench DIR [reads per part]
// DIR must not exist; it is created for the run and stays behind. Files are in the page cache: what is measured is
// ours.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "cache/cached_store.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

constexpr uint64_t kObjectBytes = 256ull << 20;
constexpr uint64_t kMib = 1u << 20;
const std::string kKey = "t/default/c/1/segments/00000000000000000001-0123456789abcdef.seg";

template <class T>
T Must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().ToString().c_str());
    std::exit(1);
  }
  return std::move(*result);
}
void Must(Status status) { Must(status.ok() ? Result<int>(0) : std::unexpected(std::move(status))); }

double NowUs() { return std::chrono::duration<double, std::micro>(RealClock().Now().time_since_epoch()).count(); }

double MedianUs(int reads, const std::function<void()>& read) {
  std::vector<double> times;
  for (int i = 0; i < reads; ++i) {
    const double start = NowUs();
    read();
    times.push_back(NowUs() - start);
  }
  std::ranges::nth_element(times, times.begin() + reads / 2);
  return times[static_cast<size_t>(reads) / 2];
}

void Run(const std::string& dir, int reads) {
  OpContext ctx(RealClock());
  Environment env;
  env.clock = &RealClock();
  env.fs = &PosixFileSystem();
  auto below = NewMemoryStore(RealClock());
  ObjectStore* const direct = below.get();
  std::shared_ptr<BlockCache> cache =
      Must(BlockCache::Open(ctx, env, {.dir = dir + "/cache", .size_max = 2 * kObjectBytes, .free_bytes_min = 0}));
  const auto store = NewCachedStore(std::move(below), cache, IsImmutableObjectKey);
  const auto random = NewSeededRandom(1);
  std::string object(kObjectBytes, '\0');
  for (uint64_t at = 0; at < kObjectBytes; at += 8) {
    const uint64_t word = random->Next();
    object.replace(at, 8, reinterpret_cast<const char*>(&word), 8);
  }
  Must(internal::ToStatus(store->Put(ctx, kKey, object, PutCondition::None())));
  const auto raw = Must(PosixFileSystem().Open(dir + "/raw", OpenMode::kCreateNew));
  Must(raw->WriteAt(0, object));

  std::string out(8 * kMib, '\0');
  const auto fill = [&](ObjectStore& from) {
    const double start = NowUs();
    for (uint64_t at = 0; at < kObjectBytes; at += 4 * kMib) {
      Must(from.GetRange(ctx, kKey, {at, at + 4 * kMib}, "", out.data()));
    }
    return (NowUs() - start) / static_cast<double>(kObjectBytes / kMib);
  };
  std::printf("miss, a MiB: %.0f us, of these the store below %.0f us\n", fill(*store), fill(*direct));
  std::printf("checksum of 1 MiB %.1f us, of 4 KiB %.2f us\n", MedianUs(reads, [&] { Xxh3({out.data(), kMib}); }),
              MedianUs(reads, [&] { Xxh3({out.data(), 4096}); }));
  std::printf("%-22s %10s %10s %6s\n", "range", "cache us", "pread us", "ratio");
  struct Part {
    const char* name;
    uint64_t size;
    uint64_t align;
  };
  for (const Part& part :
       {Part{"4 KiB, aligned", 4096, 4096}, Part{"4 KiB, anywhere", 4096, 1}, Part{"64 KiB, aligned", 65536, 4096},
        Part{"64 KiB, anywhere", 65536, 1}, Part{"1 MiB, a block", kMib, kMib}, Part{"4 MiB", 4 * kMib, kMib}}) {
    const auto begin = [&] { return random->Below((kObjectBytes - part.size) / part.align) * part.align; };
    const auto cached = [&] {
      const uint64_t at = begin();
      Must(store->GetRange(ctx, kKey, {at, at + part.size}, "", out.data()));
    };
    const auto bare = [&] { Must(internal::ToStatus(raw->ReadAt(begin(), part.size, out.data()))); };
    MedianUs(reads / 4, cached);
    MedianUs(reads / 4, bare);
    const double cached_us = MedianUs(reads, cached);
    const double bare_us = MedianUs(reads, bare);
    std::printf("%-22s %10.2f %10.2f %6.2f\n", part.name, cached_us, bare_us, cached_us / bare_us);
  }
  const BlockCacheStats stats = cache->Stats();
  std::printf("hits %llu misses %llu corruptions %llu\n", static_cast<unsigned long long>(stats.hits),
              static_cast<unsigned long long>(stats.misses), static_cast<unsigned long long>(stats.corruptions));
}

}  // namespace
}  // namespace akidb

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: cache_bench DIR [reads per part]\n");
    return 2;
  }
  akidb::Run(argv[1], argc > 2 ? std::atoi(argv[2]) : 2000);
  return 0;
}
