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
#include <functional>
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
  std::string id;  // the key follows from owner and id
  std::string sha256;
  std::string version_id;
  uint64_t size_bytes = 0;
  CollectionId owner{};  // collection under whose prefix it lies; 0: the one whose manifest names it

  bool operator==(const ObjectRef&) const = default;
};

// Keys of objects that the manifest of `own` names: a clone names objects of its source.
CollectionId OwnerOf(CollectionId own, const ObjectRef& object);
std::string SegmentKeyOf(CollectionId own, const ObjectRef& segment);
std::string DeletesKeyOf(CollectionId own, const ObjectRef& deletes);
std::string IndexKeyOf(CollectionId own, const ObjectRef& index);
std::string BaseKeyOf(CollectionId own, const ObjectRef& base);

struct SegmentEntry {
  ObjectRef object;
  uint32_t row_count = 0;
  std::string id_min;  // smallest and greatest vector id, bytes
  std::string id_max;
  uint64_t footer_offset = 0;
  uint64_t footer_bytes = 0;
  Lsn lsn_max;  // greatest LSN of any row in it
  std::string index_kind = "flat";
  std::optional<ObjectRef> index;    // what the kind stores; none if the rows are scanned
  std::optional<ObjectRef> deletes;  // deletion vector
  uint32_t deleted_count = 0;

  bool operator==(const SegmentEntry&) const = default;
};

// A writer generation whose log may still hold records that no segment has.
struct EpochEntry {
  Epoch epoch;
  std::string node;
  Lsn watermark;           // every record of this epoch up to here is in the segments
  WalSequence sequence{};  // greatest log object all of whose records are; 0 for a log on the node's disk

  bool operator==(const EpochEntry&) const = default;
};

// Keeps a version and what it names. (kind, name) is unique in a manifest.
struct PinEntry {
  std::string kind;  // "snapshot" "clone" "package" "reader" "hold"
  std::string name;
  ManifestVersion version;
  std::string created_at;    // RFC 3339
  std::string expires_at{};  // RFC 3339; empty: never

  bool operator==(const PinEntry&) const = default;
};

// Where the records of the open epochs are: on their node's disk, or below the collection's prefix (WalObjectKey).
enum class LogKind : uint8_t { kLocal, kBucket };
std::string_view LogKindName(LogKind kind);  // "local" "bucket"

// The collection and version that a clone began with.
struct CloneOrigin {
  CollectionId collection;
  ManifestVersion version;

  bool operator==(const CloneOrigin&) const = default;
};

// The node, and its disk, that a collection with `ack=local` on a shared store is bound to: only that one writes to it
// (docs/adr/0010-local-acknowledgement-on-a-bucket.md).
struct Home {
  std::string node;
  std::string disk{};       // of its data directory (format/disk_id.h); empty in documents that knew no disks
  uint64_t confirm_ms = 0;  // it acknowledges only for so long after it last read that it still is the home

  bool operator==(const Home&) const = default;
};

// The home was taken away from a node that is gone. Of what it wrote up to and in epoch `ended`, records up to
// `survived` were published; those above are lost.
struct RebindEntry {
  Epoch ended;
  Lsn survived;
  uint64_t wait_ms = 0;  // before the new home may write, so that the old one has stopped; 0 once that has passed

  bool operator==(const RebindEntry&) const = default;
};

struct Manifest {
  CollectionId collection;
  ManifestVersion version;
  std::string previous_sha256;  // of the predecessor's bytes; empty for version 1
  std::string attempt_id;       // of the committer's try; tells "won" from "lost" after an unknown outcome
  std::string created_at;
  Epoch epoch;  // of the writer; grows with every takeover
  std::vector<EpochEntry> open_epochs;
  LogKind log = LogKind::kLocal;
  std::optional<ObjectRef> base;       // how the segments are stored, not what they are: see ManifestBase
  std::vector<SegmentEntry> segments;  // all of them, ascending by object id
  std::vector<PinEntry> pins;
  ManifestVersion gc_boundary;  // unreferenced objects whose builder started before it are doomed (I8)
  uint64_t revert_generation = 0;
  std::optional<Home> home;
  std::vector<RebindEntry> rebinds;  // ascending by epoch
  bool dropped = false;
  std::optional<CloneOrigin> cloned_from;
  CollectionSpec spec;

  // Sorts segments and gives own objects owner 0, as Validate demands.
  void Normalize();
  // Makes it name the same objects on behalf of `other`, to which they do not belong.
  void LendTo(CollectionId other);
  // Notes a rebind; of too many the two oldest become one, which calls no record published that is not.
  void AddRebind(const RebindEntry& rebind);
  // Whether a rebind took away the record `lsn` of `epoch`.
  bool LostByRebind(Epoch epoch, Lsn lsn) const;
  // What must hold of every encoded one; kDataLoss naming the field.
  Status Validate() const;
  bool operator==(const Manifest&) const = default;
};

// Visits every object that `manifest` names: segments, their indexes and deletion vectors, the base.
void ForEachObject(
    const Manifest& manifest,
    const std::function<void(CollectionId owner, const std::string& key, const ObjectRef& object)>& visit);

// The segment list of an earlier version, an object of its own, so that a numbered manifest stays small: it names its
// base and says what was added, changed and removed since. Owners are seen from `collection`, which a clone's is not.
struct ManifestBase {
  CollectionId collection;
  std::string id;  // of the object
  std::vector<SegmentEntry> segments;

  // What must hold of every encoded one; kDataLoss naming the field.
  Status Validate() const;
  bool operator==(const ManifestBase&) const = default;
};

// A numbered manifest is meant to stay below it, and does while its pins and its specification are few and small.
inline constexpr uint64_t kManifestInlineBytesMax = 64u << 10;
inline constexpr uint64_t kManifestBytesMax = 16ull << 20;
inline constexpr uint64_t kManifestBaseBytesMax = 64ull << 20;
inline constexpr uint64_t kCatalogBytesMax = 64ull << 20;
inline constexpr size_t kManifestSegmentsMax = 100'000;
inline constexpr size_t kManifestRebindsMax = 64;

std::string EncodeManifestBase(const ManifestBase& base);
Result<ManifestBase> DecodeManifestBase(std::string_view bytes);

// `base` is the one that manifest.base names, null if it names none.
std::string EncodeManifest(const Manifest& manifest, const ManifestBase* base = nullptr);
// Of a manifest without a base; one with a base is kFailedPrecondition.
Result<Manifest> DecodeManifest(std::string_view bytes);

// Bytes that the segments take in the encoded manifest; above `limit` counting stops.
uint64_t EncodedSegmentBytes(const Manifest& manifest, const ManifestBase* base, uint64_t limit);

// What the bytes of a manifest say before its base was read.
struct StoredManifest {
  Manifest manifest;                 // segments: only those that the base lacks or has otherwise
  std::vector<std::string> removed;  // ids of segments of the base
};
Result<StoredManifest> DecodeStoredManifest(std::string_view bytes);
// `base` as for EncodeManifest. kDataLoss if the two do not fit.
Result<Manifest> CompleteManifest(StoredManifest stored, const ManifestBase* base);

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

// Another name of a collection. No collection has it as its own.
struct AliasEntry {
  std::string alias;
  CollectionId collection;

  bool operator==(const AliasEntry&) const = default;
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
  std::vector<CollectionId> purged;     // dropped before, and all their objects are gone
  std::vector<AliasEntry> aliases_put;  // created or changed
  std::vector<std::string> aliases_dropped;

  // What must hold of every encoded one; kDataLoss naming the field.
  Status Validate() const;
  bool operator==(const CatalogVersion&) const = default;
};

std::string EncodeCatalogVersion(const CatalogVersion& version);
Result<CatalogVersion> DecodeCatalogVersion(std::string_view bytes);

}  // namespace akidb
