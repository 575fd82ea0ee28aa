#include "format/object_keys.h"

#include <charconv>
#include <cstdint>

#include "base/check.h"
#include "format/collection_spec.h"

namespace akidb {
namespace {

constexpr size_t kNumberDigits = 20;
constexpr size_t kRandomDigits = 16;
constexpr std::string_view kJsonSuffix = ".json";
constexpr std::string_view kWalSuffix = ".wal";

std::string NumberText(uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(kNumberDigits - digits.size(), '0') + digits;
}

std::string VersionText(ManifestVersion version) { return NumberText(version.value()); }

std::optional<uint64_t> ParseNumber(std::string_view text) {
  if (text.size() != kNumberDigits) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<ManifestVersion> ParseVersionText(std::string_view text) {
  const auto number = ParseNumber(text);
  return number ? std::optional(ManifestVersion(*number)) : std::nullopt;
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

std::string IndexKey(CollectionId collection, std::string_view index_id) {
  return ObjectKey(collection, "indexes/", index_id, ".idx");
}

std::string DeletesKey(CollectionId collection, std::string_view deletes_id) {
  return ObjectKey(collection, "deletes/", deletes_id, ".del");
}

std::string BaseKey(CollectionId collection, std::string_view base_id) {
  return ObjectKey(collection, "bases/", base_id, kJsonSuffix);
}

std::string WalPrefix(CollectionId collection) { return CollectionPrefix(collection) + "wal/"; }

std::string WalPrefix(CollectionId collection, Epoch epoch) {
  return WalPrefix(collection) + NumberText(epoch.value()) + "/";
}

std::string WalObjectKey(CollectionId collection, Epoch epoch, WalSequence sequence) {
  return WalPrefix(collection, epoch) + NumberText(sequence.value()) + std::string(kWalSuffix);
}

std::optional<WalObjectName> ParseWalObjectKey(CollectionId collection, std::string_view key) {
  const std::string prefix = WalPrefix(collection);
  if (!key.starts_with(prefix) || !key.ends_with(kWalSuffix)) return std::nullopt;
  const std::string_view name = key.substr(prefix.size(), key.size() - prefix.size() - kWalSuffix.size());
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto epoch = ParseNumber(name.substr(0, slash));
  const auto sequence = ParseNumber(name.substr(slash + 1));
  if (!epoch || !sequence) return std::nullopt;
  return WalObjectName{Epoch(*epoch), WalSequence(*sequence)};
}

std::string LeasePrefix(std::string_view node) {
  AKI_CHECK(ValidateName("node", node).ok());
  return std::string(kNodesPrefix) + std::string(node) + "/";
}

std::string LeaseKey(std::string_view node, uint64_t number) {
  return LeasePrefix(node) + NumberText(number) + std::string(kJsonSuffix);
}

std::optional<LeaseName> ParseLeaseKey(std::string_view key) {
  if (!key.starts_with(kNodesPrefix) || !key.ends_with(kJsonSuffix)) return std::nullopt;
  const std::string_view name = key.substr(kNodesPrefix.size(), key.size() - kNodesPrefix.size() - kJsonSuffix.size());
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos || !ValidateName("node", name.substr(0, slash)).ok()) return std::nullopt;
  const auto number = ParseNumber(name.substr(slash + 1));
  if (!number) return std::nullopt;
  return LeaseName{std::string(name.substr(0, slash)), *number};
}

std::string MintObjectId(ManifestVersion start, std::string_view random_hex) {
  AKI_CHECK(random_hex.size() == kRandomDigits && IsLowerHex(random_hex));
  return VersionText(start) + "-" + std::string(random_hex);
}

std::optional<ManifestVersion> ObjectIdStart(std::string_view id) {
  if (id.size() != kNumberDigits + 1 + kRandomDigits || id[kNumberDigits] != '-') return std::nullopt;
  if (!IsLowerHex(id.substr(kNumberDigits + 1))) return std::nullopt;
  return ParseVersionText(id.substr(0, kNumberDigits));
}

std::optional<ManifestVersion> VersionOfKey(std::string_view key) {
  const size_t slash = key.rfind('/');
  if (slash == std::string_view::npos || !key.ends_with(kJsonSuffix)) return std::nullopt;
  const std::string_view name = key.substr(slash + 1);
  return ParseVersionText(name.substr(0, name.size() - kJsonSuffix.size()));
}

}  // namespace akidb
