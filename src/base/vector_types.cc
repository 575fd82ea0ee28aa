#include "base/vector_types.h"

namespace akidb {

std::string_view VectorTypeName(VectorType type) {
  switch (type) {
    case VectorType::kF32: return "f32";
    case VectorType::kF16: return "f16";
    case VectorType::kInt8: return "int8";
  }
  return "unknown";
}

std::string_view DistanceName(Distance distance) {
  switch (distance) {
    case Distance::kCosine: return "Cosine";
    case Distance::kEuclidean: return "Euclidean";
    case Distance::kDotProduct: return "DotProduct";
  }
  return "unknown";
}

std::optional<VectorType> ParseVectorType(std::string_view name) {
  for (const VectorType type : {VectorType::kF32, VectorType::kF16, VectorType::kInt8}) {
    if (name == VectorTypeName(type)) return type;
  }
  return std::nullopt;
}

std::optional<Distance> ParseDistance(std::string_view name) {
  for (const Distance distance : {Distance::kCosine, Distance::kEuclidean, Distance::kDotProduct}) {
    if (name == DistanceName(distance)) return distance;
  }
  return std::nullopt;
}

}  // namespace akidb
