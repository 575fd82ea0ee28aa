#include "segment/segment_testing.h"

#include "base/coding.h"
#include "base/random.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

std::string ElementsOf(const std::vector<float>& vector, VectorType type, float* scale) {
  std::string out(vector.size() * ElementBytes(type), '\0');
  switch (type) {
    case VectorType::kF32: std::memcpy(out.data(), vector.data(), out.size()); break;
    case VectorType::kF16:
      Kernels().f32_to_f16(vector.data(), reinterpret_cast<uint16_t*>(out.data()), vector.size());
      break;
    case VectorType::kInt8:
      *scale = QuantizeInt8(vector.data(), reinterpret_cast<int8_t*>(out.data()), vector.size());
      break;
  }
  return out;
}

}  // namespace

std::vector<TestRow> MakeTestRows(uint32_t count, uint32_t dim, VectorType type) {
  const std::unique_ptr<Random> random = NewSeededRandom(count * 31u + dim);
  std::vector<TestRow> rows(count);
  std::vector<float> vector(dim);
  for (uint32_t i = 0; i < count; ++i) {
    for (float& x : vector) x = static_cast<float>(random->Below(2001)) / 1000.0f - 1.0f;
    const std::string digits = std::to_string(i);
    rows[i].id = "doc-" + std::string(8 - digits.size(), '0') + digits;
    rows[i].vector = ElementsOf(vector, type, &rows[i].scale);
    if (i % 7 != 6) {
      rows[i].payload = R"({"n":)" + digits + R"(,"lang":")" + (i % 3 == 0 ? "fr" : "en") + R"(","text":")" +
                        random->Hex(static_cast<int>(random->Below(120))) + "\"}";
    }
  }
  return rows;
}

}  // namespace akidb
