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

}  // namespace akidb
