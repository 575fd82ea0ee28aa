// Any bytes as deletion vector: as they are, and with a right checksum put behind them.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "format/deletion_vector.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kSegment = "s";
  constexpr uint32_t kRows = 200000;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  for (int sealed = 0; sealed < 2; ++sealed) {
    if (const auto rows = akidb::DecodeDeletionVector(bytes, kSegment, kRows)) {
      const std::string again = akidb::EncodeDeletionVector(kSegment, kRows, *rows);
      AKI_CHECK(akidb::DecodeDeletionVector(again, kSegment, kRows).value() == *rows);
    }
    akidb::PutLe<uint64_t>(&bytes, akidb::Xxh3(bytes));
  }
  return 0;
}
