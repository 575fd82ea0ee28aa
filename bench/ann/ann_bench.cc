// Builds the graph index over the vectors of a file, then answers search orders from stdin: one thread, one query a
// call, through the interface that the engine uses. bench/ann/run.py drives it beside other systems.
//
//   ann_bench --vectors V.npy [--type f32|f16|int8] [--distance Cosine|Euclidean|DotProduct] [--ef-construction N]
//             [--rounds N] [--seed N] [--threads N]
//
// Prints one JSON line about the build. Then each line "QUERIES.npy EF K RESULTS" on stdin is answered by one JSON
// line; RESULTS receives K uint32 row numbers a query, or is "-". Times are those of the thread's CPU clock and of the
// wall.
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "ann/exact_score.h"
#include "ann/graph_index.h"
#include "base/clock.h"
#include "npy.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

class Threads final : public Parallel {
 public:
  explicit Threads(int count) : count_(count) {}
  void Run(size_t count, const std::function<void(size_t)>& body) override {
    std::atomic<size_t> next = 0;
    const auto work = [&] {
      for (size_t i = next++; i < count; i = next++) body(i);
    };
    std::vector<std::thread> others;
    for (int i = 1; i < count_; ++i) others.emplace_back(work);
    work();
    for (std::thread& t : others) t.join();
  }

 private:
  int count_;
};

double Seconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Options {
  std::string vectors;
  VectorType type = VectorType::kF16;
  Distance distance = Distance::kCosine;
  GraphOptions graph;
  int threads = 1;
};

Options ParseOptions(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (i + 1 >= argc) BenchFail(name + " needs a value");
    const std::string value = argv[++i];
    if (name == "--vectors") {
      o.vectors = value;
    } else if (name == "--type") {
      if (!ParseVectorType(value)) BenchFail("--type: f32, f16 or int8, not " + value);
      o.type = *ParseVectorType(value);
    } else if (name == "--distance") {
      if (!ParseDistance(value)) BenchFail("--distance: Cosine, Euclidean or DotProduct, not " + value);
      o.distance = *ParseDistance(value);
    } else if (name == "--ef-construction") {
      o.graph.ef_construction = static_cast<uint32_t>(std::stoul(value));
    } else if (name == "--rounds") {
      o.graph.rounds = static_cast<uint32_t>(std::stoul(value));
    } else if (name == "--seed") {
      o.graph.seed = std::stoull(value);
    } else if (name == "--threads") {
      o.threads = std::stoi(value);
    } else {
      BenchFail("unknown option " + name);
    }
  }
  if (o.vectors.empty()) BenchFail("--vectors is needed");
  return o;
}

void Answer(const GraphIndex& index, const Matrix& queries, uint32_t ef, uint32_t k, const std::string& results) {
  std::vector<uint32_t> rows;
  std::vector<double> times;
  GraphSearchStats stats;
  std::vector<Candidate> found;
  const double cpu_start = Seconds(CLOCK_THREAD_CPUTIME_ID);
  for (uint32_t i = 0; i < queries.rows; ++i) {
    const std::span<const float> query(queries.values.data() + static_cast<size_t>(i) * queries.dim, queries.dim);
    OpContext ctx(RealClock());
    const double start = Seconds(CLOCK_MONOTONIC);
    if (!index.SearchWithStats(ctx, {.vector = query, .k = k, .ef_search = ef}, &found, &stats).ok()) {
      BenchFail("a search failed");
    }
    times.push_back((Seconds(CLOCK_MONOTONIC) - start) * 1e6);
    for (uint32_t j = 0; j < k; ++j) rows.push_back(j < found.size() ? found[j].row : UINT32_MAX);
  }
  const double cpu = Seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
  if (results != "-") {
    std::ofstream(results, std::ios::binary)
        .write(reinterpret_cast<const char*>(rows.data()),
               static_cast<std::streamsize>(rows.size() * sizeof(uint32_t)));
  }
  double wall = 0;
  for (const double t : times) wall += t * 1e-6;
  std::ranges::sort(times);
  const double n = queries.rows;
  std::printf(
      "{\"cpu_qps\":%.1f,\"qps\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"hops\":%.1f,\"rescored\":%.1f,\"scanned\":%d}"
      "\n",
      n / cpu, n / wall, times[times.size() / 2], times[times.size() * 99 / 100], static_cast<double>(stats.hops) / n,
      static_cast<double>(stats.rescored) / n, stats.scanned ? 1 : 0);
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  StoredRows rows;
  {
    const Matrix vectors = ReadNpy(options.vectors);
    StoreRows(vectors, options.type, &rows);
  }
  OpContext ctx(RealClock());
  Threads threads(options.threads);
  const double start = Seconds(CLOCK_MONOTONIC), cpu_start = Seconds(CLOCK_PROCESS_CPUTIME_ID);
  auto index = GraphIndex::Build(ctx, rows.view, options.distance, options.graph, threads);
  if (!index) BenchFail(index.error().ToString());
  std::printf(
      "{\"kernels\":\"%s\",\"rows\":%u,\"dim\":%u,\"build_s\":%.2f,\"build_cpu_s\":%.2f,\"build_threads\":%d,"
      "\"index_bytes_per_vector\":%.1f,\"row_bytes\":%zu}\n",
      std::string(Kernels().name).c_str(), rows.view.row_count, rows.view.dim, Seconds(CLOCK_MONOTONIC) - start,
      Seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start, options.threads,
      static_cast<double>((*index)->memory_bytes()) / rows.view.row_count, rows.view.stride_bytes);
  std::fflush(stdout);
  std::map<std::string, Matrix> queries;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string path, results;
    uint32_t ef = 0, k = 0;
    if (!(words >> path >> ef >> k >> results)) BenchFail("not an order: " + line);
    if (!queries.contains(path)) queries[path] = ReadNpy(path);
    Answer(**index, queries[path], ef, k, results);
  }
  return 0;
}

}  // namespace
}  // namespace akidb

int main(int argc, char** argv) { return akidb::Main(argc, argv); }
