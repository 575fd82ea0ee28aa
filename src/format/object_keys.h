// The one place that turns ids into object keys (docs/formats/bucket.md). No user's string takes part.
//
// Threads: pure functions.
// Errors:  parsers return nullopt for foreign keys.
#pragma once

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

// "<20-digit start version>-<16 hex>": an object id carries the manifest version its builder started from, so that the
// collector can decide from the manifest alone what is doomed (I8).
std::string MintObjectId(ManifestVersion start, std::string_view random_hex);
std::optional<ManifestVersion> ObjectIdStart(std::string_view id);
// The version in the last part of a manifest or catalog key.
std::optional<ManifestVersion> VersionOfKey(std::string_view key);

}  // namespace akidb
