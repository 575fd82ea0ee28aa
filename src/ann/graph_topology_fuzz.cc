// Any bytes as a graph: refused, or a graph that is written back to the same bytes and can be searched.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ann/graph_index.h"
#include "base/check.h"
#include "base/clock.h"

using namespace akidb;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto topology = DecodeGraphTopology(bytes);
  if (!topology) return 0;
  AKI_CHECK(EncodeGraphTopology(*topology) == bytes);
  if (topology->row_count > 200 || topology->dim > 16) return 0;
  std::vector<float> values(size_t{topology->row_count} * topology->dim);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 13) - 6;
  const std::vector<float> inv_norms(topology->row_count, 1.0f);
  const VectorRows rows{.type = VectorType::kF32,
                        .dim = topology->dim,
                        .row_count = topology->row_count,
                        .stride_bytes = topology->dim * sizeof(float),
                        .data = reinterpret_cast<const std::byte*>(values.data()),
                        .scales = nullptr,
                        .inv_norms = inv_norms.data()};
  OpContext ctx(RealClock());
  Serial serial;
  const auto index = GraphIndex::Open(ctx, rows, topology->distance, *topology, serial);
  AKI_CHECK(index.has_value());
  std::vector<Candidate> found;
  const std::vector<float> query(topology->dim, 1.0f);
  AKI_CHECK((*index)->Search(ctx, {.vector = query, .k = 3, .ef_search = 4}, &found).ok());
  AKI_CHECK(found.size() >= std::min(3u, topology->row_count));
  return 0;
}
