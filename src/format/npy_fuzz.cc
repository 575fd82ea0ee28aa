// Any bytes as the beginning of a .npy file: refused, or elements begin inside of what was read.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "format/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (const auto header = akidb::ParseNpyHeader({reinterpret_cast<const char*>(data), size})) {
    AKI_CHECK(header->data_offset <= size);
    AKI_CHECK(header->columns == 1 || header->columns <= 1ull << 40);
  }
  return 0;
}
