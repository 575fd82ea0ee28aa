// Snapshots and statistics.
#include <algorithm>

#include "engine/collection_impl.h"

namespace akidb {
namespace {

class CollectionSnapshot final : public Snapshot {
 public:
  CollectionSnapshot(CollectionSpec spec, Position position, uint64_t live_rows,
                     std::vector<std::shared_ptr<SegmentUnit>> segments,
                     std::vector<std::shared_ptr<GrowingRows>> growing, std::shared_ptr<SeenQueries> seen)
      : spec_(std::move(spec)),
        position_(position),
        live_rows_(live_rows),
        segments_(std::move(segments)),
        growing_(std::move(growing)),
        seen_(std::move(seen)),
        units_(segments_.begin(), segments_.end()) {
    for (const auto& rows : growing_) rows->AddUnits(&units_);
  }

  const CollectionSpec& spec() const override { return spec_; }
  const Position& position() const override { return position_; }
  const std::vector<std::shared_ptr<const SearchUnit>>& units() const override { return units_; }
  uint64_t live_rows() const override { return live_rows_; }
  void NoteQuery(std::span<const float> query) const override {
    // Nothing else is measured.
    if (std::ranges::any_of(segments_, [](const auto& unit) { return unit->indexed(); })) seen_->Note(query);
  }

  std::optional<RowLocation> Find(std::string_view id) const override {
    for (const auto& rows : growing_) {
      if (const auto row = rows->FindAt(id, position_.lsn)) return rows->UnitOf(*row);
    }
    for (const auto& unit : segments_) {
      const auto row = unit->Find(id);
      if (row && unit->LiveAt(*row, position_.lsn)) return RowLocation{unit, *row};
    }
    return std::nullopt;
  }

 private:
  CollectionSpec spec_;
  Position position_;
  uint64_t live_rows_;
  std::vector<std::shared_ptr<SegmentUnit>> segments_;
  std::vector<std::shared_ptr<GrowingRows>> growing_;  // newest first
  std::shared_ptr<SeenQueries> seen_;
  std::vector<std::shared_ptr<const SearchUnit>> units_;
};

}  // namespace

std::shared_ptr<const CollectionImpl::View> CollectionImpl::view() const {
  MutexLock lock(state_mutex_);
  return view_;
}

void CollectionImpl::PublishVersion() {
  history_.NoteHead(committer_.head());
  if (epoch_taken_ && committer_.head()->manifest.epoch.value() != epoch_.load()) {
    // A commit that needs no writer went onto a manifest of somebody who is the writer now: this view is not of it.
    superseded_.store(true, std::memory_order_release);
    return;
  }
  // Readers would be told that they see the revert, or what came after it, before they are shown what it brought.
  if (unsettled_revert_) return;
  MutexLock write(write_mutex_);
  auto next = std::make_shared<View>(*view());
  next->version = committer_.head()->manifest.version;
  MutexLock state(state_mutex_);
  view_ = std::move(next);
}

Lsn CollectionImpl::VisibleLsn() const {
  const Lsn applied(applied_lsn_.load(std::memory_order_acquire));
  if (!log_) return std::max(manifest_lsn(), applied);  // what a reader applied is in the bucket
  return std::max(manifest_lsn(), std::min(applied, log_->durable_lsn()));
}

Result<std::shared_ptr<const Snapshot>> CollectionImpl::Read(OpContext& ctx) {
  last_used_ns_.store(deps_.env.clock->Now().time_since_epoch().count(), std::memory_order_relaxed);
  std::shared_ptr<const View> current;
  Position position;
  CollectionSpec spec;
  while (current == nullptr) {
    {
      // One critical section with the swap of views: a view with a new segment is never read at an LSN below its rows.
      MutexLock lock(state_mutex_);
      if (!view_hidden_) {
        current = view_;
        position = {Epoch(epoch_.load(std::memory_order_relaxed)), view_->version, VisibleLsn()};
        spec = spec_;
        break;
      }
    }
    // Whoever hides it holds this lock for some memory work.
    const MutexLock until_shown(maintenance_mutex_);
  }
  AKI_RETURN_IF_ERROR(PrepareUnits(ctx, current->segments));
  std::vector<std::shared_ptr<GrowingRows>> growing;
  if (current->active) growing.push_back(current->active);
  growing.insert(growing.end(), current->sealed.rbegin(), current->sealed.rend());
  return std::make_shared<CollectionSnapshot>(std::move(spec), position, live_rows_.load(std::memory_order_relaxed),
                                              current->segments, std::move(growing), seen_);
}

bool CollectionImpl::opened() const {
  return std::ranges::all_of(view()->segments, [](const auto& unit) { return unit->ready(); });
}

CollectionStats CollectionImpl::stats() {
  CollectionStats out;
  const auto current = view();
  out.live_rows = live_rows_.load(std::memory_order_relaxed);
  out.segment_count = current->segments.size();
  out.manifest_version = current->version;
  out.home = home();
  AddHistory(&out);
  ForEachObject(history_.head()->manifest, [&](CollectionId /*owner*/, const std::string& /*key*/,
                                               const ObjectRef& object) { out.store_bytes += object.size_bytes; });
  out.memory_bytes += seen_->memory_bytes();
  for (const auto& unit : current->segments) {
    out.deleted_rows += unit->deleted_count();
    if (unit->indexed()) out.indexed_rows += unit->row_count();
    out.memory_bytes += unit->memory_bytes();
  }
  const auto add_growing = [&](const GrowingRows& rows) {
    out.growing_rows += rows.row_count();
    out.growing_indexed_rows += rows.indexed_rows();
    out.memory_bytes += rows.memory_bytes() + rows.index_bytes();
  };
  for (const auto& rows : current->sealed) add_growing(*rows);
  if (current->active) add_growing(*current->active);
  out.unflushed_bytes = own_unflushed_bytes_.load(std::memory_order_relaxed);
  MutexLock lock(write_mutex_);
  if (batch_first_lsn_.value() != 0) out.unflushed_age = deps_.env.clock->Now() - batch_since_;
  return out;
}

}  // namespace akidb
