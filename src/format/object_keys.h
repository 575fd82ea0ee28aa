// The one place that turns ids into object keys (docs/formats/bucket.md). No user's string takes part, except the node
// name of a lease, which ValidateName() let pass.
//
// Threads: pure functions.
// Errors:  parsers return nullopt for foreign keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace akidb {

// catalog/<20-digit version>.json
std::string CatalogKey(ManifestVersion version);
inline constexpr std::string_view kCatalogPrefix = "catalog/";
// t/default/c/<collection id>/
std::string CollectionPrefix(CollectionId collection);
// <collection prefix>manifest/<20-digit version>.json
std::string ManifestKey(CollectionId collection, ManifestVersion version);
std::string SegmentKey(CollectionId collection, std::string_view segment_id);
std::string DeletesKey(CollectionId collection, std::string_view deletes_id);
std::string IndexKey(CollectionId collection, std::string_view index_id);
// The base of manifests, beside their folder, so that looking for the newest manifest does not list it.
std::string BaseKey(CollectionId collection, std::string_view base_id);

// <collection prefix>wal/<20-digit epoch>/<20-digit sequence>.wal
std::string WalObjectKey(CollectionId collection, Epoch epoch, WalSequence sequence);
std::string WalPrefix(CollectionId collection);
std::string WalPrefix(CollectionId collection, Epoch epoch);
struct WalObjectName {
  Epoch epoch;
  WalSequence sequence;
  bool operator==(const WalObjectName&) const = default;
};
// Of a key below WalPrefix(collection).
std::optional<WalObjectName> ParseWalObjectKey(CollectionId collection, std::string_view key);

// nodes/<node>/<20-digit number>.json. Requires ValidateName(node).
std::string LeaseKey(std::string_view node, uint64_t number);
inline constexpr std::string_view kNodesPrefix = "nodes/";
std::string LeasePrefix(std::string_view node);
struct LeaseName {
  std::string node;
  uint64_t number = 0;
  bool operator==(const LeaseName&) const = default;
};
std::optional<LeaseName> ParseLeaseKey(std::string_view key);

// "<20-digit start version>-<16 hex>": an object id carries the manifest version its builder started from, so that the
// collector can decide from the manifest alone what is doomed (I8).
std::string MintObjectId(ManifestVersion start, std::string_view random_hex);
std::optional<ManifestVersion> ObjectIdStart(std::string_view id);
// The version in the last part of a manifest or catalog key.
std::optional<ManifestVersion> VersionOfKey(std::string_view key);

}  // namespace akidb
