// Any bytes as the identity of a disk: as they are, and sealed.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "format/disk_id.h"
#include "format/json_fields.h"

namespace {

using namespace akidb;  // NOLINT(google-build-using-namespace)

void Decode(std::string_view bytes) {
  if (const auto disk = DecodeDiskId(bytes)) AKI_CHECK(EncodeDiskId(*disk) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Decode(bytes);
  // The corpus holds whole ones; what follows their seal is cut, so that changes before it reach the parser.
  std::string object(bytes.substr(0, bytes.rfind(",\"xxh3\"")));
  if (object.size() > 2 && object.back() != '}') object += '}';
  if (object.size() > 2) Decode(SealJson(object));
  return 0;
}
