#include "base/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace akidb {
namespace {

class SystemClock final : public Clock {
 public:
  MonotonicTime Now() override { return MonotonicTime(std::chrono::steady_clock::now().time_since_epoch()); }
  WallTime WallNow() override { return std::chrono::system_clock::now(); }
};

// Takes exactly `count` digits from the front of `text`.
std::optional<int> TakeDigits(std::string_view* text, size_t count) {
  if (text->size() < count) return std::nullopt;
  int value = 0;
  for (const char c : text->substr(0, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text->remove_prefix(count);
  return value;
}

bool TakeOneOf(std::string_view* text, std::string_view any) {
  if (text->empty() || any.find(text->front()) == std::string_view::npos) return false;
  text->remove_prefix(1);
  return true;
}

std::optional<int> TakeField(std::string_view* text, std::string_view before, size_t digits, int low, int high) {
  if (!before.empty() && !TakeOneOf(text, before)) return std::nullopt;
  const auto value = TakeDigits(text, digits);
  return value && *value >= low && *value <= high ? value : std::nullopt;
}

// The nanoseconds of ".123"; digits beyond them are dropped.
std::optional<Duration> TakeFraction(std::string_view* text) {
  if (!TakeOneOf(text, ".")) return Duration(0);
  int64_t ns = 0;
  int64_t unit = 100'000'000;
  size_t digits = 0;
  for (; digits < text->size() && (*text)[digits] >= '0' && (*text)[digits] <= '9'; ++digits, unit /= 10) {
    ns += ((*text)[digits] - '0') * unit;
  }
  text->remove_prefix(digits);
  return digits == 0 ? std::nullopt : std::optional(Duration(ns));
}

std::optional<Duration> TakeOffset(std::string_view* text) {
  if (TakeOneOf(text, "Zz")) return Duration(0);
  const bool east = text->starts_with('+');
  const auto hours = TakeField(text, "+-", 2, 0, 23);
  const auto minutes = TakeField(text, ":", 2, 0, 59);
  if (!hours || !minutes) return std::nullopt;
  const Duration offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return east ? offset : -offset;
}

}  // namespace

Clock& RealClock() {
  static SystemClock clock;
  return clock;
}

std::string FormatRfc3339(WallTime time) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time);
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  std::array<char, 64> buffer{};
  const auto millis = static_cast<int>(((ms.time_since_epoch().count() % 1000) + 1000) % 1000);
  std::snprintf(buffer.data(), buffer.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, millis);
  return buffer.data();
}

std::optional<WallTime> ParseRfc3339(std::string_view text) {
  const auto year = TakeField(&text, "", 4, 1970, 2199);
  const auto month = TakeField(&text, "-", 2, 1, 12);
  const auto day = TakeField(&text, "-", 2, 1, 31);
  const auto hour = TakeField(&text, "Tt ", 2, 0, 23);
  const auto minute = TakeField(&text, ":", 2, 0, 59);
  const auto second = TakeField(&text, ":", 2, 0, 60);  // 60: a leap second
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const auto fraction = TakeFraction(&text);
  const auto offset = TakeOffset(&text);
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!fraction || !offset || !text.empty() || !date.ok()) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second) + *fraction - *offset;
}

}  // namespace akidb
