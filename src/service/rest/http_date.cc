#include "service/rest/http_date.h"

#include <array>
#include <chrono>
#include <ctime>

namespace akidb {

// Made once a second: formatting a date costs as much as reading a small request.
const std::string& HttpDate(WallTime now) {
  struct Made {
    std::time_t seconds = -1;
    std::string text;
  };
  thread_local Made made;
  const std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(now));
  if (seconds == made.seconds) return made.text;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const size_t size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  made = {seconds, std::string(text.data(), size)};
  return made.text;
}

}  // namespace akidb
