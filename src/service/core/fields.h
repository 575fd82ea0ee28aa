// The fields of one JSON object of a request: typed, bounded, each known or refused.
// Getters leave `*out` alone when the field is absent; the first error sticks and Done() returns it.
//
// Threads: one reader, one thread. Views borrow the text.
// Errors:  kInvalidArgument (reasons "invalid_json" "invalid_field" "unknown_field" "duplicate_field" "missing_field"
//          "invalid_filter"), naming field, value and limit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/status.h"
#include "engine/read_point.h"
#include "engine/write.h"
#include "filter/filter.h"

namespace akidb {

class Fields {
 public:
  // `where` prefixes field names in messages: "" for the body itself, "queries[3]." below it. `text` as JsonCursor's.
  static Fields Parse(std::string_view text, std::string where);

  void Require(std::string_view key);
  void Bool(std::string_view key, bool* out);
  void Uint(std::string_view key, uint64_t min, uint64_t max, uint64_t* out);
  void Uint(std::string_view key, uint64_t min, uint64_t max, uint32_t* out);
  void Double(std::string_view key, double min, double max, std::optional<double>* out);
  void String(std::string_view key, size_t size_max, std::string* out);  // null counts as absent
  void Floats(std::string_view key, size_t size_max, std::vector<float>* out);
  // Strings and integers, as ids are; the strings live in `*out`.
  void Ids(std::string_view key, size_t count_max, std::vector<std::string>* out);
  void FilterTree(std::string_view key, const Limits& limits, std::shared_ptr<const Filter>* out);  // null is absent
  void Position(std::string_view key, std::optional<akidb::Position>* out);
  // The value as text, unchecked but for balanced brackets. `key` must outlive this object, as literals do.
  std::optional<std::string_view> Raw(std::string_view key);
  // A snapshot's name, or {"snapshot"}, {"version"} or {"time"}.
  void ReadAt(std::string_view key, std::optional<ReadPoint>* out);
  bool Has(std::string_view key) const;

  void Fail(std::string_view reason, std::string message);
  // The first error; else, or if it is a missing field, an unknown one with those that were asked for.
  Status Done();

 private:
  struct Field {
    std::string_view key;
    std::string_view raw;
    bool known = false;
  };
  void FailField(std::string_view key, std::string_view problem);

  std::string where_;
  std::vector<Field> fields_;
  std::vector<std::string_view> asked_;  // each key once, in order
  Status status_;
};

// The same in a query string: a snapshot's name, or JSON.
Result<ReadPoint> ReadPointFromQuery(std::string_view text);

// Calls visit(index, raw) for each item of the array `text`.
Status ForEachItem(std::string_view text, size_t count_max, std::string_view what,
                   const std::function<Status(size_t, std::string_view)>& visit);

}  // namespace akidb
