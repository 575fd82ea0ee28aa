#include "npy.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "ann/exact_score.h"
#include "simd/kernels.h"

namespace akidb {

void BenchFail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(2);
}

Matrix ReadNpy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char preamble[10];
  if (!file.read(preamble, sizeof preamble) || std::memcmp(preamble, "\x93NUMPY\x01", 7) != 0) {
    BenchFail(path + ": not a .npy file of version 1");
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
    BenchFail(path + ": needs a C-order matrix of '<f4' or '<f2', has " + header);
  }
  m.values.resize(static_cast<size_t>(m.rows) * m.dim);
  if (half) {
    std::vector<uint16_t> halfs(m.values.size());
    file.read(reinterpret_cast<char*>(halfs.data()), static_cast<std::streamsize>(halfs.size() * 2));
    Kernels().f16_to_f32(halfs.data(), m.values.data(), halfs.size());
  } else {
    file.read(reinterpret_cast<char*>(m.values.data()), static_cast<std::streamsize>(m.values.size() * 4));
  }
  if (!file) BenchFail(path + ": shorter than its header says");
  return m;
}

void StoreRows(const Matrix& m, VectorType type, StoredRows* out) {
  const size_t stride = m.dim * ElementBytes(type);
  Result<HugeArena> arena = HugeArena::Create(stride * m.rows);
  if (!arena) BenchFail(arena.error().ToString());
  out->data = std::move(*arena);
  auto* data = reinterpret_cast<std::byte*>(out->data.data());
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

}  // namespace akidb
