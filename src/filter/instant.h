// A point in time to the nanosecond, read from RFC 3339 text with any zone; years 0000 to 9999 in UTC.
// A date alone means its midnight in UTC, a time without a zone is UTC; 'T' may be 't' or a space.
//
// Threads: values.
// Errors:  text that is no such time gives nullopt.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace akidb::filter {

struct Instant {
  int64_t seconds = 0;  // since 1970-01-01T00:00:00Z
  uint32_t nanos = 0;

  auto operator<=>(const Instant&) const = default;
};

std::optional<Instant> ParseInstant(std::string_view text);
// Appends "2024-05-01T10:00:00.25Z" without quotes; equal instants give equal text.
void AppendInstant(Instant instant, std::string* out);

}  // namespace akidb::filter
