// What manifest, tombstone and catalog have in common on their way to and from JSON.
//
// Threads: pure functions.
// Errors:  kDataLoss naming the field.
#pragma once

#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "base/status.h"
#include "format/collection_spec.h"
#include "format/json_fields.h"

namespace akidb {

// kDataLoss unless `holds`.
Status Require(bool holds, std::string_view field, std::string_view rule);
// 64 lower-case hexadecimal digits.
bool IsSha256Hex(std::string_view text);
// "" at version 1, a SHA-256 afterwards.
Status ValidatePrevious(uint64_t version, std::string_view previous_sha256);

// The widest limits that bytes may have; those of a configuration do not judge what is already stored.
Limits FormatLimits();
CollectionSpec ReadSpec(JsonFields& fields, std::string_view key);

// A document's value, not validated yet, and the format version that it was written in.
template <class T>
struct Decoded {
  T value;
  uint32_t format = 0;
};

// Checks the seal, parses, reads with read(fields, format, status), which ends the object, then demands that
// write(value, format) gives the same bytes: only the one canonical spelling is accepted.
template <class T, class Read, class Write>
Result<Decoded<T>> DecodeCanonical(std::string_view what, std::string_view family, uint32_t newest,
                                   std::string_view bytes, uint64_t size_max, Read read, Write write) {
  AKI_RETURN_IF_ERROR(CheckJsonSeal(what, bytes, size_max));
  AKI_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(what, bytes));
  Status status;
  JsonFields fields(document.root(), std::string(what), &status);
  Decoded<T> out;
  out.format = ReadFormat(fields, family, newest, &status);
  if (status.ok()) out.value = read(fields, out.format, &status);
  fields.String("xxh3");
  fields.End();
  AKI_RETURN_IF_ERROR(status);
  if (write(out.value, out.format) != bytes) {
    return std::unexpected(DataLoss(std::string(what) + " is not canonical JSON"));
  }
  return out;
}

}  // namespace akidb
