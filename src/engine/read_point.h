// Which state of a collection a read or a revert asks for (`at` in the API), and what a manifest says of the states it
// keeps.
//
// Threads: values and pure functions.
// Errors:  kNotFound (reasons "snapshot_not_found" "version_not_found" "version_retired"), saying what is kept.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/ids.h"
#include "format/manifest_format.h"

namespace akidb {

struct AtSnapshot {
  std::string name;
  bool operator==(const AtSnapshot&) const = default;
};
struct AtVersion {
  ManifestVersion version;
  bool operator==(const AtVersion&) const = default;
};
// The newest version committed at or before `time`, by the wall clocks of those who committed.
struct AtTime {
  WallTime time;
  bool operator==(const AtTime&) const = default;
};
using ReadPoint = std::variant<AtSnapshot, AtVersion, AtTime>;

struct SnapshotInfo {
  std::string name;
  ManifestVersion version;
  std::string created_at;  // RFC 3339

  bool operator==(const SnapshotInfo&) const = default;
};

// The first of the versions that are kept without a pin: it and all later ones are.
ManifestVersion KeptFrom(const Manifest& head);
bool HasPin(const Manifest& head, ManifestVersion version);
// Whether the objects of `version` are kept, so that a commit on `head` may pin it or name them again (I8).
Status CheckKept(const Manifest& head, ManifestVersion version);
// The pin of a snapshot, or the end of head.pins.
std::vector<PinEntry>::const_iterator FindSnapshotPin(const Manifest& head, std::string_view name);
Status NoSuchSnapshot(std::string_view name);

}  // namespace akidb
