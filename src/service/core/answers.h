// The JSON of rows and collections, as every verb shows them, and what requests have in common.
//
// Threads: pure functions.
// Errors:  none.
#pragma once

#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "engine/collection.h"
#include "format/manifest_format.h"
#include "query/search.h"
#include "service/core/call.h"
#include "service/core/fields.h"

namespace akidb {

struct RowColumns {
  bool score = false;
  Include payload = Include::kYes;
  Include vectors = Include::kNo;
};
// {"id","score"?,"vector"?,"payload"?}
void AppendRow(const ResultRow& row, const RowColumns& columns, JsonWriter* writer);
void AppendRows(std::string_view key, const std::vector<ResultRow>& rows, const RowColumns& columns,
                JsonWriter* writer);

// The spec's fields and those behind them, in an object that stays open.
void BeginCollection(const CollectionSpec& spec, std::string_view created_at, JsonWriter* writer);

// A collection with its statistics.
std::string DescribeJson(Collection& collection);

double Milliseconds(Duration duration);

// The fields of a call's JSON body. An empty body has none where `body` is kOptional.
enum class BodyNeed : uint8_t { kRequired, kOptional };
Result<Fields> ParseBody(const Call& call, BodyNeed need, std::string_view also_type = {});

// What reads have in common.
struct ReadOptions {
  Include payload = Include::kYes;
  Include vectors = Include::kNo;
  std::optional<Position> min_commit;
  std::optional<ReadPoint> at;
  uint32_t timeout_ms = 0;
};
// with_payload, with_vector.
void ReadIncludes(Fields* fields, ReadOptions* options);
// min_commit, at (not both), timeout_ms.
void ReadTiming(Fields* fields, const Limits& limits, ReadOptions* options);
// All of them from the query string.
Result<ReadOptions> ReadOptionsFromQuery(const Call& call, const Limits& limits, ReadOptions options);
void SetTimeout(Call* call, const ReadOptions& options);

// Vector elements that a scan of the whole collection reads.
uint64_t ScanElements(const Snapshot& snapshot);

// ack from the query string, if there.
Result<std::optional<AckLevel>> AckFromQuery(const Call& call);
Result<std::optional<bool>> BoolFromQuery(const Call& call, std::string_view name);

}  // namespace akidb
