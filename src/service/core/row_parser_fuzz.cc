#include "service/core/row_parser.h"

#include <simdjson.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

// Whatever the rows parser takes must be JSON that simdjson takes too, and hold what it says.
void Check(const std::string& body, uint32_t dim) {
  akidb::Limits limits;
  limits.payload_bytes_max = 200;
  limits.payload_depth_max = 8;
  limits.vectors_per_request_max = 50;
  const auto rows = akidb::ParseJsonRows(body, dim, limits);
  if (!rows) return;
  const size_t count = rows->rows.ids.size();
  if (rows->rows.payloads.size() != count || rows->source.size() != count ||
      rows->request_ids.size() != count + rows->problems.size())
    std::abort();
  for (size_t i = 0; i < count * dim; ++i) {
    if (!std::isfinite(rows->rows.vectors[i])) std::abort();
  }
  simdjson::dom::parser parser;
  for (const std::string_view payload : rows->rows.payloads) {
    if (payload.size() > limits.payload_bytes_max) std::abort();
    if (!payload.empty() && !parser.parse(payload.data(), payload.size()).is_object()) std::abort();
  }
  // Rows that were refused may hold numbers that only simdjson finds too big.
  if (rows->problems.empty() && parser.parse(body).error() != simdjson::SUCCESS &&
      parser.parse(body).error() != simdjson::NUMBER_ERROR)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  body.reserve(body.size() + 64);
  Check(body, 1 + data[0] % 4);
  const auto columns = akidb::ParseColumnRows(body, 1 + data[0] % 4, akidb::Limits{});
  if (columns && columns->rows.ids.size() != columns->source.size()) std::abort();
  return 0;
}
