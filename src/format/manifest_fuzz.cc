// Any bytes as manifest, tombstone and catalog: as they are, and with a right checksum put behind them.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "format/json_fields.h"
#include "format/manifest_format.h"

namespace {

void Decode(std::string_view bytes) {
  if (const auto manifest = akidb::DecodeManifest(bytes)) AKI_CHECK(akidb::EncodeManifest(*manifest) == bytes);
  if (const auto catalog = akidb::DecodeCatalogVersion(bytes))
    AKI_CHECK(akidb::EncodeCatalogVersion(*catalog) == bytes);
  const auto tombstone = akidb::DecodeManifestTombstone(bytes);
  if (tombstone && tombstone->has_value()) AKI_CHECK(akidb::EncodeManifestTombstone(**tombstone) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Decode(bytes);
  if (size > 2) Decode(akidb::SealJson(std::string(bytes) + "}"));
  return 0;
}
