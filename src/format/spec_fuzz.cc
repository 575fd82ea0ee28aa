// Any JSON as collection spec. What is accepted must read back equal, alone and inside a manifest: a spec that could be
// written but not read would make its collection unreadable.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "format/manifest_format.h"

namespace {

akidb::Result<akidb::CollectionSpec> Parse(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS) {
    return std::unexpected(akidb::InvalidArgument("not JSON"));
  }
  return akidb::ParseCollectionSpec(root, akidb::Limits{});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto spec = Parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!spec) return 0;
  std::string written;
  akidb::JsonWriter writer(&written);
  akidb::WriteCollectionSpec(*spec, &writer);
  AKI_CHECK(Parse(written).value() == *spec);
  akidb::Manifest manifest;
  manifest.version = akidb::ManifestVersion(1);
  manifest.spec = *spec;
  AKI_CHECK(akidb::DecodeManifest(akidb::EncodeManifest(manifest)).value() == manifest);
  return 0;
}
