// Answers on one snapshot: search, scroll, count. Ties are broken by id.
//
// Threads: pure functions over an immutable snapshot.
// Errors:  kInvalidArgument naming the field; those of payload reads; ctx.Check().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "engine/snapshot.h"
#include "filter/filter.h"

namespace akidb {

enum class Include : uint8_t { kNo, kYes };

struct SearchRequest {
  std::vector<float> vector;
  uint32_t top_k = 10;
  uint32_t offset = 0;
  std::shared_ptr<const Filter> filter;   // may be null
  std::optional<double> score_threshold;  // Cosine, DotProduct: at least; Euclidean: at most
  Include payload = Include::kYes;
  Include vectors = Include::kNo;
  uint32_t ef_search = 0;        // 0: what the recall wants
  std::optional<double> recall;  // null: the collection's
  bool exact = false;

  Status Validate(const CollectionSpec& spec, const Limits& limits) const;
};

// A row of an answer. `vector` as stored (f16 and int8 converted back).
struct ResultRow {
  std::string id;
  double score = 0;
  PayloadView payload;
  std::vector<float> vector;
};

// Best first; min(top_k, matches - offset) rows, always (I10).
Result<std::vector<ResultRow>> Search(OpContext& ctx, const Snapshot& snapshot, const SearchRequest& request);

struct ScrollRequest {
  std::string after_id;  // exclusive; empty starts at the beginning
  uint32_t limit = 100;
  std::shared_ptr<const Filter> filter;
  Include payload = Include::kYes;
  Include vectors = Include::kNo;
};

struct ScrollPage {
  std::vector<ResultRow> rows;  // in bytewise order of id
  bool more = false;
};
Result<ScrollPage> Scroll(OpContext& ctx, const Snapshot& snapshot, const ScrollRequest& request);

Result<uint64_t> Count(OpContext& ctx, const Snapshot& snapshot, const Filter* filter);

// Rows with these ids, in request order, missing ones left out.
Result<std::vector<ResultRow>> GetRows(OpContext& ctx, const Snapshot& snapshot,
                                       const std::vector<std::string_view>& ids, Include payload, Include vectors);

}  // namespace akidb
