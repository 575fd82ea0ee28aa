// Any bytes as a node's lease and as a claim: as they are, and sealed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "format/json_fields.h"
#include "format/node_lease.h"

namespace {

using namespace akidb;  // NOLINT(google-build-using-namespace)

void Decode(std::string_view bytes) {
  const auto lease = DecodeNodeLease(bytes);
  if (!lease) return;
  // One of an older version is written as the newest.
  const std::string encoded = EncodeNodeLease(*lease);
  const auto again = DecodeNodeLease(encoded);
  AKI_CHECK(again && *again == *lease);
  AKI_CHECK(encoded == bytes || !bytes.starts_with(encoded.substr(0, encoded.find(','))));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Decode(bytes);
  // The corpus holds leases; what follows their seal is cut, so that changes before it reach the parser.
  std::string object(bytes.substr(0, bytes.rfind(",\"xxh3\"")));
  if (object.size() > 2 && object.back() != '}') object += '}';
  if (object.size() > 2) Decode(SealJson(object));
  const std::string_view process = ProcessOfClaim(bytes);
  AKI_CHECK(process.empty() || !NodeOfProcess(process).empty());
  return 0;
}
