#include "cli/progress.h"

#include <algorithm>

#include "cli/table.h"

namespace akidb {
namespace {

constexpr Duration kBarInterval = std::chrono::milliseconds(100);
constexpr Duration kLineInterval = std::chrono::seconds(10);
constexpr size_t kBarWidth = 24;

}  // namespace

std::string FormatProgress(const ProgressState& state, size_t bar_width) {
  std::string out;
  if (state.fraction) {
    const double fraction = std::clamp(*state.fraction, 0.0, 1.0);
    const auto filled = static_cast<size_t>(fraction * static_cast<double>(bar_width));
    const std::string percent = Fixed(fraction * 100, 0);
    out = "[" + std::string(filled, '#') + std::string(bar_width - filled, '-') + "] " +
          std::string(3 - std::min<size_t>(3, percent.size()), ' ') + percent + "%  ";
  }
  out += HumanCount(state.done) + " " + std::string(state.unit);
  out += "  " + HumanCount(static_cast<uint64_t>(std::max(0.0, state.rate))) + " " + std::string(state.unit) + "/s";
  if (state.fraction && *state.fraction > 0 && *state.fraction < 1) {
    const double left = std::chrono::duration<double>(state.elapsed).count() * (1 / *state.fraction - 1);
    out += "  ETA " + HumanDuration(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(left)));
  }
  return out;
}

Progress::Progress(Clock& clock, Style style, std::string_view unit)
    : clock_(clock), style_(style), unit_(unit), started_(clock.Now()), drawn_(started_) {}

void Progress::Update(uint64_t done, std::optional<double> fraction) {
  const Duration interval = style_ == Style::kBar ? kBarInterval : kLineInterval;
  if (style_ == Style::kSilent || clock_.Now() - drawn_ < interval) return;
  drawn_ = clock_.Now();
  Draw(done, fraction, false);
}

void Progress::Finish(uint64_t done) {
  if (style_ == Style::kBar) Draw(done, 1.0, true);
}

void Progress::Draw(uint64_t done, std::optional<double> fraction, bool last) {
  const double seconds = std::max(1e-9, std::chrono::duration<double>(elapsed()).count());
  const std::string line =
      FormatProgress({done, unit_, fraction, elapsed(), static_cast<double>(done) / seconds}, kBarWidth);
  if (style_ == Style::kLines) {
    std::fprintf(stderr, "%s\n", line.c_str());
  } else {
    std::fprintf(stderr, "\r\x1b[K%s%s", line.c_str(), last ? "\n" : "");
  }
  std::fflush(stderr);
}

}  // namespace akidb
