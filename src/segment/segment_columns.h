// The payload columns of one open segment: fetched when a filter asks for them, kept in a bounded cache.
//
// Threads: thread-safe. May block on the store.
// Errors:  as SegmentReader.
// Format:  docs/formats/payload_columns.md
// Cost:    1 range GET for the tree of paths, once; 1 for each column that is not in the cache, of at most 8 MiB each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "ann/row_set.h"
#include "base/context.h"
#include "base/mutex.h"
#include "base/status.h"
#include "filter/column_filter.h"
#include "segment/column_cache.h"
#include "segment/segment_object.h"

namespace akidb {

class SegmentColumns {
 public:
  using FindId = std::function<std::optional<RowIndex>(std::string_view)>;

  // `section` may be null: a segment without columns, where only ids decide anything. `object` outlives this.
  SegmentColumns(const SegmentObject& object, const SectionEntry* section, uint32_t row_count,
                 std::shared_ptr<ColumnCache> cache, FindId find_id);
  ~SegmentColumns();

  // What the columns know of `filter`.
  Result<ColumnMatch> Match(OpContext& ctx, const Filter& filter) const;

  // Where the rows that match a filter are kept, once all are decided.
  std::shared_ptr<const RowSet> FindRows(const Filter& filter) const;
  void KeepRows(const Filter& filter, std::shared_ptr<const RowSet> rows) const;
  uint64_t memory_bytes() const;

 private:
  class Source;
  // The blocks of one column, or of the tree, which lie side by side.
  struct Place {
    uint64_t offset = 0;
    uint32_t first_block = 0;
    uint32_t block_count = 0;
  };

  Result<std::shared_ptr<const filter::ColumnTree>> Tree(OpContext& ctx) const;
  Result<std::shared_ptr<const filter::Column>> Column(OpContext& ctx, uint32_t column) const;
  // The unpacked bytes.
  Result<std::string> Read(OpContext& ctx, const Place& place) const;

  const SegmentObject& object_;
  const uint32_t row_count_;
  const std::shared_ptr<ColumnCache> cache_;
  const uint64_t owner_;
  const FindId find_id_;
  std::vector<SegmentBlock> blocks_;
  std::vector<Place> places_;  // the tree's, then by column
  mutable Mutex tree_mutex_;
  mutable std::shared_ptr<const filter::ColumnTree> tree_ AKI_GUARDED_BY(tree_mutex_);
};

}  // namespace akidb
