// Any bytes as index object: as they are, and with a right checksum put behind them.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "format/index_object.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  for (int sealed = 0; sealed < 2; ++sealed) {
    if (const auto body = akidb::DecodeIndexObject(bytes, "s", "hnsw", 100)) {
      AKI_CHECK(akidb::EncodeIndexObject("s", "hnsw", 100, *body) == bytes);
    }
    akidb::PutLe<uint64_t>(&bytes, akidb::Xxh3(bytes));
  }
  return 0;
}
