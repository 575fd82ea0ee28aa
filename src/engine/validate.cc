#include "engine/validate.h"

#include <simdjson.h>

#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <unordered_set>

#include "base/check.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

// Squares of elements up to here sum up in float32 without overflow at the greatest dimension.
constexpr float kElementMax = 1e16F;
// Shorter vectors have no usable direction in float32.
constexpr double kCosineNormMin = 1e-16;

Status Bad(std::string message, std::string_view reason) {
  return InvalidArgument(std::move(message)).WithReason(reason);
}

Status ValidateVector(const float* vector, size_t dim, Distance distance) {
  const KernelSet& kernels = Kernels();
  if (!kernels.all_finite(vector, dim)) return Bad("vector has an element that is not finite", "non_finite");
  // Without a way out and with sums that do not wait for each other: every search and every row comes through here.
  bool beyond = false;
  for (size_t i = 0; i < dim; ++i) beyond |= std::fabs(vector[i]) > kElementMax;
  for (size_t i = 0; beyond && i < dim; ++i) {
    if (std::fabs(vector[i]) > kElementMax) {
      return Bad("vector element " + std::to_string(i) + " is " + std::to_string(vector[i]) + ", the limit is 1e16",
                 "vector_out_of_range");
    }
  }
  if (distance != Distance::kCosine) return OkStatus();
  std::array<double, 8> sums{};
  size_t at = 0;
  for (; at + sums.size() <= dim; at += sums.size()) {
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<double>(vector[at + i]) * vector[at + i];
  }
  for (; at < dim; ++at) sums[0] += static_cast<double>(vector[at]) * vector[at];
  const double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  if (sum == 0) return Bad("vector is zero; Cosine needs a direction", "zero_vector");
  if (std::sqrt(sum) < kCosineNormMin)
    return Bad("vector is shorter than 1e-16; Cosine needs a direction", "zero_vector");
  return OkStatus();
}

// Converts one vector; f16 elements that overflow or a vector that becomes zero are refused.
Status Convert(const float* vector, const CollectionSpec& spec, std::string* out, std::string* scales) {
  const size_t old_size = out->size();
  out->resize(old_size + spec.dim * ElementBytes(spec.vector_type));
  if (spec.vector_type == VectorType::kInt8) {
    const float scale = QuantizeInt8(vector, reinterpret_cast<int8_t*>(out->data() + old_size), spec.dim);
    scales->append(reinterpret_cast<const char*>(&scale), sizeof(scale));
    return OkStatus();
  }
  auto* halves = reinterpret_cast<uint16_t*>(out->data() + old_size);
  Kernels().f32_to_f16(vector, halves, spec.dim);
  uint16_t any = 0;
  for (uint32_t i = 0; i < spec.dim; ++i) {
    if ((halves[i] & 0x7C00u) == 0x7C00u) {
      return Bad(
          "vector element " + std::to_string(i) + " is " + std::to_string(vector[i]) + ", the limit of f16 is 65504",
          "vector_out_of_range");
    }
    any |= halves[i] & 0x7FFFu;
  }
  if (any == 0 && spec.distance == Distance::kCosine) {
    return Bad("vector is zero when stored as f16; Cosine needs a direction", "zero_vector");
  }
  return OkStatus();
}

}  // namespace

void StorableRows::Keep(const std::vector<size_t>& rows) {
  const size_t vector_bytes = batch.dim * ElementBytes(batch.type);
  std::string kept_vectors;
  std::string kept_scales;
  StorableRows kept;
  for (const size_t row : rows) {
    kept.batch.ids.push_back(batch.ids[row]);
    kept.batch.payloads.push_back(batch.payloads[row]);
    kept.request_index.push_back(request_index[row]);
    kept_vectors += batch.vectors.substr(row * vector_bytes, vector_bytes);
    if (!batch.scales.empty()) kept_scales += batch.scales.substr(row * sizeof(float), sizeof(float));
  }
  batch.ids = std::move(kept.batch.ids);
  batch.payloads = std::move(kept.batch.payloads);
  request_index = std::move(kept.request_index);
  Own(std::move(kept_vectors), std::move(kept_scales));
}

void StorableRows::Own(std::string vector_bytes, std::string scale_bytes) {
  vectors = std::make_shared<const std::string>(std::move(vector_bytes));
  scales = std::make_shared<const std::string>(std::move(scale_bytes));
  batch.vectors = *vectors;
  batch.scales = *scales;
}

Status ValidateId(std::string_view id, const Limits& limits) {
  if (id.empty()) return Bad("id is empty", "empty_id");
  if (id.size() > limits.id_bytes_max) {
    return Bad("id has " + std::to_string(id.size()) + " bytes, the limit is " + std::to_string(limits.id_bytes_max),
               "id_too_long");
  }
  if (!simdjson::validate_utf8(id.data(), id.size())) return Bad("id is not valid UTF-8", "invalid_utf8");
  return OkStatus();
}

Status ValidateQueryVector(const float* vector, size_t size, const CollectionSpec& spec) {
  if (size != spec.dim) {
    return Bad("vector has " + std::to_string(size) + " elements, collection " + spec.name + " has vector_dim " +
                   std::to_string(spec.dim),
               "wrong_dimension");
  }
  return ValidateVector(vector, size, spec.distance);
}

Result<StorableRows> ValidateRows(const WriteRows& rows, const CollectionSpec& spec, const Limits& limits,
                                  BatchPolicy policy, std::vector<RowError>* errors) {
  AKI_CHECK(rows.payloads.size() == rows.ids.size());
  if (rows.ids.size() > limits.vectors_per_request_max) {
    return std::unexpected(Bad("vectors has " + std::to_string(rows.ids.size()) + " rows, the limit is " +
                                   std::to_string(limits.vectors_per_request_max),
                               "too_many_vectors"));
  }
  if (!rows.ids.empty() && rows.dim != spec.dim) {
    return std::unexpected(Bad("vectors have " + std::to_string(rows.dim) + " elements, collection " + spec.name +
                                   " has vector_dim " + std::to_string(spec.dim),
                               "wrong_dimension"));
  }
  StorableRows out;
  out.batch.type = spec.vector_type;
  out.batch.dim = spec.dim;
  std::unordered_set<std::string_view> seen;
  seen.reserve(rows.ids.size());
  const bool convert = spec.vector_type != VectorType::kF32;
  std::string converted;
  std::string scales;
  if (convert) converted.reserve(rows.ids.size() * spec.dim * ElementBytes(spec.vector_type));

  for (size_t i = 0; i < rows.ids.size(); ++i) {
    const float* vector = rows.vectors + i * spec.dim;
    const size_t converted_size = converted.size();
    const size_t scales_size = scales.size();
    Status status = ValidateId(rows.ids[i], limits);
    if (status.ok() && !seen.insert(rows.ids[i]).second) {
      status = Bad("id " + std::string(rows.ids[i]) + " is in the batch twice", "duplicate_id");
    }
    if (status.ok() && rows.payloads[i].size() > limits.payload_bytes_max) {
      status = Bad("payload has " + std::to_string(rows.payloads[i].size()) + " bytes, the limit is " +
                       std::to_string(limits.payload_bytes_max),
                   "payload_too_large");
    }
    if (status.ok()) status = ValidateVector(vector, spec.dim, spec.distance);
    if (status.ok() && convert) status = Convert(vector, spec, &converted, &scales);
    if (!status.ok()) {
      converted.resize(converted_size);
      scales.resize(scales_size);
      status = std::move(status).Annotate("vectors[" + std::to_string(i) + "]");
      if (policy == BatchPolicy::kAllOrNothing) return std::unexpected(std::move(status));
      errors->push_back({i, std::move(status)});
      continue;
    }
    out.batch.ids.push_back(rows.ids[i]);
    out.batch.payloads.push_back(rows.payloads[i]);
    out.request_index.push_back(i);
  }

  const size_t row_bytes = spec.dim * sizeof(float);
  if (!convert && out.request_index.size() == rows.ids.size()) {
    out.batch.vectors = {reinterpret_cast<const char*>(rows.vectors), rows.ids.size() * row_bytes};
    return out;
  }
  if (!convert) {
    for (const size_t i : out.request_index) {
      converted.append(reinterpret_cast<const char*>(rows.vectors + i * spec.dim), row_bytes);
    }
  }
  out.Own(std::move(converted), std::move(scales));
  return out;
}

}  // namespace akidb
