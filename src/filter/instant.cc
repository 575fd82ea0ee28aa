#include "filter/instant.h"

#include <chrono>

namespace akidb::filter {
namespace {

constexpr int64_t kSecondsPerDay = 86400;
constexpr size_t kFractionDigitsMax = 9;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes text from the front; the first mismatch makes every later step fail.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  bool NextIs(char c) const { return !rest_.empty() && rest_.front() == c; }
  bool TakeOneOf(std::string_view chars) {
    if (rest_.empty() || !chars.contains(rest_.front())) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly `digits` digits with a value in [min, max].
  bool TakeNumber(size_t digits, int64_t min, int64_t max, int64_t* value) {
    if (rest_.size() < digits) return false;
    *value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (!IsDigit(rest_[i])) return false;
      *value = *value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return *value >= min && *value <= max;
  }
  bool TakeFraction(uint32_t* nanos) {
    size_t digits = 0;
    for (; !rest_.empty() && IsDigit(rest_.front()); ++digits) {
      if (digits == kFractionDigitsMax) return false;
      *nanos = *nanos * 10 + static_cast<uint32_t>(rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    for (size_t i = digits; i < kFractionDigitsMax; ++i) *nanos *= 10;
    return digits > 0;
  }

 private:
  std::string_view rest_;
};

bool TakeDate(Reader& in, Instant* out) {
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  if (!in.TakeNumber(4, 0, 9999, &year) || !in.TakeOneOf("-")) return false;
  if (!in.TakeNumber(2, 1, 12, &month) || !in.TakeOneOf("-") || !in.TakeNumber(2, 1, 31, &day)) return false;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  out->seconds = std::chrono::sys_days(date).time_since_epoch().count() * kSecondsPerDay;
  return true;
}

bool TakeTime(Reader& in, Instant* out) {
  int64_t hour = 0;
  int64_t minute = 0;
  int64_t second = 0;
  if (!in.TakeNumber(2, 0, 23, &hour) || !in.TakeOneOf(":")) return false;
  // 60 is a leap second: it counts as the first second of the next minute.
  if (!in.TakeNumber(2, 0, 59, &minute) || !in.TakeOneOf(":") || !in.TakeNumber(2, 0, 60, &second)) return false;
  out->seconds += hour * 3600 + minute * 60 + second;
  return !in.TakeOneOf(".") || in.TakeFraction(&out->nanos);
}

bool TakeZone(Reader& in, Instant* out) {
  if (in.done() || in.TakeOneOf("Zz")) return true;
  const bool east = in.NextIs('+');
  int64_t hours = 0;
  int64_t minutes = 0;
  if (!in.TakeOneOf("+-") || !in.TakeNumber(2, 0, 23, &hours)) return false;
  if (!in.TakeOneOf(":") || !in.TakeNumber(2, 0, 59, &minutes)) return false;
  const int64_t offset = hours * 3600 + minutes * 60;
  out->seconds += east ? -offset : offset;
  return true;
}

bool InYears0To9999(Instant instant) {
  constexpr int64_t kBegin = -62167219200;  // 0000-01-01T00:00:00Z
  constexpr int64_t kEnd = 253402300800;    // 10000-01-01T00:00:00Z
  return instant.seconds >= kBegin && instant.seconds < kEnd;
}

void AppendPadded(uint64_t value, size_t width, std::string* out) {
  const std::string digits = std::to_string(value);
  out->append(width > digits.size() ? width - digits.size() : 0, '0');
  *out += digits;
}

}  // namespace

std::optional<Instant> ParseInstant(std::string_view text) {
  Reader in(text);
  Instant instant;
  if (!TakeDate(in, &instant)) return std::nullopt;
  if (!in.done() && !(in.TakeOneOf("Tt ") && TakeTime(in, &instant) && TakeZone(in, &instant))) return std::nullopt;
  if (!in.done() || !InYears0To9999(instant)) return std::nullopt;
  return instant;
}

void AppendInstant(Instant instant, std::string* out) {
  const std::chrono::sys_seconds time{std::chrono::seconds(instant.seconds)};
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(time - days);
  const auto field = [out](auto value, size_t width, std::string_view after) {
    AppendPadded(static_cast<uint64_t>(value), width, out);
    *out += after;
  };
  field(static_cast<int>(date.year()), 4, "-");
  field(static_cast<unsigned>(date.month()), 2, "-");
  field(static_cast<unsigned>(date.day()), 2, "T");
  field(clock.hours().count(), 2, ":");
  field(clock.minutes().count(), 2, ":");
  field(clock.seconds().count(), 2, "");
  if (instant.nanos != 0) {
    out->push_back('.');
    field(instant.nanos, kFractionDigitsMax, "");
    out->resize(out->find_last_not_of('0') + 1);
  }
  out->push_back('Z');
}

}  // namespace akidb::filter
