// Any bytes as columns and as id list.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "format/columns.h"

namespace {

// Sets the checksum to "none given", so that everything behind it is reached.
std::string WithoutChecksum(std::string bytes) {
  if (bytes.size() >= 32) bytes.replace(24, 8, 8, '\0');
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes = WithoutChecksum(std::string(reinterpret_cast<const char*>(data), size));
  if (const auto batch = akidb::DecodeColumns(bytes, akidb::Limits{})) {
    AKI_CHECK(WithoutChecksum(akidb::EncodeColumns(*batch)) == bytes);
  }
  if (const auto ids = akidb::DecodeIdList(bytes, akidb::Limits{})) AKI_CHECK(akidb::EncodeIdList(*ids) == bytes);
  return 0;
}
