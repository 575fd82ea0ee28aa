// Checks rows before anything is written and converts their vectors to the collection's storage type.
//
// Threads: pure functions.
// Errors:  kInvalidArgument with the reasons listed at Collection.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "engine/write.h"
#include "format/collection_spec.h"
#include "format/columns.h"

namespace akidb {

// Rows that passed, ready for the log. Ids and payloads borrow from the request; `bytes` owns the vectors.
struct StorableRows {
  ColumnBatch batch;
  std::vector<size_t> request_index;  // of each row of the batch
  // What batch.vectors and batch.scales view, unless they view the request. Shared, so that moving keeps them in place.
  std::shared_ptr<const std::string> vectors;
  std::shared_ptr<const std::string> scales;

  void Own(std::string vector_bytes, std::string scale_bytes);

  // Keeps only these rows of the batch, ascending.
  void Keep(const std::vector<size_t>& rows);
};

Status ValidateId(std::string_view id, const Limits& limits);
// Finite, of the right length, of a magnitude that squares in float32; not zero under Cosine.
Status ValidateQueryVector(const float* vector, size_t size, const CollectionSpec& spec);

// All-or-nothing: the first error, naming the row, and nothing else. Partial: errors are collected and rows dropped.
Result<StorableRows> ValidateRows(const WriteRows& rows, const CollectionSpec& spec, const Limits& limits,
                                  BatchPolicy policy, std::vector<RowError>* errors);

}  // namespace akidb
