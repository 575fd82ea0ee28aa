// Entries of a segment list on their way to and from JSON, in the manifest and in its base.
//
// Format:  docs/formats/manifest.md
// Threads: pure functions.
// Errors:  kDataLoss naming the field.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/manifest_fields.h"
#include "format/manifest_format.h"

namespace akidb {

// Format 1 has no owners.
void WriteObjectRef(const ObjectRef& object, uint32_t format, JsonWriter& w);
void WriteObjectOrNull(const std::optional<ObjectRef>& object, uint32_t format, JsonWriter& w);
std::optional<ObjectRef> ReadObjectOrNull(JsonFields& fields, std::string_view key, const std::string& path,
                                          uint32_t format, Status* status);
Status ValidateObject(CollectionId own, const ObjectRef& object, std::string_view what);

// What turns the segments of a base into those of a manifest that names it.
struct SegmentDelta {
  std::vector<SegmentEntry> put;     // new or changed
  std::vector<std::string> removed;  // ids
};
SegmentDelta DeltaFrom(const ManifestBase& base, CollectionId own, const std::vector<SegmentEntry>& segments);

// What the segments of the delta take, comma included; see EncodedSegmentBytes.
uint64_t EntryBytes(const SegmentEntry& segment);

// The field "segments".
void WriteSegments(const std::vector<SegmentEntry>& segments, uint32_t format, JsonWriter& w);
std::vector<SegmentEntry> ReadSegments(JsonFields& fields, uint32_t format, Status* status);
// Each one for itself, and that they ascend by id.
Status ValidateSegments(CollectionId own, const std::vector<SegmentEntry>& segments);

}  // namespace akidb
