// hnswlib with a filter in C++, as a process that answers orders: Python's filter is a call into the interpreter for
// every node, which says nothing about the library. Built by systems.py from the headers of hnswlib's source package.
//
// usage: hnswlib_filter INDEX DIM ROWS METRIC
//
// INDEX is what hnswlib has saved. An order is "QUERIES.npy EF RESULTS MASK.npy"; queries are f32, a mask one byte a
// row.
#include <hnswlib/hnswlib.h>
#include <time.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr size_t kResults = 10;
constexpr double kPointSeconds = 0.1;

class Passing : public hnswlib::BaseFilterFunctor {
 public:
  explicit Passing(const std::vector<char>& mask) : mask_(mask) {}
  bool operator()(hnswlib::labeltype row) override { return mask_[row] != 0; }

 private:
  const std::vector<char>& mask_;
};

// What follows the header of a file of numpy's.
std::vector<char> ReadNpy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.size() < 10) return {};
  const auto byte = [&](size_t at) { return static_cast<size_t>(static_cast<unsigned char>(bytes[at])); };
  const size_t begin = 10 + byte(8) + 256 * byte(9);
  return {bytes.begin() + static_cast<ptrdiff_t>(std::min(begin, bytes.size())), bytes.end()};
}

double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const size_t dim = std::stoul(argv[2]);
  hnswlib::L2Space space(dim);
  hnswlib::HierarchicalNSW<float> index(&space, argv[1]);
  std::printf("{\"n\":%s,\"dim\":%zu}\n", argv[3], dim);
  std::fflush(stdout);
  std::map<std::string, std::vector<char>> files;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string queries_path, results_path, mask_path;
    size_t ef = 0;
    words >> queries_path >> ef >> results_path >> mask_path;
    for (const std::string& path : {queries_path, mask_path}) {
      if (!files.contains(path)) files[path] = ReadNpy(path);
    }
    const auto* queries = reinterpret_cast<const float*>(files[queries_path].data());
    const size_t count = files[queries_path].size() / (dim * sizeof(float));
    Passing passing(files[mask_path]);
    index.setEf(std::max(ef, kResults));
    std::vector<uint32_t> rows;
    size_t searches = 0;
    const double began = CpuSeconds();
    double cpu = 0;
    do {
      rows.assign(count * kResults, UINT32_MAX);
      for (size_t i = 0; i < count; ++i) {
        auto found = index.searchKnn(queries + i * dim, kResults, &passing);
        for (size_t at = i * kResults; !found.empty(); found.pop())
          rows[at++] = static_cast<uint32_t>(found.top().second);
      }
      searches += count;
      cpu = CpuSeconds() - began;
    } while (cpu < kPointSeconds);
    std::ofstream(results_path, std::ios::binary)
        .write(reinterpret_cast<const char*>(rows.data()), static_cast<std::streamsize>(rows.size() * sizeof rows[0]));
    std::printf("{\"cpu_qps\":%.2f}\n", static_cast<double>(searches) / cpu);
    std::fflush(stdout);
  }
  return 0;
}
