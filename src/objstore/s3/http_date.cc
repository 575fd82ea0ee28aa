#include "objstore/s3/http_date.h"

#include <array>
#include <charconv>
#include <cstdio>

namespace akidb::s3 {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Civil {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
};

Civil ToCivil(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const auto of_day = static_cast<unsigned>((seconds - day).count());
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          of_day / 3600,
          of_day / 60 % 60,
          of_day % 60};
}

std::optional<WallTime> FromCivil(const Civil& c) {
  const std::chrono::year_month_day date(std::chrono::year(c.year), std::chrono::month(c.month),
                                         std::chrono::day(c.day));
  // The range is that of nanoseconds in 64 bits.
  if (!date.ok() || c.year < 1970 || c.year > 2261) return std::nullopt;
  if (c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(c.hour) + std::chrono::minutes(c.minute) +
         std::chrono::seconds(c.second);
}

// Exactly `size` digits at `at`.
template <class T>
bool Digits(std::string_view text, size_t at, size_t size, T* out) {
  if (at + size > text.size()) return false;
  const char* const end = text.data() + at + size;
  const auto [parsed, error] = std::from_chars(text.data() + at, end, *out);
  return error == std::errc() && parsed == end && text[at] != '-';
}

std::string Print(const char* format, const Civil& c) {
  std::array<char, 80> text{};
  // NOLINTNEXTLINE(clang-diagnostic-format-nonliteral): both formats are below.
  const int size = std::snprintf(text.data(), text.size(), format, c.year, c.month, c.day, c.hour, c.minute, c.second);
  return {text.data(), static_cast<size_t>(size)};
}

}  // namespace

std::string FormatAmzDate(WallTime time) { return Print("%04d%02u%02uT%02u%02u%02uZ", ToCivil(time)); }

std::string FormatIsoDate(WallTime time) { return Print("%04d-%02u-%02uT%02u:%02u:%02uZ", ToCivil(time)); }

std::optional<WallTime> ParseHttpDate(std::string_view text) {
  // Tue, 24 Nov 2026 01:02:03 GMT
  Civil c;
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return std::nullopt;
  if (text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':') return std::nullopt;
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (text.substr(8, 3) == kMonths[i]) c.month = i + 1;
  }
  if (!Digits(text, 5, 2, &c.day) || !Digits(text, 12, 4, &c.year) || !Digits(text, 17, 2, &c.hour) ||
      !Digits(text, 20, 2, &c.minute) || !Digits(text, 23, 2, &c.second)) {
    return std::nullopt;
  }
  return FromCivil(c);
}

std::optional<WallTime> ParseIsoDate(std::string_view text) {
  // 2026-11-24T01:02:03[.456...]Z
  Civil c;
  if (text.size() < 20 || text.size() > 30 || !text.ends_with('Z')) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') return std::nullopt;
  if (!Digits(text, 0, 4, &c.year) || !Digits(text, 5, 2, &c.month) || !Digits(text, 8, 2, &c.day) ||
      !Digits(text, 11, 2, &c.hour) || !Digits(text, 14, 2, &c.minute) || !Digits(text, 17, 2, &c.second)) {
    return std::nullopt;
  }
  std::optional<WallTime> time = FromCivil(c);
  std::string_view fraction = text.substr(19);
  fraction.remove_suffix(1);
  if (fraction.empty()) return time;
  if (fraction.front() != '.' || fraction.size() < 2) return std::nullopt;
  fraction.remove_prefix(1);
  uint64_t nanos = 0;
  if (!Digits(fraction, 0, fraction.size(), &nanos)) return std::nullopt;
  for (size_t i = fraction.size(); i < 9; ++i) nanos *= 10;
  if (time) *time += Duration(nanos);
  return time;
}

}  // namespace akidb::s3
