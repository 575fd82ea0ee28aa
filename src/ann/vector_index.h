// One way of finding the nearest rows of one segment. The engine and the query know only this interface, so that a new
// kind of index drops in without touching them.
//
// Threads: Search is thread-safe; what is searched never changes once it was built or opened, how widely may.
// Errors:  those of ctx.Check(); nothing else for in-memory kinds.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ann/parallel.h"
#include "ann/row_set.h"
#include "base/context.h"
#include "base/status.h"
#include "base/vector_types.h"

namespace akidb {

// A row and its score as users see it: cosine or dot product (larger is nearer) or plain Euclidean distance (smaller
// is nearer). Computed in double precision from the stored elements, so that every ISA gives the same score.
struct Candidate {
  double score = 0;
  RowIndex row = 0;
};

struct IndexQuery {
  std::span<const float> vector;  // dim elements, as the user gave them
  uint32_t k = 10;
  const RowSet* eligible = nullptr;  // null: every row
  uint32_t ef_search = 0;            // 0: what `recall` wants
  double recall = 0.95;              // of the true best k, on average; 0 < recall <= 1
  bool exact = false;
  // Kinds with codes answer from them alone where they can, with estimated scores, and read no stored row.
  bool from_codes = false;
};

class VectorIndex {
 public:
  virtual ~VectorIndex() = default;
  virtual std::string_view kind() const = 0;
  // Writes the best min(k, eligible rows) rows, best first, ties by row number; and, beyond k, every row whose score
  // equals that of the k-th, so that the caller may break ties by id. Exact kinds (and any kind with query.exact)
  // return the true best.
  virtual Status Search(OpContext& ctx, const IndexQuery& query, std::vector<Candidate>* out) const = 0;
  virtual uint64_t memory_bytes() const = 0;  // beyond the rows themselves
  // Looks so much wider from now on that queries like these, rows.dim elements each, find what they ask for; kinds that
  // always do need nothing. True if Encode() gives other bytes than before. Beside searches, but one at a time.
  virtual Result<bool> MeasureWith(OpContext& /*ctx*/, std::span<const float> /*queries*/, Parallel& /*parallel*/) {
    return false;
  }
  // What OpenIndex needs, besides the rows, to make the same index again. Empty for kinds that need nothing.
  virtual std::string Encode() const { return {}; }
};

// Scans all rows. The view is copied, the memory behind it is borrowed and must outlive the index. Under Cosine
// rows.inv_norms must be there and right within 2^-20 (ann/exact_score.h has InverseNorm). Costs nothing to make.
std::unique_ptr<VectorIndex> NewFlatIndex(const VectorRows& rows, Distance distance);

// Score of one row in double precision; `query` has rows.dim elements.
double ExactScore(const VectorRows& rows, Distance distance, std::span<const float> query, RowIndex row);

}  // namespace akidb
