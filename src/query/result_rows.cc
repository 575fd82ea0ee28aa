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
  std::vector<std::span<const uint32_t>> units;
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && places[order[end]].unit == places[order[begin]].unit) ++end;
    units.push_back(std::span(order).subspan(begin, end - begin));
  }
  // In the order of the places, not of addresses: the same search reads the same objects one after the other.
  std::ranges::sort(units, std::less<>(), [](const auto& of_unit) { return of_unit.front(); });

  std::vector<ResultRow> out(places.size());
  std::vector<RowIndex> rows(places.size());
  std::vector<PayloadView> payloads(payload == Include::kYes ? places.size() : 0);
  for (const std::span<const uint32_t> of_unit : units) {
    const SearchUnit& unit = *places[of_unit.front()].unit;
    const std::span<RowIndex> its_rows = std::span(rows).first(of_unit.size());
    std::ranges::transform(of_unit, its_rows.begin(), [&](uint32_t i) { return places[i].row; });
    unit.PrefetchIds(its_rows);
    if (payload == Include::kYes) {
      AKI_RETURN_IF_ERROR(unit.Payloads(ctx, its_rows, std::span(payloads).first(of_unit.size())));
    }
    for (size_t i = 0; i < of_unit.size(); ++i) {
      ResultRow& row = out[of_unit[i]];
      row.id = unit.Id(its_rows[i]);
      row.score = places[of_unit[i]].score;
      if (payload == Include::kYes) row.payload = std::move(payloads[i]);
      if (vectors == Include::kYes) row.vector = VectorOf(unit.vectors(), its_rows[i]);
    }
  }
  return out;
}

}  // namespace akidb
