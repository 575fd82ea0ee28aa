// Snapshots: pins on versions, added and removed by commit. No object is copied, and nothing is read.
#include <algorithm>

#include "base/log.h"
#include "engine/collection_impl.h"

namespace akidb {
namespace {

SnapshotInfo InfoOf(const PinEntry& pin) { return {pin.name, pin.version, pin.created_at}; }

Status SnapshotExists(std::string_view name) {
  return AlreadyExists("snapshot " + std::string(name) + " already exists").WithReason("snapshot_exists");
}

}  // namespace

Result<std::shared_ptr<const ManifestHead>> CollectionImpl::CommitPins(
    OpContext& ctx, const std::function<Result<ManifestCommitter::Edited>(Manifest*)>& edit) {
  AKI_RETURN_IF_ERROR(SettleMerge(ctx));
  {
    MutexLock write(write_mutex_);
    if (dropped_) return std::unexpected(CheckWritable(0));
  }
  if (superseded()) return std::unexpected(NotTheWriter());
  AKI_ASSIGN_OR_RETURN(const auto head,
                       committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
                         if (manifest->dropped)
                           return std::unexpected(NotFound("collection was dropped").WithReason("collection_dropped"));
                         return edit(manifest);
                       }));
  // A pin needs no writer. Who is none shows what others published, which may have come in between.
  if (epoch_taken_) {
    PublishVersion();
  } else {
    Reload(ctx).IgnoreError("the pin is committed; following shows the rest");
  }
  return head;
}

Result<SnapshotInfo> CollectionImpl::CreateSnapshot(OpContext& ctx, std::string_view name) {
  AKI_RETURN_IF_ERROR(ValidateName("snapshot", name));
  if (FindSnapshot(name)) return std::unexpected(SnapshotExists(name));
  // What others acknowledged is only seen by the writer.
  AKI_RETURN_IF_ERROR(EnsureEpoch(ctx));
  AKI_RETURN_IF_ERROR(Flush(ctx));
  MutexLock lock(maintenance_mutex_);
  PinEntry pin;
  pin.kind = "snapshot";
  pin.name = name;
  pin.created_at = FormatRfc3339(deps_.env.clock->WallNow());
  AKI_RETURN_IF_ERROR(CommitPins(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    AKI_RETURN_IF_ERROR(CheckWriter(*manifest));
    if (FindSnapshotPin(*manifest, name) != manifest->pins.end()) return std::unexpected(SnapshotExists(name));
    const auto count = std::ranges::count(manifest->pins, "snapshot", &PinEntry::kind);
    if (count >= deps_.options.limits.snapshots_max) {
      return std::unexpected(FailedPrecondition("the collection has " + std::to_string(count) +
                                                " snapshots, the limit is " +
                                                std::to_string(deps_.options.limits.snapshots_max))
                                 .WithReason("too_many_snapshots"));
    }
    // The head itself is always kept: the boundary of the collector is never above it.
    pin.version = manifest->version;
    manifest->pins.push_back(pin);
    return ManifestCommitter::Edited::kChanged;
  }));
  Log(LogLevel::kInfo, "snapshot created",
      {{"collection", id_.value()}, {"snapshot", name}, {"version", pin.version.value()}});
  return InfoOf(pin);
}

Result<SnapshotInfo> CollectionImpl::FindSnapshot(std::string_view name) {
  const auto head = history_.head();
  const auto pin = FindSnapshotPin(head->manifest, name);
  if (pin == head->manifest.pins.end()) return std::unexpected(NoSuchSnapshot(name));
  return InfoOf(*pin);
}

std::vector<SnapshotInfo> CollectionImpl::Snapshots() {
  std::vector<SnapshotInfo> out;
  const auto head = history_.head();
  for (const PinEntry& pin : head->manifest.pins) {
    if (pin.kind == "snapshot") out.push_back(InfoOf(pin));
  }
  return out;
}

Status CollectionImpl::DeleteSnapshot(OpContext& ctx, std::string_view name) {
  MutexLock lock(maintenance_mutex_);
  ManifestVersion version;
  AKI_ASSIGN_OR_RETURN(const auto head, CommitPins(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
                         const auto pin = FindSnapshotPin(*manifest, name);
                         if (pin == manifest->pins.end()) return std::unexpected(NoSuchSnapshot(name));
                         version = pin->version;
                         manifest->pins.erase(pin);
                         return ManifestCommitter::Edited::kChanged;
                       }));
  Log(LogLevel::kInfo, "snapshot deleted",
      {{"collection", id_.value()}, {"snapshot", name}, {"version", version.value()}});
  unpinned_.insert(version);
  return OkStatus();
}

}  // namespace akidb
