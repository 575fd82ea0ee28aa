#include "engine/read_point.h"

#include <algorithm>

namespace akidb {
namespace {

constexpr size_t kSnapshotsNamedMax = 10;

std::string DescribeKept(const Manifest& head) {
  std::string out = "versions " + std::to_string(KeptFrom(head).value()) + " to " +
                    std::to_string(head.version.value()) + " are kept";
  size_t named = 0;
  for (const PinEntry& pin : head.pins) {
    if (pin.kind != "snapshot") continue;
    if (named == kSnapshotsNamedMax) return out + ", ...";
    out += named++ == 0 ? ", and those of the snapshots " : ", ";
    out += pin.name + " (" + std::to_string(pin.version.value()) + ")";
  }
  return out;
}

}  // namespace

ManifestVersion KeptFrom(const Manifest& head) { return std::max(head.gc_boundary, ManifestVersion(1)); }

bool HasPin(const Manifest& head, ManifestVersion version) {
  return std::ranges::find(head.pins, version, &PinEntry::version) != head.pins.end();
}

Status CheckKept(const Manifest& head, ManifestVersion version) {
  if (version > head.version || version.value() == 0) {
    return NotFound("there is no version " + std::to_string(version.value()) + "; " + DescribeKept(head))
        .WithReason("version_not_found");
  }
  if (version < KeptFrom(head) && !HasPin(head, version)) {
    return NotFound("version " + std::to_string(version.value()) + " is no longer kept; " + DescribeKept(head))
        .WithReason("version_retired");
  }
  return OkStatus();
}

std::vector<PinEntry>::const_iterator FindSnapshotPin(const Manifest& head, std::string_view name) {
  return std::ranges::find_if(head.pins,
                              [&](const PinEntry& pin) { return pin.kind == "snapshot" && pin.name == name; });
}

Status NoSuchSnapshot(std::string_view name) {
  return NotFound("there is no snapshot " + std::string(name)).WithReason("snapshot_not_found");
}

}  // namespace akidb
