// What the disk itself does, without AkiDB: disk_probe FILE CHUNK_BYTES COUNT [append|overwrite]
// Writes COUNT chunks, an fdatasync after each: `append` into a new file, `overwrite` into one that was written with
// zeros before. Prints one JSON object: p50_us, p99_us, mb_per_s.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

bool WriteAll(int fd, const std::string& bytes, off_t offset) {
  return pwrite(fd, bytes.data(), bytes.size(), offset) == static_cast<ssize_t>(bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: disk_probe FILE CHUNK_BYTES COUNT [append|overwrite]\n");
    return 2;
  }
  const size_t chunk = std::strtoull(argv[2], nullptr, 10);
  const size_t count = std::strtoull(argv[3], nullptr, 10);
  const bool overwrite = argc > 4 && std::strcmp(argv[4], "overwrite") == 0;
  const int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool good = fd >= 0;
  if (overwrite) {
    const std::string zeros(1 << 20, '\0');
    for (size_t at = 0; good && at < chunk * count; at += zeros.size())
      good = WriteAll(fd, zeros, static_cast<off_t>(at));
    good = good && fsync(fd) == 0;
  }
  const std::string bytes(chunk, 'x');
  std::vector<double> seconds;
  const auto begin = SteadyClock::now();
  for (size_t i = 0; good && i < count; ++i) {
    const auto start = SteadyClock::now();
    good = WriteAll(fd, bytes, static_cast<off_t>(i * chunk)) && fdatasync(fd) == 0;
    seconds.push_back(SecondsSince(start));
  }
  const double total = SecondsSince(begin);
  unlink(argv[1]);
  if (!good || seconds.empty()) {
    std::perror(argv[1]);
    return 1;
  }
  std::ranges::sort(seconds);
  std::printf("{\"p50_us\":%.1f,\"p99_us\":%.1f,\"mb_per_s\":%.1f}\n", seconds[seconds.size() / 2] * 1e6,
              seconds[seconds.size() * 99 / 100] * 1e6, static_cast<double>(chunk * count) / total / 1e6);
  return 0;
}
