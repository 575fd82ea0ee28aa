// Reading earlier versions: from a point in time to a version, and from a version to open segments.
#include <algorithm>

#include "engine/collection_impl.h"
#include "format/deletion_vector.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr uint64_t kDeletesBytesMax = 1ull << 30;
constexpr size_t kOpenVersionsMax = 4;
constexpr Duration kOpenVersionIdle = std::chrono::minutes(5);

}  // namespace

std::vector<std::string> ObjectKeysOf(const Manifest& manifest) {
  std::vector<std::string> keys;
  keys.reserve(manifest.segments.size() + 1);
  ForEachObject(manifest, [&](CollectionId, const std::string& key, const ObjectRef&) { keys.push_back(key); });
  return keys;
}

// One version as readers see it: every row of its segments that its deletion vectors do not name.
class CollectionImpl::VersionSnapshot final : public Snapshot {
 public:
  VersionSnapshot(const Manifest& manifest, std::vector<std::shared_ptr<SegmentUnit>> segments)
      : spec_(manifest.spec), segments_(std::move(segments)), units_(segments_.begin(), segments_.end()) {
    position_ = {manifest.epoch, manifest.version, Lsn(0)};
    for (const EpochEntry& epoch : manifest.open_epochs) position_.lsn = std::max(position_.lsn, epoch.watermark);
    for (const auto& unit : segments_) {
      position_.lsn = std::max(position_.lsn, unit->newest_lsn());
      live_rows_ += unit->row_count() - unit->marks().count();
    }
  }

  const CollectionSpec& spec() const override { return spec_; }
  const Position& position() const override { return position_; }
  const std::vector<std::shared_ptr<const SearchUnit>>& units() const override { return units_; }
  uint64_t live_rows() const override { return live_rows_; }
  std::optional<RowLocation> Find(std::string_view id) const override {
    for (const auto& unit : segments_) {
      if (const auto row = unit->FindLatest(id)) return RowLocation{unit, *row};
    }
    return std::nullopt;
  }

  const std::vector<std::shared_ptr<SegmentUnit>>& segments() const { return segments_; }

 private:
  CollectionSpec spec_;
  Position position_;
  uint64_t live_rows_ = 0;
  std::vector<std::shared_ptr<SegmentUnit>> segments_;
  std::vector<std::shared_ptr<const SearchUnit>> units_;
};

Result<std::vector<RowIndex>> CollectionImpl::ReadDeletes(OpContext& ctx, const SegmentEntry& entry) {
  if (!entry.deletes) return std::vector<RowIndex>();
  const std::string key = DeletesKeyOf(id_, *entry.deletes);
  auto body = deps_.store->Get(ctx, key, kDeletesBytesMax);
  if (!body) return std::unexpected(NamedButNotRead(key, std::move(body).error()));
  AKI_ASSIGN_OR_RETURN(std::vector<RowIndex> deleted,
                       DecodeDeletionVector(body->bytes, entry.object.id, entry.row_count));
  if (deleted.size() != entry.deleted_count) {
    return std::unexpected(DataLoss(key + " deletes " + std::to_string(deleted.size()) + " rows, the manifest says " +
                                    std::to_string(entry.deleted_count)));
  }
  return deleted;
}

SegmentUnit::Shared CollectionImpl::FindOpen(std::string_view segment_id) {
  SegmentUnit::Shared found;
  const auto look_in = [&](const std::vector<std::shared_ptr<SegmentUnit>>& units) {
    const auto it = std::ranges::find_if(units, [&](const auto& unit) { return unit->id() == segment_id; });
    if (it != units.end()) found = (*it)->shared();
  };
  MutexLock lock(state_mutex_);
  look_in(view_->segments);
  for (size_t i = 0; i < open_versions_.size() && !found.reader; ++i) look_in(open_versions_[i].snapshot->segments());
  return found;
}

Result<std::vector<std::shared_ptr<SegmentUnit>>> CollectionImpl::OpenUnits(OpContext& ctx,
                                                                            const std::vector<SegmentEntry>& entries) {
  std::vector<std::shared_ptr<SegmentUnit>> units;
  units.reserve(entries.size());
  for (const SegmentEntry& entry : entries) {
    AKI_ASSIGN_OR_RETURN(units.emplace_back(), OpenUnit(ctx, entry));
  }
  return units;
}

Result<std::shared_ptr<const ManifestHead>> CollectionImpl::LoadVersion(OpContext& ctx, ManifestVersion version) {
  if (const auto head = history_.head(); head && head->manifest.version == version) return head;
  AKI_ASSIGN_OR_RETURN(auto loaded, manifests_->Read(ctx, version));
  history_.Learn(loaded->manifest, loaded->sha256);
  return loaded;
}

Result<std::shared_ptr<const ManifestHead>> CollectionImpl::LoadUnchanged(OpContext& ctx, ManifestVersion version) {
  AKI_ASSIGN_OR_RETURN(auto loaded, LoadVersion(ctx, version));
  const ManifestVersion next = version.Next();
  if (history_.head()->manifest.version < next) return loaded;  // nothing names it yet
  auto successor = history_.Find(next);
  if (!successor) {
    const auto read = LoadVersion(ctx, next);
    // A tombstone does not say what came before.
    if (!read && read.error().reason() == "version_retired") return loaded;
    if (!read) return std::unexpected(read.error());
    successor = history_.Find(next);
  }
  if (successor->previous_sha256 == loaded->sha256) return loaded;
  return std::unexpected(
      DataLoss(ManifestKey(id_, version) + " was changed after it was committed: its successor names another SHA-256"));
}

// By bisection. Clocks of committers may jump; versions are in the order of their commits whatever their times say, and
// the answer is a version whose time is not after `time` while its successor's is.
Result<ManifestVersion> CollectionImpl::VersionAt(OpContext& ctx, const Manifest& head, WallTime time) {
  const std::string wanted = FormatRfc3339(time);
  const auto created_at = [&](ManifestVersion version) -> Result<std::string> {
    if (const auto known = history_.Find(version)) return known->created_at;
    AKI_ASSIGN_OR_RETURN(const auto loaded, LoadVersion(ctx, version));
    return loaded->manifest.created_at;
  };
  uint64_t low = KeptFrom(head).value();
  AKI_ASSIGN_OR_RETURN(const std::string oldest, created_at(ManifestVersion(low)));
  if (oldest > wanted) {
    const std::string what = "version " + std::to_string(low) + " of " + oldest;
    return std::unexpected(
        low == 1 ? NotFound("the collection's first version is " + what + ", after " + wanted)
                       .WithReason("version_not_found")
                 : NotFound("the oldest version kept is " + what + ", after " + wanted).WithReason("version_retired"));
  }
  uint64_t high = head.version.value() + 1;
  while (low + 1 < high) {
    const uint64_t middle = low + (high - low) / 2;
    AKI_ASSIGN_OR_RETURN(const std::string at, created_at(ManifestVersion(middle)));
    (at <= wanted ? low : high) = middle;
  }
  return ManifestVersion(low);
}

Result<ManifestVersion> CollectionImpl::Resolve(OpContext& ctx, const Manifest& head, const ReadPoint& point) {
  if (const auto* time = std::get_if<AtTime>(&point)) return VersionAt(ctx, head, time->time);
  if (const auto* snapshot = std::get_if<AtSnapshot>(&point)) {
    const auto pin = FindSnapshotPin(head, snapshot->name);
    if (pin == head.pins.end()) return std::unexpected(NoSuchSnapshot(snapshot->name));
    return pin->version;
  }
  const ManifestVersion version = std::get<AtVersion>(point).version;
  AKI_RETURN_IF_ERROR(CheckKept(head, version));
  return version;
}

Result<std::shared_ptr<const CollectionImpl::VersionSnapshot>> CollectionImpl::OpenAt(OpContext& ctx,
                                                                                      ManifestVersion version) {
  const auto find_open = [&]() -> std::shared_ptr<const VersionSnapshot> {
    MutexLock lock(state_mutex_);
    const auto it = std::ranges::find(open_versions_, version, &OpenVersion::version);
    if (it == open_versions_.end()) return nullptr;
    it->used = deps_.env.clock->Now();
    std::rotate(it, it + 1, open_versions_.end());
    return open_versions_.back().snapshot;
  };
  if (auto open = find_open()) return open;
  // One at a time: versions opened in parallel would load their segments twice.
  MutexLock opening(opening_mutex_);
  if (auto open = find_open()) return open;
  AKI_ASSIGN_OR_RETURN(const auto loaded, LoadUnchanged(ctx, version));
  AKI_ASSIGN_OR_RETURN(auto units, OpenUnits(ctx, loaded->manifest.segments));
  const auto snapshot = std::make_shared<const VersionSnapshot>(loaded->manifest, std::move(units));
  OpenVersion pushed_out;
  MutexLock lock(state_mutex_);
  if (open_versions_.size() == kOpenVersionsMax) {
    pushed_out = std::move(open_versions_.front());
    open_versions_.erase(open_versions_.begin());
  }
  open_versions_.push_back({version, snapshot, deps_.env.clock->Now()});
  return snapshot;
}

Result<std::shared_ptr<const Snapshot>> CollectionImpl::ReadAt(OpContext& ctx, const ReadPoint& point) {
  const auto head = history_.head();
  AKI_ASSIGN_OR_RETURN(const ManifestVersion version, Resolve(ctx, head->manifest, point));
  return OpenAt(ctx, version);
}

void CollectionImpl::CloseIdleVersions() {
  std::vector<OpenVersion> closed;
  MutexLock lock(state_mutex_);
  const MonotonicTime now = deps_.env.clock->Now();
  const auto idle = [&](const OpenVersion& open) { return now >= open.used + kOpenVersionIdle; };
  std::ranges::copy_if(open_versions_, std::back_inserter(closed), idle);
  std::erase_if(open_versions_, idle);
}

void CollectionImpl::AddHistory(CollectionStats* out) {
  const auto head = history_.head();
  out->oldest_version = KeptFrom(head->manifest);
  out->snapshot_count = static_cast<uint64_t>(std::ranges::count(head->manifest.pins, "snapshot", &PinEntry::kind));
  MutexLock lock(state_mutex_);
  std::set<const SegmentReader*> counted;
  for (const auto& unit : view_->segments) counted.insert(unit->shared().reader.get());
  for (const OpenVersion& open : open_versions_) {
    for (const auto& unit : open.snapshot->segments()) {
      if (counted.insert(unit->shared().reader.get()).second) out->memory_bytes += unit->memory_bytes();
    }
  }
}

}  // namespace akidb
