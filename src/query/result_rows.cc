#include "query/result_rows.h"

#include <cstring>

#include "simd/kernels.h"

namespace akidb {

std::vector<float> VectorOf(const VectorRows& rows, RowIndex row) {
  std::vector<float> out(rows.dim);
  const std::byte* data = rows.Row(row);
  switch (rows.type) {
    case VectorType::kF32: std::memcpy(out.data(), data, rows.dim * sizeof(float)); break;
    case VectorType::kF16: Kernels().f16_to_f32(reinterpret_cast<const uint16_t*>(data), out.data(), rows.dim); break;
    case VectorType::kInt8:
      for (uint32_t i = 0; i < rows.dim; ++i)
        out[i] = static_cast<float>(static_cast<int8_t>(data[i])) * rows.scales[row];
      break;
  }
  return out;
}

Result<ResultRow> MakeResultRow(OpContext& ctx, const SearchUnit& unit, RowIndex row, double score, Include payload,
                                Include vectors) {
  ResultRow out;
  out.id = std::string(unit.Id(row));
  out.score = score;
  if (payload == Include::kYes) {
    AKI_ASSIGN_OR_RETURN(out.payload, unit.Payload(ctx, row));
  }
  if (vectors == Include::kYes) out.vector = VectorOf(unit.vectors(), row);
  return out;
}

}  // namespace akidb
