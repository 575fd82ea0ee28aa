#include "query/result_rows.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

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

Result<std::vector<ResultRow>> MakeResultRows(OpContext& ctx, std::span<const ResultPlace> places, Include payload,
                                              Include vectors) {
  // Those of one unit side by side: it is asked for all of them at once.
  std::vector<uint32_t> order(places.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, std::less<>(), [&](uint32_t i) { return std::pair(places[i].unit, i); });
  std::vector<RowIndex> rows(places.size());
  std::ranges::transform(order, rows.begin(), [&](uint32_t i) { return places[i].row; });

  std::vector<ResultRow> out(places.size());
  std::vector<PayloadView> payloads(payload == Include::kYes ? places.size() : 0);
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const SearchUnit& unit = *places[order[begin]].unit;
    while (end < order.size() && places[order[end]].unit == &unit) ++end;
    const std::span<const RowIndex> of_unit = std::span(rows).subspan(begin, end - begin);
    unit.PrefetchIds(of_unit);
    if (payload == Include::kYes) {
      AKI_RETURN_IF_ERROR(unit.Payloads(ctx, of_unit, std::span(payloads).subspan(begin, end - begin)));
    }
    for (size_t i = begin; i < end; ++i) {
      ResultRow& row = out[order[i]];
      row.id = unit.Id(rows[i]);
      row.score = places[order[i]].score;
      if (payload == Include::kYes) row.payload = std::move(payloads[i]);
      if (vectors == Include::kYes) row.vector = VectorOf(unit.vectors(), rows[i]);
    }
  }
  return out;
}

}  // namespace akidb
