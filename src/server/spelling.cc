#include "server/spelling.h"

#include <algorithm>

namespace akidb {
namespace {

// Of a short word little may be wrong, or every short word is near.
constexpr size_t kMistakesMax = 4;
constexpr size_t kBytesPerMistake = 3;

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string DidYouMean(std::string_view word, const std::vector<std::string>& known) {
  const size_t near = std::min(kMistakesMax, word.size() / kBytesPerMistake);
  const auto nearest =
      std::ranges::min_element(known, {}, [&](const std::string& candidate) { return EditDistance(candidate, word); });
  if (nearest == known.end() || EditDistance(*nearest, word) > near) return "";
  return "; did you mean '" + *nearest + "'?";
}

}  // namespace akidb
