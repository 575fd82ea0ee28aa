#include "format/manifest_format.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/json_writer.h"
#include "format/disk_id.h"
#include "format/manifest_fields.h"
#include "format/manifest_segments.h"

namespace akidb {
namespace {

constexpr std::string_view kManifestFamily = "akidb.manifest";
constexpr uint32_t kManifestFormat = 4;
constexpr std::string_view kTombstoneFamily = "akidb.tombstone";
constexpr uint64_t kTombstoneBytesMax = 64u << 10;
constexpr size_t kEpochsMax = 100'000;
constexpr size_t kPinsMax = 100'000;

EpochEntry ReadEpoch(const simdjson::dom::element& json, const std::string& path, uint32_t format, Status* status) {
  JsonFields fields(json, path, status);
  EpochEntry entry;
  entry.epoch = Epoch(fields.Uint("epoch"));
  entry.node = fields.String("node");
  entry.watermark = Lsn(fields.Uint("watermark"));
  if (format >= 2) entry.sequence = WalSequence(fields.Uint("sequence"));
  fields.End();
  return entry;
}

PinEntry ReadPin(const simdjson::dom::element& json, const std::string& path, uint32_t format, Status* status) {
  JsonFields fields(json, path, status);
  PinEntry pin;
  pin.kind = fields.String("kind");
  pin.name = fields.String("name");
  pin.version = ManifestVersion(fields.Uint("version"));
  pin.created_at = fields.String("created_at");
  if (format >= 2) pin.expires_at = fields.String("expires_at");
  fields.End();
  return pin;
}

LogKind ReadLogKind(JsonFields& fields) {
  const std::string name = fields.String("log");
  for (const LogKind kind : {LogKind::kLocal, LogKind::kBucket}) {
    if (name == LogKindName(kind)) return kind;
  }
  fields.Fail("log", "is \"" + name + "\", must be one of \"local\", \"bucket\"");
  return LogKind::kLocal;
}

std::optional<CloneOrigin> ReadCloneOrigin(JsonFields& fields, Status* status) {
  const simdjson::dom::element json = fields.Element("cloned_from");
  if (!status->ok() || json.is_null()) return std::nullopt;
  JsonFields inner(json, "manifest.cloned_from", status);
  CloneOrigin origin;
  origin.collection = CollectionId(inner.Uint("collection"));
  origin.version = ManifestVersion(inner.Uint("version"));
  inner.End();
  return origin;
}

std::optional<Home> ReadHome(JsonFields& fields, uint32_t format, Status* status) {
  if (format < 4) {
    const std::string node = fields.String("home");
    return node.empty() ? std::nullopt : std::optional(Home{.node = node});
  }
  const simdjson::dom::element json = fields.Element("home");
  if (!status->ok() || json.is_null()) return std::nullopt;
  JsonFields inner(json, "manifest.home", status);
  Home home;
  home.node = inner.String("node");
  home.disk = inner.String("disk");
  home.confirm_ms = inner.Uint("confirm_ms");
  inner.End();
  return home;
}

RebindEntry ReadRebind(const simdjson::dom::element& json, const std::string& path, Status* status) {
  JsonFields fields(json, path, status);
  RebindEntry rebind;
  rebind.ended = Epoch(fields.Uint("ended"));
  rebind.survived = Lsn(fields.Uint("survived"));
  rebind.wait_ms = fields.Uint("wait_ms");
  fields.End();
  return rebind;
}

StoredManifest ReadManifest(JsonFields& fields, uint32_t format, Status* status) {
  StoredManifest stored;
  Manifest& m = stored.manifest;
  m.collection = CollectionId(fields.Uint("collection"));
  m.version = ManifestVersion(fields.Uint("version"));
  m.previous_sha256 = fields.String("previous_sha256");
  m.attempt_id = fields.String("attempt_id");
  m.created_at = fields.String("created_at");
  m.epoch = Epoch(fields.Uint("epoch"));
  fields.Array("open_epochs", kEpochsMax, [&](const simdjson::dom::element& json, const std::string& path) {
    m.open_epochs.push_back(ReadEpoch(json, path, format, status));
  });
  if (format >= 2) {
    m.log = ReadLogKind(fields);
    m.base = ReadObjectOrNull(fields, "base", "manifest", format, status);
    fields.Array("removed", kManifestSegmentsMax, [&](const simdjson::dom::element& json, const std::string& path) {
      std::string_view id;
      if (json.get_string().get(id) != simdjson::SUCCESS) *status = DataLoss(path + " is not a string");
      stored.removed.emplace_back(id);
    });
  }
  m.segments = ReadSegments(fields, format, status);
  fields.Array("pins", kPinsMax, [&](const simdjson::dom::element& json, const std::string& path) {
    m.pins.push_back(ReadPin(json, path, format, status));
  });
  m.gc_boundary = ManifestVersion(fields.Uint("gc_boundary"));
  m.revert_generation = fields.Uint("revert_generation");
  m.home = ReadHome(fields, format, status);
  if (format >= 4) {
    fields.Array("rebinds", kManifestRebindsMax, [&](const simdjson::dom::element& json, const std::string& path) {
      m.rebinds.push_back(ReadRebind(json, path, status));
    });
  }
  m.dropped = fields.Bool("dropped");
  if (format >= 2) m.cloned_from = ReadCloneOrigin(fields, status);
  m.spec = ReadSpec(fields, "spec");
  return stored;
}

void WriteHome(const Manifest& m, uint32_t format, JsonWriter& w) {
  w.Key("home");
  if (format < 4) {
    w.Value(m.home ? m.home->node : std::string());
    return;
  }
  if (m.home) {
    w.BeginObject().Key("node").Value(m.home->node).Key("disk").Value(m.home->disk);
    w.Key("confirm_ms").Value(m.home->confirm_ms).EndObject();
  } else {
    w.Null();
  }
  w.Key("rebinds").BeginArray();
  for (const RebindEntry& rebind : m.rebinds) {
    w.BeginObject().Key("ended").Value(rebind.ended.value()).Key("survived").Value(rebind.survived.value());
    w.Key("wait_ms").Value(rebind.wait_ms).EndObject();
  }
  w.EndArray();
}

// `m.segments` gives way to `segments`.
std::string WriteManifest(const Manifest& m, const std::vector<SegmentEntry>& segments,
                          const std::vector<std::string>& removed, uint32_t format) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("format").Value(std::string(kManifestFamily) + "/" + std::to_string(format));
  w.Key("collection").Value(m.collection.value());
  w.Key("version").Value(m.version.value());
  w.Key("previous_sha256").Value(m.previous_sha256);
  w.Key("attempt_id").Value(m.attempt_id);
  w.Key("created_at").Value(m.created_at);
  w.Key("epoch").Value(m.epoch.value());
  w.Key("open_epochs").BeginArray();
  for (const EpochEntry& entry : m.open_epochs) {
    w.BeginObject().Key("epoch").Value(entry.epoch.value());
    w.Key("node").Value(entry.node).Key("watermark").Value(entry.watermark.value());
    if (format >= 2) w.Key("sequence").Value(entry.sequence.value());
    w.EndObject();
  }
  w.EndArray();
  if (format >= 2) {
    w.Key("log").Value(LogKindName(m.log));
    w.Key("base");
    WriteObjectOrNull(m.base, format, w);
    w.Key("removed").BeginArray();
    for (const std::string& id : removed) w.Value(id);
    w.EndArray();
  }
  WriteSegments(segments, format, w);
  w.Key("pins").BeginArray();
  for (const PinEntry& pin : m.pins) {
    w.BeginObject().Key("kind").Value(pin.kind).Key("name").Value(pin.name);
    w.Key("version").Value(pin.version.value()).Key("created_at").Value(pin.created_at);
    if (format >= 2) w.Key("expires_at").Value(pin.expires_at);
    w.EndObject();
  }
  w.EndArray();
  w.Key("gc_boundary").Value(m.gc_boundary.value());
  w.Key("revert_generation").Value(m.revert_generation);
  WriteHome(m, format, w);
  w.Key("dropped").Value(m.dropped);
  if (format >= 2) {
    w.Key("cloned_from");
    if (m.cloned_from) {
      w.BeginObject().Key("collection").Value(m.cloned_from->collection.value());
      w.Key("version").Value(m.cloned_from->version.value()).EndObject();
    } else {
      w.Null();
    }
  }
  w.Key("spec");
  WriteCollectionSpec(m.spec, &w);
  w.EndObject();
  return SealJson(std::move(out));
}

bool KnownPinKind(std::string_view kind) {
  return kind == "snapshot" || kind == "clone" || kind == "package" || kind == "reader" || kind == "hold";
}

Status ValidatePins(const std::vector<PinEntry>& pins) {
  AKI_RETURN_IF_ERROR(Require(pins.size() <= kPinsMax, "pins", "has more than 100,000 items"));
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const PinEntry& pin : pins) {
    AKI_RETURN_IF_ERROR(Require(KnownPinKind(pin.kind), "pins", "has the unknown kind \"" + pin.kind + "\""));
    const Status name = ValidateName("name", pin.name);
    AKI_RETURN_IF_ERROR(Require(name.ok(), "pins", name.message()));
    AKI_RETURN_IF_ERROR(Require(pin.version.value() >= 1, "pins", "has version 0 for " + pin.kind + " " + pin.name));
    AKI_RETURN_IF_ERROR(
        Require(seen.emplace(pin.kind, pin.name).second, "pins", "has " + pin.kind + " " + pin.name + " twice"));
  }
  return OkStatus();
}

ManifestTombstone ReadTombstone(JsonFields& fields, uint32_t /*format*/, Status* /*status*/) {
  ManifestTombstone tombstone;
  tombstone.version = ManifestVersion(fields.Uint("version"));
  tombstone.attempt_id = fields.String("attempt_id");
  tombstone.epoch = Epoch(fields.Uint("epoch"));
  tombstone.sha256 = fields.String("sha256");
  return tombstone;
}

std::string WriteTombstone(const ManifestTombstone& tombstone, uint32_t /*format*/) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("format").Value(std::string(kTombstoneFamily) + "/1");
  w.Key("version").Value(tombstone.version.value());
  w.Key("attempt_id").Value(tombstone.attempt_id);
  w.Key("epoch").Value(tombstone.epoch.value());
  w.Key("sha256").Value(tombstone.sha256);
  w.EndObject();
  return SealJson(std::move(out));
}

Status ValidateHome(const Manifest& m) {
  AKI_RETURN_IF_ERROR(Require(m.rebinds.size() <= kManifestRebindsMax, "rebinds", "has more than 64 items"));
  for (size_t i = 0; i < m.rebinds.size(); ++i) {
    const RebindEntry& rebind = m.rebinds[i];
    AKI_RETURN_IF_ERROR(
        Require(i == 0 || m.rebinds[i - 1].ended < rebind.ended, "rebinds", "is not ascending by epoch"));
    AKI_RETURN_IF_ERROR(Require(rebind.ended < m.epoch, "rebinds", "has an epoch that is not over"));
    AKI_RETURN_IF_ERROR(Require(rebind.wait_ms == 0 || (m.home && i + 1 == m.rebinds.size()), "rebinds",
                                "has a wait that is not that of the home"));
    AKI_RETURN_IF_ERROR(Require(rebind.wait_ms <= kHomeConfirmMsMax * 2, "rebinds", "has a wait above two hours"));
  }
  if (!m.home || m.home->disk.empty()) {
    return Require(!m.home || m.home->confirm_ms == 0, "home", "has a time although it has no disk");
  }
  AKI_RETURN_IF_ERROR(Require(ValidateName("node", m.home->node).ok(), "home", "has a node that is not a name"));
  AKI_RETURN_IF_ERROR(Require(IsDiskId(m.home->disk), "home", "has a disk that is not 32 hexadecimal digits"));
  AKI_RETURN_IF_ERROR(Require(m.home->confirm_ms >= 1 && m.home->confirm_ms <= kHomeConfirmMsMax, "home",
                              "has a time that is not between a millisecond and an hour"));
  return Require(m.log == LogKind::kLocal, "home", "is set although the log is in the bucket");
}

void SortById(std::vector<SegmentEntry>& segments) {
  const auto id = [](const SegmentEntry& segment) -> const std::string& { return segment.object.id; };
  if (!std::ranges::is_sorted(segments, {}, id)) std::ranges::sort(segments, {}, id);
}

}  // namespace

std::string_view LogKindName(LogKind kind) { return kind == LogKind::kBucket ? "bucket" : "local"; }

void Manifest::Normalize() {
  SortById(segments);
  const auto seen_from_here = [this](ObjectRef& object) {
    if (object.owner == collection) object.owner = CollectionId(0);
  };
  for (SegmentEntry& segment : segments) {
    seen_from_here(segment.object);
    if (segment.deletes) seen_from_here(*segment.deletes);
    if (segment.index) seen_from_here(*segment.index);
  }
  if (base) seen_from_here(*base);
}

void Manifest::AddRebind(const RebindEntry& rebind) {
  for (RebindEntry& older : rebinds) older.wait_ms = 0;
  rebinds.push_back(rebind);
  if (rebinds.size() <= kManifestRebindsMax) return;
  rebinds[1].survived = std::min(rebinds[0].survived, rebinds[1].survived);
  rebinds.erase(rebinds.begin());
}

bool Manifest::LostByRebind(Epoch of, Lsn lsn) const {
  return std::ranges::any_of(rebinds, [&](const RebindEntry& r) { return of <= r.ended && lsn > r.survived; });
}

void Manifest::LendTo(CollectionId other) {
  const auto lend = [this](ObjectRef& object) { object.owner = OwnerOf(collection, object); };
  for (SegmentEntry& segment : segments) {
    lend(segment.object);
    if (segment.deletes) lend(*segment.deletes);
    if (segment.index) lend(*segment.index);
  }
  if (base) lend(*base);
  collection = other;
  Normalize();
}

Status Manifest::Validate() const {
  AKI_RETURN_IF_ERROR(ValidatePrevious(version.value(), previous_sha256));
  AKI_RETURN_IF_ERROR(Require(open_epochs.size() <= kEpochsMax, "open_epochs", "has more than 100,000 items"));
  for (size_t i = 0; i < open_epochs.size(); ++i) {
    AKI_RETURN_IF_ERROR(
        Require(i == 0 || open_epochs[i - 1].epoch < open_epochs[i].epoch, "open_epochs", "is not ascending"));
    AKI_RETURN_IF_ERROR(Require(open_epochs[i].epoch <= epoch, "open_epochs", "has an epoch after the writer's"));
    AKI_RETURN_IF_ERROR(Require(log == LogKind::kBucket || open_epochs[i].sequence.value() == 0, "open_epochs",
                                "has a sequence although the log is local"));
  }
  if (base) AKI_RETURN_IF_ERROR(ValidateObject(collection, *base, "base"));
  AKI_RETURN_IF_ERROR(ValidateSegments(collection, segments));
  AKI_RETURN_IF_ERROR(ValidatePins(pins));
  AKI_RETURN_IF_ERROR(ValidateHome(*this));
  if (cloned_from) {
    AKI_RETURN_IF_ERROR(Require(cloned_from->version.value() >= 1, "cloned_from", "has version 0"));
    AKI_RETURN_IF_ERROR(Require(cloned_from->collection != collection, "cloned_from", "is the collection itself"));
  }
  const Status spec_status = spec.Validate(FormatLimits());
  return Require(spec_status.ok(), "spec", spec_status.message());
}

std::string EncodeManifest(const Manifest& manifest, const ManifestBase* base) {
  const Status valid = manifest.Validate();
  AKI_CHECK(valid.ok());
  AKI_CHECK(manifest.base.has_value() == (base != nullptr));
  if (base == nullptr) return WriteManifest(manifest, manifest.segments, {}, kManifestFormat);
  AKI_CHECK(base->id == manifest.base->id);
  const SegmentDelta delta = DeltaFrom(*base, manifest.collection, manifest.segments);
  return WriteManifest(manifest, delta.put, delta.removed, kManifestFormat);
}

Result<StoredManifest> DecodeStoredManifest(std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(auto decoded, DecodeCanonical<StoredManifest>(
                                         "manifest", kManifestFamily, kManifestFormat, bytes, kManifestBytesMax,
                                         ReadManifest, [](const StoredManifest& stored, uint32_t format) {
                                           return WriteManifest(stored.manifest, stored.manifest.segments,
                                                                stored.removed, format);
                                         }));
  StoredManifest& stored = decoded.value;
  if (decoded.format == 1) SortById(stored.manifest.segments);  // it let them come in any order
  AKI_RETURN_IF_ERROR(stored.manifest.Validate());
  AKI_RETURN_IF_ERROR(
      Require(stored.manifest.base || stored.removed.empty(), "removed", "is set although there is no base"));
  return std::move(stored);
}

Result<Manifest> DecodeManifest(std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(StoredManifest stored, DecodeStoredManifest(bytes));
  if (stored.manifest.base) {
    return std::unexpected(FailedPrecondition("the manifest's base " + stored.manifest.base->id + " was not read"));
  }
  return std::move(stored.manifest);
}

Status ManifestTombstone::Validate() const {
  AKI_RETURN_IF_ERROR(Require(version.value() >= 1, "version", "is 0; the first is 1"));
  return Require(IsSha256Hex(sha256), "sha256", "is not 64 hexadecimal digits");
}

std::string EncodeManifestTombstone(const ManifestTombstone& tombstone) {
  AKI_CHECK(tombstone.Validate().ok());
  return WriteTombstone(tombstone, 1);
}

Result<std::optional<ManifestTombstone>> DecodeManifestTombstone(std::string_view bytes) {
  // The seal is checked on the way in both cases, so a prefix is enough to tell them apart.
  const std::string manifest_start = "{\"format\":\"" + std::string(kManifestFamily) + "/";
  if (bytes.starts_with(manifest_start)) {
    AKI_RETURN_IF_ERROR(CheckJsonSeal("manifest", bytes, kManifestBytesMax));
    return std::optional<ManifestTombstone>();
  }
  AKI_ASSIGN_OR_RETURN(auto decoded,
                       DecodeCanonical<ManifestTombstone>("tombstone", kTombstoneFamily, 1, bytes, kTombstoneBytesMax,
                                                          ReadTombstone, WriteTombstone));
  AKI_RETURN_IF_ERROR(decoded.value.Validate());
  return std::optional(std::move(decoded.value));
}

}  // namespace akidb
