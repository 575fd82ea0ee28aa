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
#include <sys/mman.h>

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
#include "simd/kernels.h"

namespace akidb {
namespace {

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "flat_bench: %s\n", message.c_str());
  std::exit(2);
}

struct Matrix {
  uint32_t rows = 0;
  uint32_t dim = 0;
  std::vector<float> values;
};

// Reads "(rows, dim)" and the element type from the header of a .npy file of version 1.
Matrix ReadNpy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char preamble[10];
  if (!file.read(preamble, sizeof preamble) || std::memcmp(preamble, "\x93NUMPY\x01", 7) != 0) {
    Fail(path + ": not a .npy file of version 1");
  }
  uint16_t header_bytes;
  std::memcpy(&header_bytes, preamble + 8, 2);
  std::string header(header_bytes, '\0');
  file.read(header.data(), header_bytes);
  const bool half = header.find("'<f2'") != std::string::npos;
  const size_t shape = header.find("'shape': (");
  Matrix m;
  if ((!half && header.find("'<f4'") == std::string::npos) ||
      header.find("'fortran_order': False") == std::string::npos || shape == std::string::npos ||
      std::sscanf(header.c_str() + shape, "'shape': (%u, %u)", &m.rows, &m.dim) != 2) {
    Fail(path + ": needs a C-order matrix of '<f4' or '<f2', has " + header);
  }
  m.values.resize(static_cast<size_t>(m.rows) * m.dim);
  if (half) {
    std::vector<uint16_t> halfs(m.values.size());
    file.read(reinterpret_cast<char*>(halfs.data()), static_cast<std::streamsize>(halfs.size() * 2));
    Kernels().f16_to_f32(halfs.data(), m.values.data(), halfs.size());
  } else {
    file.read(reinterpret_cast<char*>(m.values.data()), static_cast<std::streamsize>(m.values.size() * 4));
  }
  if (!file) Fail(path + ": shorter than its header says");
  return m;
}

std::byte* HugePages(size_t bytes) {
  constexpr size_t kHuge = 2 << 20;
  void* memory = std::aligned_alloc(kHuge, (bytes + kHuge - 1) / kHuge * kHuge);
  if (memory == nullptr) Fail("out of memory");
  madvise(memory, (bytes + kHuge - 1) / kHuge * kHuge, MADV_HUGEPAGE);
  return static_cast<std::byte*>(memory);
}

struct StoredRows {
  VectorRows view;
  std::vector<float> scales;
  std::vector<float> inv_norms;
};

void Store(const Matrix& m, VectorType type, StoredRows* out) {
  const size_t stride = m.dim * ElementBytes(type);
  std::byte* data = HugePages(stride * m.rows);
  out->scales.resize(m.rows, 1.0f);
  out->inv_norms.resize(m.rows);
  for (uint32_t row = 0; row < m.rows; ++row) {
    const float* in = m.values.data() + static_cast<size_t>(row) * m.dim;
    std::byte* to = data + row * stride;
    switch (type) {
      case VectorType::kF32: std::memcpy(to, in, stride); break;
      case VectorType::kF16: Kernels().f32_to_f16(in, reinterpret_cast<uint16_t*>(to), m.dim); break;
      case VectorType::kInt8: out->scales[row] = QuantizeInt8(in, reinterpret_cast<int8_t*>(to), m.dim); break;
    }
    out->inv_norms[row] = InverseNorm(type, to, m.dim, out->scales[row]);
  }
  out->view = {.type = type,
               .dim = m.dim,
               .row_count = m.rows,
               .stride_bytes = stride,
               .data = data,
               .scales = out->scales.data(),
               .inv_norms = out->inv_norms.data()};
}

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
    if (i + 1 >= argc) Fail(name + " needs a value");
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
      if (!ParseVectorType(value)) Fail("--type: f32, f16 or int8, not " + value);
      o.type = *ParseVectorType(value);
    } else if (name == "--distance") {
      if (!ParseDistance(value)) Fail("--distance: Cosine, Euclidean or DotProduct, not " + value);
      o.distance = *ParseDistance(value);
    } else {
      Fail("unknown option " + name);
    }
  }
  if (o.vectors.empty() || o.queries.empty()) Fail("--vectors and --queries are needed");
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

void Round(const VectorIndex& index, const Matrix& queries, uint32_t k, const RowSet* eligible,
           std::ofstream* results) {
  std::vector<Candidate> found;
  std::string cpu_us, wall_us;
  for (uint32_t i = 0; i < queries.rows; ++i) {
    OpContext ctx(RealClock());
    ctx.set_timeout(std::chrono::seconds(60));
    const std::span<const float> query(queries.values.data() + static_cast<size_t>(i) * queries.dim, queries.dim);
    const auto wall_start = std::chrono::steady_clock::now();
    const double start = ThreadMicroseconds();
    if (!index.Search(ctx, {.vector = query, .k = k, .eligible = eligible}, &found).ok()) Fail("a search failed");
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
  const Matrix queries = ReadNpy(options.queries);
  StoredRows rows;
  {
    const Matrix vectors = ReadNpy(options.vectors);
    if (vectors.dim != queries.dim) Fail("vectors and queries differ in dimension");
    Store(vectors, options.type, &rows);
  }
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
