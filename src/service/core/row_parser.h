// The bodies of POST /collections/{c}/vectors, JSON or columns, as rows for the engine.
// What is wrong with one row is kept with that row, so that a partial batch can go on without it; what is wrong with
// the body fails the body.
//
// Threads: pure functions; the result borrows `body`.
// Errors:  kInvalidArgument (reasons "invalid_json" "invalid_field" "unknown_field" "duplicate_field" "missing_field"
//          "too_many_vectors"); of rows: "invalid_id" "invalid_vector" "wrong_dimension" "invalid_payload"
//          "payload_too_large" "missing_field".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/status.h"
#include "engine/write.h"

namespace akidb {

struct ParsedRows {
  std::vector<std::string_view> request_ids;  // one a row of the request, empty where the row has no usable id
  std::vector<RowError> problems;             // rows left out of `rows`, ascending
  WriteRows rows;
  std::vector<uint32_t> source;  // source[i] is the request's index of rows' row i
  std::optional<WriteMode> mode;
  std::optional<BatchPolicy> policy;
  std::optional<AckLevel> ack;

  std::vector<float> vectors;  // what rows.vectors points into, unless it borrows the body
  std::vector<std::unique_ptr<char[]>> arena;
};

// `body` is followed by kBodyPaddingBytes readable bytes, the first of them zero.
Result<ParsedRows> ParseJsonRows(std::string_view body, uint32_t dim, const Limits& limits);
Result<ParsedRows> ParseColumnRows(std::string_view body, uint32_t dim, const Limits& limits);

std::optional<WriteMode> ParseWriteMode(std::string_view name);
std::optional<AckLevel> ParseAckLevel(std::string_view name);

}  // namespace akidb
