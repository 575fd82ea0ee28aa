// The words every layer shares about vectors: element type, distance, and a typed view of rows in memory.
//
// Threads: values and views; a view does not own its rows.
// Errors:  parsers return nullopt on unknown names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace akidb {

// How elements are stored. Numbers are persisted: never reuse one.
// kInt8 is symmetric per-vector quantisation: element = code * scale, scale = max|x| / 127, codes in [-127, 127].
enum class VectorType : uint8_t { kF32 = 1, kF16 = 2, kInt8 = 3 };
// Cosine and dot product: larger is nearer. Euclidean: smaller is nearer. Numbers are persisted.
enum class Distance : uint8_t { kCosine = 1, kEuclidean = 2, kDotProduct = 3 };

constexpr size_t ElementBytes(VectorType type) {
  return type == VectorType::kF32 ? 4 : type == VectorType::kF16 ? 2 : 1;
}
constexpr bool LargerIsNearer(Distance distance) { return distance != Distance::kEuclidean; }

std::string_view VectorTypeName(VectorType type);  // "f32" "f16" "int8"
std::string_view DistanceName(Distance distance);  // "Cosine" "Euclidean" "DotProduct"
std::optional<VectorType> ParseVectorType(std::string_view name);
std::optional<Distance> ParseDistance(std::string_view name);

// `row_count` rows of `dim` elements, each row at data + row * stride_bytes.
struct VectorRows {
  VectorType type = VectorType::kF32;
  uint32_t dim = 0;
  uint32_t row_count = 0;
  size_t stride_bytes = 0;
  const std::byte* data = nullptr;
  const float* scales = nullptr;     // one a row; kInt8 only
  const float* inv_norms = nullptr;  // 1 / euclidean norm of each row as stored; Cosine only, else null

  const std::byte* Row(uint32_t row) const { return data + static_cast<size_t>(row) * stride_bytes; }
};

}  // namespace akidb
