// The base of a manifest: its own document, and how the two make one list.
#include <algorithm>

#include "base/check.h"
#include "format/manifest_segments.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr std::string_view kBaseFamily = "akidb.base";
constexpr uint32_t kBaseFormat = 2;

// Entries look as in a manifest of this format.
constexpr uint32_t EntryFormat(uint32_t format) { return format + 1; }

std::string WriteBase(const ManifestBase& base, uint32_t format) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("format").Value(std::string(kBaseFamily) + "/" + std::to_string(format));
  w.Key("collection").Value(base.collection.value());
  w.Key("id").Value(base.id);
  WriteSegments(base.segments, EntryFormat(format), w);
  w.EndObject();
  return SealJson(std::move(out));
}

ManifestBase ReadBase(JsonFields& fields, uint32_t format, Status* status) {
  ManifestBase base;
  base.collection = CollectionId(fields.Uint("collection"));
  base.id = fields.String("id");
  base.segments = ReadSegments(fields, EntryFormat(format), status);
  return base;
}

// An owner as the base has it, from `own`'s point of view.
void SeeFrom(CollectionId own, const ManifestBase& base, ObjectRef& object) {
  const CollectionId owner = OwnerOf(base.collection, object);
  object.owner = owner == own ? CollectionId(0) : owner;
}

SegmentEntry SeenFrom(CollectionId own, const ManifestBase& base, SegmentEntry entry) {
  if (own == base.collection) return entry;
  SeeFrom(own, base, entry.object);
  if (entry.deletes) SeeFrom(own, base, *entry.deletes);
  if (entry.index) SeeFrom(own, base, *entry.index);
  return entry;
}

}  // namespace

CollectionId OwnerOf(CollectionId own, const ObjectRef& object) {
  return object.owner.value() == 0 ? own : object.owner;
}

std::string SegmentKeyOf(CollectionId own, const ObjectRef& segment) {
  return SegmentKey(OwnerOf(own, segment), segment.id);
}

std::string IndexKeyOf(CollectionId own, const ObjectRef& index) { return IndexKey(OwnerOf(own, index), index.id); }

std::string DeletesKeyOf(CollectionId own, const ObjectRef& deletes) {
  return DeletesKey(OwnerOf(own, deletes), deletes.id);
}

std::string BaseKeyOf(CollectionId own, const ObjectRef& base) { return BaseKey(OwnerOf(own, base), base.id); }

void ForEachObject(
    const Manifest& manifest,
    const std::function<void(CollectionId owner, const std::string& key, const ObjectRef& object)>& visit) {
  const CollectionId own = manifest.collection;
  for (const SegmentEntry& segment : manifest.segments) {
    visit(OwnerOf(own, segment.object), SegmentKeyOf(own, segment.object), segment.object);
    if (segment.deletes) visit(OwnerOf(own, *segment.deletes), DeletesKeyOf(own, *segment.deletes), *segment.deletes);
    if (segment.index) visit(OwnerOf(own, *segment.index), IndexKeyOf(own, *segment.index), *segment.index);
  }
  if (manifest.base) visit(OwnerOf(own, *manifest.base), BaseKeyOf(own, *manifest.base), *manifest.base);
}

Status ManifestBase::Validate() const {
  AKI_RETURN_IF_ERROR(Require(ObjectIdStart(id).has_value(), "id", "is not an object id"));
  return ValidateSegments(collection, segments);
}

std::string EncodeManifestBase(const ManifestBase& base) {
  AKI_CHECK(base.Validate().ok());
  return WriteBase(base, kBaseFormat);
}

Result<ManifestBase> DecodeManifestBase(std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(auto decoded, DecodeCanonical<ManifestBase>("base", kBaseFamily, kBaseFormat, bytes,
                                                                   kManifestBaseBytesMax, ReadBase, WriteBase));
  AKI_RETURN_IF_ERROR(decoded.value.Validate());
  return std::move(decoded.value);
}

SegmentDelta DeltaFrom(const ManifestBase& base, CollectionId own, const std::vector<SegmentEntry>& segments) {
  SegmentDelta delta;
  auto old = base.segments.begin();
  for (const SegmentEntry& segment : segments) {
    while (old != base.segments.end() && old->object.id < segment.object.id) {
      delta.removed.push_back((old++)->object.id);
    }
    const bool same_id = old != base.segments.end() && old->object.id == segment.object.id;
    if (!same_id || SeenFrom(own, base, *old) != segment) delta.put.push_back(segment);
    if (same_id) ++old;
  }
  for (; old != base.segments.end(); ++old) delta.removed.push_back(old->object.id);
  return delta;
}

uint64_t EncodedSegmentBytes(const Manifest& manifest, const ManifestBase* base, uint64_t limit) {
  constexpr uint64_t kRemovedBytes = 40;  // an object id, its quotes and a comma
  uint64_t bytes = 0;
  const auto add_all = [&](const std::vector<SegmentEntry>& segments) {
    for (auto it = segments.begin(); it != segments.end() && bytes <= limit; ++it) bytes += EntryBytes(*it);
  };
  if (base == nullptr) {
    add_all(manifest.segments);
  } else {
    const SegmentDelta delta = DeltaFrom(*base, manifest.collection, manifest.segments);
    bytes = delta.removed.size() * kRemovedBytes;
    add_all(delta.put);
  }
  return bytes;
}

Result<Manifest> CompleteManifest(StoredManifest stored, const ManifestBase* base) {
  Manifest& m = stored.manifest;
  AKI_CHECK(m.base.has_value() == (base != nullptr));
  if (base == nullptr) return std::move(m);
  if (base->id != m.base->id || base->collection != OwnerOf(m.collection, *m.base)) {
    return std::unexpected(DataLoss("the object at " + BaseKeyOf(m.collection, *m.base) + " is another base"));
  }
  std::vector<SegmentEntry> whole;
  whole.reserve(base->segments.size() + m.segments.size());
  auto put = m.segments.begin();
  auto removed = stored.removed.begin();
  for (const SegmentEntry& entry : base->segments) {
    const std::string& id = entry.object.id;
    for (; put != m.segments.end() && put->object.id < id; ++put) whole.push_back(*put);
    if (removed != stored.removed.end() && *removed == id) {
      ++removed;
    } else if (put != m.segments.end() && put->object.id == id) {
      whole.push_back(*put++);
    } else {
      whole.push_back(SeenFrom(m.collection, *base, entry));
    }
  }
  whole.insert(whole.end(), put, m.segments.end());
  const SegmentDelta delta = DeltaFrom(*base, m.collection, whole);
  if (delta.put != m.segments || delta.removed != stored.removed) {
    return std::unexpected(DataLoss("the manifest's segments and removed are not what it changed of base " + base->id));
  }
  m.segments = std::move(whole);
  AKI_RETURN_IF_ERROR(m.Validate());
  return std::move(m);
}

}  // namespace akidb
