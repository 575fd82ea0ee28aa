#include "manifest/manifest_reader.h"

#include <algorithm>

#include "base/hash.h"
#include "format/object_keys.h"
#include "manifest/version_chain.h"

namespace akidb {
namespace {

// The head's, and those of the versions that somebody reads beside it.
constexpr size_t kBasesKept = 4;

}  // namespace

Status NamedButNotRead(const std::string& key, Status error) {
  if (error.code() != StatusCode::kNotFound && error.code() != StatusCode::kPermissionDenied) return error;
  return Unavailable(key + " is named but cannot be read: " + std::string(error.message()));
}

// The object of `version`, and whether it is a tombstone.
Result<std::string> ManifestReader::ReadBytes(OpContext& ctx, ManifestVersion version, bool* retired) {
  const std::string key = ManifestKey(collection_, version);
  auto bytes = ReadValid(ctx, store_, key, kManifestBytesMax, [&](std::string_view read) -> Status {
    AKI_ASSIGN_OR_RETURN(const auto tombstone, DecodeManifestTombstone(read));
    *retired = tombstone.has_value();
    return *retired ? OkStatus() : internal::ToStatus(DecodeStoredManifest(read));
  });
  if (!bytes) return std::unexpected(NamedButNotRead(key, std::move(bytes).error()));
  return bytes;
}

Status ManifestReader::ReRead(OpContext& ctx, const ManifestHead& expected) {
  const ReadFromStore proof(ctx);  // a copy in a cache proves nothing about the store
  bool retired = false;
  AKI_ASSIGN_OR_RETURN(const std::string bytes, ReadBytes(ctx, expected.manifest.version, &retired));
  if (Sha256Hex(bytes) == expected.sha256) return OkStatus();
  return DataLoss(ManifestKey(collection_, expected.manifest.version) + " is not the manifest that was committed");
}

Result<std::shared_ptr<const ManifestHead>> ManifestReader::Read(OpContext& ctx, ManifestVersion version) {
  bool retired = false;
  AKI_ASSIGN_OR_RETURN(const std::string bytes, ReadBytes(ctx, version, &retired));
  if (retired) {
    return std::unexpected(
        NotFound("version " + std::to_string(version.value()) + " is no longer kept").WithReason("version_retired"));
  }
  return Decode(ctx, version, bytes);
}

Result<std::shared_ptr<const ManifestHead>> ManifestReader::Decode(OpContext& ctx, ManifestVersion version,
                                                                   std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(StoredManifest stored, DecodeStoredManifest(bytes));
  if (stored.manifest.version != version || stored.manifest.collection != collection_) {
    return std::unexpected(DataLoss(ManifestKey(collection_, version) + " holds another version or collection"));
  }
  std::shared_ptr<const ManifestBase> base;
  if (stored.manifest.base) {
    AKI_ASSIGN_OR_RETURN(base, ReadBase(ctx, *stored.manifest.base));
  }
  AKI_ASSIGN_OR_RETURN(Manifest manifest, CompleteManifest(std::move(stored), base.get()));
  return std::make_shared<ManifestHead>(ManifestHead{std::move(manifest), Sha256Hex(bytes)});
}

Result<std::shared_ptr<const ManifestBase>> ManifestReader::ReadBase(OpContext& ctx, const ObjectRef& base) {
  if (auto known = Recall(OwnerOf(collection_, base), base.id)) return known;
  const std::string key = BaseKeyOf(collection_, base);
  auto bytes = ReadValid(ctx, store_, key, kManifestBaseBytesMax, [&](std::string_view read) {
    return Sha256Hex(read) == base.sha256 ? OkStatus() : DataLoss("its SHA-256 is not the one that the manifest names");
  });
  if (!bytes) return std::unexpected(NamedButNotRead(key, std::move(bytes).error()));
  AKI_ASSIGN_OR_RETURN(ManifestBase decoded, DecodeManifestBase(*bytes));
  auto read = std::make_shared<const ManifestBase>(std::move(decoded));
  Remember(read);
  return read;
}

void ManifestReader::Remember(std::shared_ptr<const ManifestBase> base) {
  MutexLock lock(mutex_);
  if (bases_.size() == kBasesKept) bases_.erase(bases_.begin());
  bases_.push_back(std::move(base));
}

std::shared_ptr<const ManifestBase> ManifestReader::Recall(CollectionId owner, std::string_view id) {
  MutexLock lock(mutex_);
  const auto it =
      std::ranges::find_if(bases_, [&](const auto& base) { return base->collection == owner && base->id == id; });
  if (it == bases_.end()) return nullptr;
  std::rotate(it, it + 1, bases_.end());
  return bases_.back();
}

}  // namespace akidb
