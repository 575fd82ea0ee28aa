#include "format/object_keys.h"

#include <charconv>
#include <cstdint>

#include "base/check.h"

namespace akidb {
namespace {

constexpr size_t kVersionDigits = 20;
constexpr size_t kRandomDigits = 16;
constexpr std::string_view kJsonSuffix = ".json";

std::string VersionText(ManifestVersion version) {
  std::string digits = std::to_string(version.value());
  return std::string(kVersionDigits - digits.size(), '0') + digits;
}

std::optional<ManifestVersion> ParseVersionText(std::string_view text) {
  if (text.size() != kVersionDigits) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return ManifestVersion(value);
}

bool IsLowerHex(std::string_view text) {
  for (const char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

// Ids reach this point from MintObjectId or from a manifest that was validated: anything else is our bug.
std::string ObjectKey(CollectionId collection, std::string_view folder, std::string_view id, std::string_view suffix) {
  AKI_CHECK(ObjectIdStart(id).has_value());
  std::string key = CollectionPrefix(collection);
  key += folder;
  key += id;
  key += suffix;
  return key;
}

}  // namespace

std::string CatalogKey(ManifestVersion version) {
  return std::string(kCatalogPrefix) + VersionText(version) + std::string(kJsonSuffix);
}

std::string CollectionPrefix(CollectionId collection) {
  return "t/default/c/" + std::to_string(collection.value()) + "/";
}

std::string ManifestKey(CollectionId collection, ManifestVersion version) {
  return CollectionPrefix(collection) + "manifest/" + VersionText(version) + std::string(kJsonSuffix);
}

std::string SegmentKey(CollectionId collection, std::string_view segment_id) {
  return ObjectKey(collection, "segments/", segment_id, ".seg");
}

std::string DeletesKey(CollectionId collection, std::string_view deletes_id) {
  return ObjectKey(collection, "deletes/", deletes_id, ".del");
}

std::string MintObjectId(ManifestVersion start, std::string_view random_hex) {
  AKI_CHECK(random_hex.size() == kRandomDigits && IsLowerHex(random_hex));
  return VersionText(start) + "-" + std::string(random_hex);
}

std::optional<ManifestVersion> ObjectIdStart(std::string_view id) {
  if (id.size() != kVersionDigits + 1 + kRandomDigits || id[kVersionDigits] != '-') return std::nullopt;
  if (!IsLowerHex(id.substr(kVersionDigits + 1))) return std::nullopt;
  return ParseVersionText(id.substr(0, kVersionDigits));
}

std::optional<ManifestVersion> VersionOfKey(std::string_view key) {
  const size_t slash = key.rfind('/');
  if (slash == std::string_view::npos || !key.ends_with(kJsonSuffix)) return std::nullopt;
  const std::string_view name = key.substr(slash + 1);
  return ParseVersionText(name.substr(0, name.size() - kJsonSuffix.size()));
}

}  // namespace akidb
