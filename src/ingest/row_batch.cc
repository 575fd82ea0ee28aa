#include "ingest/row_batch.h"

#include <cmath>

namespace akidb {
namespace {

Status CheckRow(std::string_view id, const float* vector, size_t length, uint32_t dim, size_t payload_bytes,
                const RowLimits& limits) {
  if (id.empty()) return InvalidArgument("id is empty");
  if (id.size() > limits.id_bytes_max) {
    return InvalidArgument("id has " + std::to_string(id.size()) + " bytes, at most " +
                           std::to_string(limits.id_bytes_max) + " are allowed");
  }
  if (length != dim) {
    return InvalidArgument("vector has " + std::to_string(length) + " elements, expected " + std::to_string(dim));
  }
  if (payload_bytes > limits.payload_bytes_max) {
    return InvalidArgument("payload has " + std::to_string(payload_bytes) + " bytes, at most " +
                           std::to_string(limits.payload_bytes_max) + " are allowed");
  }
  for (size_t i = 0; i < length; ++i) {
    if (!std::isfinite(vector[i])) return InvalidArgument("vector element " + std::to_string(i) + " is not finite");
  }
  return OkStatus();
}

}  // namespace

void RowBatch::Clear(uint64_t first_row_before) {
  ids.clear();
  vectors.clear();
  payloads.clear();
  id_ends.clear();
  payload_ends.clear();
  rows.clear();
  problems.clear();
  rows_begin = rows_end = first_row_before;
}

void RowBatch::EndRow(Status row_status, const RowLimits& limits) {
  const size_t id_begin = id_ends.empty() ? 0 : id_ends.back();
  const size_t payload_begin = payload_ends.empty() ? 0 : payload_ends.back();
  const size_t vector_begin = row_count() * dim;
  ++rows_end;
  if (row_status.ok()) {
    row_status = CheckRow(std::string_view(ids).substr(id_begin), vectors.data() + vector_begin,
                          vectors.size() - vector_begin, dim, payloads.size() - payload_begin, limits);
  }
  if (!row_status.ok()) {
    ids.resize(id_begin);
    payloads.resize(payload_begin);
    vectors.resize(vector_begin);
    problems.push_back({rows_end, std::string(row_status.message())});
    return;
  }
  id_ends.push_back(static_cast<uint32_t>(ids.size()));
  payload_ends.push_back(static_cast<uint32_t>(payloads.size()));
  rows.push_back(rows_end);
}

ColumnBatch RowBatch::View() const {
  ColumnBatch view;
  view.dim = dim;
  view.vectors = {reinterpret_cast<const char*>(vectors.data()), vectors.size() * sizeof(float)};
  view.ids.reserve(row_count());
  view.payloads.reserve(row_count());
  uint32_t id_begin = 0;
  uint32_t payload_begin = 0;
  for (size_t i = 0; i < row_count(); ++i) {
    view.ids.emplace_back(ids.data() + id_begin, id_ends[i] - id_begin);
    view.payloads.emplace_back(payloads.data() + payload_begin, payload_ends[i] - payload_begin);
    id_begin = id_ends[i];
    payload_begin = payload_ends[i];
  }
  return view;
}

}  // namespace akidb
