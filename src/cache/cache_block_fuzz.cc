// Any bytes as header and as file name: as they are, and with the header's checksum made right.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "cache/cache_block.h"

namespace {

using namespace akidb;  // NOLINT(google-build-using-namespace)

void Decode(std::string_view bytes) {
  const auto header = DecodeCacheBlockHeader(bytes);
  if (header) AKI_CHECK(EncodeCacheBlockHeader(*header) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Decode(bytes);
  std::string sealed(bytes.substr(0, kCacheHeaderBytes - 8));
  sealed.resize(kCacheHeaderBytes - 8);
  PutLe<uint64_t>(&sealed, Xxh3(sealed));
  Decode(sealed);
  if (const auto name = ParseCacheBlockName(bytes)) AKI_CHECK(FormatCacheBlockName(*name) == bytes);
  return 0;
}
