// One version of a collection's manifest, and the catalog's deltas and checkpoints, as canonical JSON.
// Canonical: keys in a fixed order, no spaces; equal structs give equal bytes, and no other bytes are accepted. The
// last field, "xxh3", is a checksum of all bytes before it, verified before anything is parsed.
//
// Format:  docs/formats/manifest.md
// Threads: values and pure functions.
// Errors:  decoding: kDataLoss naming the field; kUnimplemented for a format version of a newer writer. Encoding a
//          struct that does not Validate() is a bug.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "format/collection_spec.h"

namespace akidb {

// An immutable object that a manifest names. Its identity is (key, SHA-256); version_id is a hint.
struct ObjectRef {
  std::string id;  // the key is derived from it
  std::string sha256;
  std::string version_id;
  uint64_t size_bytes = 0;

  bool operator==(const ObjectRef&) const = default;
};

struct SegmentEntry {
  ObjectRef object;
  uint32_t row_count = 0;
  std::string id_min;  // smallest and greatest vector id, bytes
  std::string id_max;
  uint64_t footer_offset = 0;
  uint64_t footer_bytes = 0;
  Lsn lsn_max;  // greatest LSN of any row in it
  std::string index_kind = "flat";
  std::optional<ObjectRef> deletes;  // deletion vector
  uint32_t deleted_count = 0;

  bool operator==(const SegmentEntry&) const = default;
};

// A writer generation whose log may still hold records that no segment has.
struct EpochEntry {
  Epoch epoch;
  std::string node;
  Lsn watermark;  // every record of this epoch up to here is in the segments

  bool operator==(const EpochEntry&) const = default;
};

struct PinEntry {
  std::string kind;  // "snapshot" "clone" "package" "reader" "hold"
  std::string name;
  ManifestVersion version;
  std::string created_at;  // RFC 3339

  bool operator==(const PinEntry&) const = default;
};

struct Manifest {
  CollectionId collection;
  ManifestVersion version;
  std::string previous_sha256;  // of the predecessor's bytes; empty for version 1
  std::string attempt_id;       // of the committer's try; tells "won" from "lost" after an unknown outcome
  std::string created_at;
  Epoch epoch;  // of the writer; grows with every takeover
  std::vector<EpochEntry> open_epochs;
  std::vector<SegmentEntry> segments;
  std::vector<PinEntry> pins;
  ManifestVersion gc_boundary;  // unreferenced objects whose builder started before it are doomed (I8)
  uint64_t revert_generation = 0;
  std::string home;  // node that `ack=local` binds the collection to; empty if none
  bool dropped = false;
  CollectionSpec spec;

  // What must hold of every encoded one; kDataLoss naming the field.
  Status Validate() const;
  bool operator==(const Manifest&) const = default;
};

inline constexpr uint64_t kManifestBytesMax = 16ull << 20;
inline constexpr uint64_t kCatalogBytesMax = 64ull << 20;
inline constexpr size_t kManifestSegmentsMax = 100'000;

std::string EncodeManifest(const Manifest& manifest);
Result<Manifest> DecodeManifest(std::string_view bytes);

// A retired manifest's key keeps a tombstone for ever, so that its name is never free (I7).
struct ManifestTombstone {
  ManifestVersion version;
  std::string attempt_id;
  Epoch epoch;
  std::string sha256;  // of the manifest it replaced

  // What must hold of every encoded one; kDataLoss naming the field.
  Status Validate() const;
  bool operator==(const ManifestTombstone&) const = default;
};
std::string EncodeManifestTombstone(const ManifestTombstone& tombstone);
// nullopt if `bytes` are a manifest and not a tombstone.
Result<std::optional<ManifestTombstone>> DecodeManifestTombstone(std::string_view bytes);

struct CatalogEntry {
  CollectionId id;
  std::string created_at;
  CollectionSpec spec;

  bool operator==(const CatalogEntry&) const = default;
};

// One catalog version: what changed since the previous one, or (checkpoint) everything.
struct CatalogVersion {
  ManifestVersion version;
  std::string previous_sha256;
  std::string attempt_id;
  std::string created_at;
  bool checkpoint = false;
  ManifestVersion last_checkpoint;  // 0 if none
  CollectionId next_collection_id;  // ids below were handed out
  std::vector<CatalogEntry> put;    // created or changed
  std::vector<CollectionId> dropped;

  // What must hold of every encoded one; kDataLoss naming the field.
  Status Validate() const;
  bool operator==(const CatalogVersion&) const = default;
};

std::string EncodeCatalogVersion(const CatalogVersion& version);
Result<CatalogVersion> DecodeCatalogVersion(std::string_view bytes);

}  // namespace akidb
