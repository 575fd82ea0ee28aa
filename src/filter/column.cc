#include "filter/column.h"

#include <algorithm>

#include "simd/kernels.h"

namespace akidb::filter {
namespace {

template <class Code>
void InTable(const void* codes, size_t n, const uint8_t* in, uint64_t* words) {
  const auto* code = static_cast<const Code*>(codes);
  for (size_t begin = 0; begin < n; begin += 64) {
    uint64_t word = 0;
    for (size_t i = begin; i < std::min(n, begin + 64); ++i) word |= uint64_t{in[code[i]]} << (i - begin);
    *words++ = word;
  }
}

}  // namespace

void Codes::InRange(uint32_t low, uint32_t high, uint64_t* words) const {
  const KernelSet& kernels = Kernels();
  const void* codes = bytes_.data();
  switch (width_) {
    case 1:
      return kernels.codes_in_range_u8(static_cast<const uint8_t*>(codes), size(), static_cast<uint8_t>(low),
                                       static_cast<uint8_t>(high), words);
    case 2:
      return kernels.codes_in_range_u16(static_cast<const uint16_t*>(codes), size(), static_cast<uint16_t>(low),
                                        static_cast<uint16_t>(high), words);
    default: return kernels.codes_in_range_u32(static_cast<const uint32_t*>(codes), size(), low, high, words);
  }
}

void Codes::In(const uint8_t* in, uint64_t* words) const {
  switch (width_) {
    case 1: return InTable<uint8_t>(bytes_.data(), size(), in, words);
    case 2: return InTable<uint16_t>(bytes_.data(), size(), in, words);
    default: return InTable<uint32_t>(bytes_.data(), size(), in, words);
  }
}

void Column::FindCodesPresent() {
  codes_present = 0;
  for (uint32_t i = 0; i < codes.size(); ++i) codes_present |= 1u << std::min(codes.At(i), kValueCode);
  for (uint32_t i = 0; i < list_codes.size(); ++i) codes_present |= 1u << std::min(list_codes.At(i), kValueCode);
}

uint64_t Column::memory_bytes() const {
  return sizeof(*this) + numbers.size() * sizeof(Number) + string_bytes.capacity() + codes.bytes().capacity() +
         list_codes.bytes().capacity() +
         (string_ends.capacity() + list_rows.capacity() + list_ends.capacity()) * sizeof(uint32_t);
}

std::optional<uint32_t> ColumnTree::Find(uint32_t parent, std::string_view name) const {
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].parent == parent && nodes[i].name == name) return i;
  }
  return std::nullopt;
}

}  // namespace akidb::filter
