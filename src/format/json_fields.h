// Reads canonical JSON: every field in its one order, nothing missing, nothing more, and the seal that makes every bit
// flip visible.
//
// Format:  docs/formats/manifest.md
// Threads: values; one reader, one thread.
// Errors:  kDataLoss naming the field, kept in the Status given at construction. After the first one every getter
//          returns a default, so that callers check once, at the end.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace akidb {

// Appends `"xxh3":"<16 hex digits>"`, the checksum of all bytes before that field, as the last field of `object`.
std::string SealJson(std::string object);
// Verifies size limit and seal before anything is parsed.
Status CheckJsonSeal(std::string_view what, std::string_view bytes, uint64_t size_max);

class JsonFields {
 public:
  // `path` names the object in messages. `status` outlives the reader.
  JsonFields(const simdjson::dom::element& element, std::string path, Status* status);

  uint64_t Uint(std::string_view key, uint64_t max = UINT64_MAX);
  bool Bool(std::string_view key);
  std::string String(std::string_view key, size_t size_max = 4096);
  simdjson::dom::element Element(std::string_view key);
  // Calls read(element, path) for each item.
  template <class F>
  void Array(std::string_view key, size_t count_max, F read);
  // No field may be left.
  void End();

  bool ok() const { return status_->ok(); }
  void Fail(std::string_view key, std::string_view problem);

 private:
  bool Next(std::string_view key, simdjson::dom::element* value);

  std::string path_;
  Status* status_;
  simdjson::dom::object object_;
  simdjson::dom::object::iterator next_;
};

template <class F>
void JsonFields::Array(std::string_view key, size_t count_max, F read) {
  simdjson::dom::element value;
  simdjson::dom::array items;
  if (!Next(key, &value)) return;
  if (value.get_array().get(items) != simdjson::SUCCESS) return Fail(key, "is not an array");
  size_t index = 0;
  for (const simdjson::dom::element item : items) {
    if (!ok()) return;
    if (index == count_max) return Fail(key, "has more than " + std::to_string(count_max) + " items");
    read(item, path_ + "." + std::string(key) + "[" + std::to_string(index) + "]");
    ++index;
  }
}

// A parser and the document it holds.
class JsonDocument {
 public:
  static Result<JsonDocument> Parse(std::string_view what, std::string_view bytes);
  const simdjson::dom::element& root() const { return root_; }

 private:
  std::unique_ptr<simdjson::dom::parser> parser_ = std::make_unique<simdjson::dom::parser>();  // root_ points into it
  simdjson::dom::element root_;
};

// Reads the first field, "format", which must be `family`/N, and returns N, 1 to `newest`: a higher number is a newer
// writer's (kUnimplemented).
uint32_t ReadFormat(JsonFields& fields, std::string_view family, uint32_t newest, Status* status);

}  // namespace akidb
