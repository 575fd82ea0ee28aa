// Any bytes as manifest, base, tombstone and catalog: as they are, and with a right checksum put behind them.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "format/json_fields.h"
#include "format/manifest_format.h"

namespace {

void Decode(std::string_view bytes) {
  if (const auto stored = akidb::DecodeStoredManifest(bytes); stored && !stored->manifest.base) {
    const akidb::Manifest manifest = akidb::DecodeManifest(bytes).value();
    AKI_CHECK(akidb::DecodeManifest(akidb::EncodeManifest(manifest)).value() == manifest);
  } else if (stored) {
    const akidb::ManifestBase base{
        akidb::OwnerOf(stored->manifest.collection, *stored->manifest.base), stored->manifest.base->id, {}};
    const auto complete = akidb::CompleteManifest(*stored, &base);
    AKI_CHECK(complete.has_value() == stored->removed.empty());
    // An older format comes back as the newest.
    if (complete) {
      auto again = akidb::DecodeStoredManifest(akidb::EncodeManifest(*complete, &base));
      AKI_CHECK(akidb::CompleteManifest(std::move(*again), &base).value() == *complete);
    }
  }
  if (const auto base = akidb::DecodeManifestBase(bytes)) {
    AKI_CHECK(akidb::DecodeManifestBase(akidb::EncodeManifestBase(*base)).value() == *base);
  }
  if (const auto catalog = akidb::DecodeCatalogVersion(bytes)) {
    AKI_CHECK(akidb::DecodeCatalogVersion(akidb::EncodeCatalogVersion(*catalog)).value() == *catalog);
  }
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
