// Times exact search, one query a call on one thread, over the vectors of a file.
//
//   flat_bench --vectors V.npy --queries Q.npy [--type f32|f16|int8] [--distance Cosine|Euclidean|DotProduct]
//              [--k 10] [--eligible PERCENT] [--rounds 5 | --serve] [--results FILE]
//
// A .npy file holds a C-order matrix of '<f4' or '<f2'. Rows are stored as --type in 2 MiB aligned memory with huge
// pages, as an open segment has them. Each round prints one JSON line with the microseconds of every query: "us" on the
// thread's CPU clock, so that what other processes take does not count, and "wall_us". With --serve a round starts when
// a line arrives on stdin, so that a script can alternate rounds with a rival's. --eligible leaves only that share of
// the rows, spread evenly. --results receives, for each query, k uint32 row numbers and then k float64 scores.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "ann/exact_score.h"
#include "ann/vector_index.h"
#include "base/clock.h"
#include "base/context.h"
#include "npy.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

struct Options {
  std::string vectors, queries, results;
  VectorType type = VectorType::kF32;
  Distance distance = Distance::kCosine;
  uint32_t k = 10;
  uint32_t eligible_percent = 100;
  int rounds = 5;
  bool serve = false;
};

Options ParseOptions(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--serve") {
      o.serve = true;
      continue;
    }
    if (i + 1 >= argc) BenchFail(name + " needs a value");
    const std::string value = argv[++i];
    if (name == "--vectors") {
      o.vectors = value;
    } else if (name == "--queries") {
      o.queries = value;
    } else if (name == "--results") {
      o.results = value;
    } else if (name == "--k") {
      o.k = static_cast<uint32_t>(std::stoul(value));
    } else if (name == "--eligible") {
      o.eligible_percent = static_cast<uint32_t>(std::stoul(value));
    } else if (name == "--rounds") {
      o.rounds = std::stoi(value);
    } else if (name == "--type") {
      if (!ParseVectorType(value)) BenchFail("--type: f32, f16 or int8, not " + value);
      o.type = *ParseVectorType(value);
    } else if (name == "--distance") {
      if (!ParseDistance(value)) BenchFail("--distance: Cosine, Euclidean or DotProduct, not " + value);
      o.distance = *ParseDistance(value);
    } else {
      BenchFail("unknown option " + name);
    }
  }
  if (o.vectors.empty() || o.queries.empty()) BenchFail("--vectors and --queries are needed");
  return o;
}

void WriteResults(std::ofstream& file, const std::vector<Candidate>& found, uint32_t k) {
  std::vector<uint32_t> rows(k, UINT32_MAX);
  std::vector<double> scores(k, NAN);
  for (size_t i = 0; i < k && i < found.size(); ++i) {
    rows[i] = found[i].row;
    scores[i] = found[i].score;
  }
  file.write(reinterpret_cast<const char*>(rows.data()), static_cast<std::streamsize>(k * sizeof(uint32_t)));
  file.write(reinterpret_cast<const char*>(scores.data()), static_cast<std::streamsize>(k * sizeof(double)));
}

double ThreadMicroseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

void Round(const VectorIndex& index, const FloatMatrix& queries, uint32_t k, const RowSet* eligible,
           std::ofstream* results) {
  std::vector<Candidate> found;
  std::string cpu_us, wall_us;
  for (uint32_t i = 0; i < queries.rows; ++i) {
    OpContext ctx(RealClock());
    ctx.set_timeout(std::chrono::seconds(60));
    const std::span<const float> query(queries.Row(i), queries.columns);
    const auto wall_start = std::chrono::steady_clock::now();
    const double start = ThreadMicroseconds();
    if (!index.Search(ctx, {.vector = query, .k = k, .eligible = eligible}, &found).ok()) BenchFail("a search failed");
    const double cpu = ThreadMicroseconds() - start;
    const std::chrono::duration<double, std::micro> wall = std::chrono::steady_clock::now() - wall_start;
    cpu_us += (i == 0 ? "" : ",") + std::to_string(cpu);
    wall_us += (i == 0 ? "" : ",") + std::to_string(wall.count());
    if (results != nullptr) WriteResults(*results, found, k);
  }
  std::cout << "{\"us\":[" << cpu_us << "],\"wall_us\":[" << wall_us << "]}\n" << std::flush;
}

int Main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  const FloatMatrix queries = ReadFloats(options.queries);
  const StoredVectors rows = ReadVectors(options.vectors, options.type);
  if (rows.view.dim != queries.columns) BenchFail("vectors and queries differ in dimension");
  const std::unique_ptr<VectorIndex> index = NewFlatIndex(rows.view, options.distance);
  RowSet eligible(rows.view.row_count);
  for (uint32_t row = 0; row < rows.view.row_count; ++row) {
    // Multiplying by an odd constant scatters the rows that pass.
    if ((row * 2654435761u >> 8) % 100 < options.eligible_percent) eligible.Add(row);
  }
  std::ofstream results;
  if (!options.results.empty()) results.open(options.results, std::ios::binary);
  std::cout << "{\"kernels\":\"" << Kernels().name << "\",\"rows\":" << rows.view.row_count << "}\n" << std::flush;
  std::string command;
  for (int round = 0; options.serve ? static_cast<bool>(std::getline(std::cin, command)) : round < options.rounds;
       ++round) {
    Round(*index, queries, options.k, options.eligible_percent < 100 ? &eligible : nullptr,
          round == 0 && results.is_open() ? &results : nullptr);
    if (round == 0) results.close();
  }
  return 0;
}

}  // namespace
}  // namespace akidb

int main(int argc, char** argv) { return akidb::Main(argc, argv); }
