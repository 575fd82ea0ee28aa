// The three spellings of time that S3 uses.
//
// Threads: pure functions.
// Errors:  nullopt for what is not such a date.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace akidb::s3 {

// "20261124T010203Z": x-amz-date.
std::string FormatAmzDate(WallTime time);
// "2026-11-24T01:02:03Z": retain-until dates.
std::string FormatIsoDate(WallTime time);
// "Tue, 24 Nov 2026 01:02:03 GMT" (RFC 9110, IMF-fixdate): Date and Last-Modified.
std::optional<WallTime> ParseHttpDate(std::string_view text);
// "2026-11-24T01:02:03Z" or "...03.456Z": dates in XML.
std::optional<WallTime> ParseIsoDate(std::string_view text);

}  // namespace akidb::s3
