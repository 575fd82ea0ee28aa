// Reads JSON objects of a fixed shape: every field known, none twice, errors that name the place as a JSON pointer.
//
// Threads: one reader, one thread.
// Errors:  kInvalidArgument (reason "invalid_filter").
#pragma once

#include <simdjson.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "filter/geo.h"
#include "filter/number.h"

namespace akidb::filter {

using JsonElement = simdjson::dom::element;

// The place in the filter that is being read, such as "/must/2/range"; the root is "".
class Pointer {
 public:
  // While it lives, the place is one step deeper.
  class Step {
   public:
    Step(Pointer& pointer, std::string_view field);
    Step(Pointer& pointer, size_t index) : Step(pointer, std::to_string(index)) {}
    ~Step() { pointer_.text_.resize(parent_size_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Pointer& pointer_;
    size_t parent_size_;
  };

  // "filter at <place>: <what>".
  Status Error(std::string_view what) const;
  // "...: expected <expected>, got <value>".
  Status Expected(std::string_view expected, const JsonElement& got) const;

 private:
  std::string text_;
};

// One field of an object that may be there.
struct Field {
  std::string_view name;
  std::optional<JsonElement> value = std::nullopt;
};

// Fills `fields` from the object `json`.
Status ReadFields(const JsonElement& json, std::span<Field> fields, const Pointer& at);
// The one field that is given.
Result<Field> ExactlyOne(std::span<const Field> fields, const Pointer& at);
Result<JsonElement> Required(const Field& field, const Pointer& at);

// The value as it is, if it is a number.
std::optional<Number> AsNumber(const JsonElement& json);
// The object {"lat":..,"lon":..} if it is one and in range; other fields are ignored.
std::optional<GeoPoint> AsGeoPoint(const JsonElement& json);

}  // namespace akidb::filter
