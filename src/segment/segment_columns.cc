#include "segment/segment_columns.h"

#include <algorithm>

#include "filter/column_format.h"

namespace akidb {

// One evaluation's view of the columns.
class SegmentColumns::Source final : public ColumnSource {
 public:
  Source(const SegmentColumns& columns, std::shared_ptr<const filter::ColumnTree> tree)
      : columns_(columns), tree_(std::move(tree)) {}
  uint32_t row_count() const override { return columns_.row_count_; }
  const filter::ColumnTree& tree() const override { return *tree_; }
  Result<std::shared_ptr<const filter::Column>> Get(OpContext& ctx, uint32_t column) override {
    return columns_.Column(ctx, column);
  }
  std::optional<uint32_t> FindId(std::string_view id) const override { return columns_.find_id_(id); }

 private:
  const SegmentColumns& columns_;
  std::shared_ptr<const filter::ColumnTree> tree_;
};

SegmentColumns::SegmentColumns(const SegmentObject& object, const SectionEntry* section, uint32_t row_count,
                               std::shared_ptr<ColumnCache> cache, FindId find_id)
    : object_(object),
      row_count_(row_count),
      cache_(std::move(cache)),
      owner_(cache_->NewOwner()),
      find_id_(std::move(find_id)) {
  if (section == nullptr) return;
  blocks_ = section->blocks;
  uint64_t offset = section->offset;
  for (uint32_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].row_count == places_.size()) places_.push_back({.offset = offset, .first_block = i});
    ++places_.back().block_count;
    offset += blocks_[i].stored_bytes;
  }
}

SegmentColumns::~SegmentColumns() { cache_->Drop(owner_); }

Result<std::string> SegmentColumns::Read(OpContext& ctx, const Place& place) const {
  uint64_t stored_bytes = 0;
  uint64_t raw_bytes = 0;
  for (uint32_t i = 0; i < place.block_count; ++i) {
    stored_bytes += blocks_[place.first_block + i].stored_bytes;
    raw_bytes += blocks_[place.first_block + i].raw_bytes;
  }
  if (raw_bytes > filter::kColumnBodyBytesMax) {
    return std::unexpected(object_.Broken("section columns has a column of " + std::to_string(raw_bytes) + " bytes"));
  }
  std::string raw(raw_bytes, '\0');
  ObjectStream stream(object_, {place.offset, place.offset + stored_bytes});
  char* to = raw.data();
  for (uint32_t i = place.first_block; i < place.first_block + place.block_count; ++i) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_ASSIGN_OR_RETURN(const std::string_view stored, stream.Next(ctx, blocks_[i].stored_bytes));
    AKI_RETURN_IF_ERROR(object_.Unpack(SegmentSection::kColumns, i, blocks_[i], stored, to));
    to += blocks_[i].raw_bytes;
  }
  return raw;
}

Result<std::shared_ptr<const filter::ColumnTree>> SegmentColumns::Tree(OpContext& ctx) const {
  MutexLock lock(tree_mutex_);
  if (tree_) return tree_;
  if (places_.empty()) {
    auto none = std::make_shared<filter::ColumnTree>();
    none->complete = false;
    tree_ = std::move(none);
    return tree_;
  }
  AKI_ASSIGN_OR_RETURN(const std::string bytes, ReadAgainIfBad(ctx, [&] { return Read(ctx, places_.front()); }));
  Result<filter::ColumnTree> tree = filter::DecodeColumnTree(bytes);
  if (!tree) return std::unexpected(object_.Named(std::move(tree).error()));
  if (tree->nodes.size() + 1 != places_.size()) {
    return std::unexpected(object_.Broken("section columns has not one column for each path"));
  }
  tree_ = std::make_shared<const filter::ColumnTree>(std::move(*tree));
  return tree_;
}

Result<std::shared_ptr<const filter::Column>> SegmentColumns::Column(OpContext& ctx, uint32_t column) const {
  const ColumnCache::Key key{owner_, ColumnCache::Kind::kColumn, std::to_string(column)};
  if (auto cached = cache_->Get<filter::Column>(key)) return cached;
  AKI_ASSIGN_OR_RETURN(const std::string bytes, ReadAgainIfBad(ctx, [&] { return Read(ctx, places_[column + 1]); }));
  Result<filter::Column> decoded = filter::DecodeColumn(bytes, row_count_);
  if (!decoded) return std::unexpected(object_.Named(std::move(decoded).error()));
  auto out = std::make_shared<const filter::Column>(std::move(*decoded));
  cache_->Insert(key, out, out->memory_bytes());
  return out;
}

Result<ColumnMatch> SegmentColumns::Match(OpContext& ctx, const Filter& filter) const {
  auto tree = std::make_shared<const filter::ColumnTree>();
  // Ids decide without it.
  if (filter.NeedsPayload()) {
    AKI_ASSIGN_OR_RETURN(tree, Tree(ctx));
  }
  Source source(*this, std::move(tree));
  return MatchColumns(ctx, filter, source);
}

std::shared_ptr<const RowSet> SegmentColumns::FindRows(const Filter& filter) const {
  return cache_->Get<RowSet>({owner_, ColumnCache::Kind::kRows, filter.Canonical()});
}

void SegmentColumns::KeepRows(const Filter& filter, std::shared_ptr<const RowSet> rows) const {
  const uint64_t bytes = sizeof(RowSet) + rows->words().size() * sizeof(uint64_t);
  cache_->Insert({owner_, ColumnCache::Kind::kRows, filter.Canonical()}, std::move(rows), bytes);
}

uint64_t SegmentColumns::memory_bytes() const {
  return sizeof(*this) + blocks_.size() * sizeof(SegmentBlock) + places_.size() * sizeof(Place);
}

}  // namespace akidb
