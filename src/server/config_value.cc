#include "server/config_value.h"

#include <array>
#include <charconv>
#include <utility>

namespace akidb {
namespace {

using Unit = std::pair<std::string_view, uint64_t>;

constexpr std::array<Unit, 5> kSizeUnits = {
    {{"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}}};
// In milliseconds. "ms" comes before "s" and "m" so that its ending is tried first.
constexpr std::array<Unit, 5> kTimeUnits = {{{"ms", 1}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}}};

Result<uint64_t> ParseWithUnit(std::string_view text, const std::array<Unit, 5>& units, std::string_view expected,
                               bool unit_required) {
  const Status bad = InvalidArgument("'" + std::string(text) + "' is not " + std::string(expected));
  uint64_t scale = unit_required ? 0 : 1;
  std::string_view digits = text;
  for (const auto& [name, factor] : units) {
    if (!digits.ends_with(name)) continue;
    scale = factor;
    digits.remove_suffix(name.size());
    while (digits.ends_with(' ')) digits.remove_suffix(1);
    break;
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || scale == 0) return std::unexpected(bad);
  uint64_t product = 0;
  if (__builtin_mul_overflow(value, scale, &product)) return std::unexpected(bad);
  return product;
}

}  // namespace

Result<uint64_t> ParseSize(std::string_view text) {
  return ParseWithUnit(text, kSizeUnits, "a size such as 64MiB or a number of bytes", false);
}

std::string FormatSize(uint64_t bytes) {
  for (const auto& [name, factor] : kSizeUnits) {
    if (factor > 1 && bytes >= factor && bytes % factor == 0) return std::to_string(bytes / factor) + std::string(name);
  }
  return std::to_string(bytes);
}

Result<Duration> ParseDuration(std::string_view text) {
  constexpr uint64_t kMillisMax = 1000ull * 86400000;  // 1000 days
  AKI_ASSIGN_OR_RETURN(const uint64_t millis,
                       ParseWithUnit(text, kTimeUnits, "a duration such as 500ms, 30s, 10m, 2h or 1d", true));
  if (millis > kMillisMax) return std::unexpected(InvalidArgument("'" + std::string(text) + "' is more than 1000d"));
  return std::chrono::milliseconds(millis);
}

std::string FormatDuration(Duration duration) {
  const auto millis = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  for (const std::string_view wanted : {"d", "h", "m", "s"}) {
    for (const auto& [name, factor] : kTimeUnits) {
      if (name == wanted && millis >= factor && millis % factor == 0)
        return std::to_string(millis / factor) + std::string(name);
    }
  }
  return std::to_string(millis) + "ms";
}

Result<uint64_t> ParseInteger(std::string_view text, uint64_t max) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) {
    return std::unexpected(
        InvalidArgument("'" + std::string(text) + "' is not a whole number from 0 to " + std::to_string(max)));
  }
  return value;
}

Result<double> ParseNumber(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value < 1e18)) {
    return std::unexpected(InvalidArgument("'" + std::string(text) + "' is not a number >= 0"));
  }
  return value;
}

}  // namespace akidb
