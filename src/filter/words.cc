#include "filter/words.h"

#include <algorithm>
#include <cstdint>

namespace akidb::filter {
namespace {

// Unsigned, so that folded bytes sort as std::string sorts them.
unsigned char Fold(char c) { return static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

// Bytes of the separator at text[i]; 0 if a word goes on there.
size_t SeparatorLength(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
  const unsigned lead = byte(i);
  if (lead < 0x80) {
    const unsigned lower = lead | 0x20u;
    return (lead >= '0' && lead <= '9') || (lower >= 'a' && lower <= 'z') ? 0 : 1;
  }
  if (lead == 0xC2) return 2;
  if (lead == 0xE2 && (byte(i + 1) == 0x80 || (byte(i + 1) == 0x81 && byte(i + 2) <= 0xAF))) return 3;
  if (lead == 0xE3 && byte(i + 1) == 0x80) return 3;
  return 0;
}

// Moves `pos` behind the next word and returns it; empty at the end.
std::string_view NextWord(std::string_view text, size_t& pos) {
  while (pos < text.size()) {
    const size_t separator = SeparatorLength(text, pos);
    if (separator == 0) break;
    pos = std::min(pos + separator, text.size());
  }
  const size_t begin = pos;
  while (pos < text.size() && SeparatorLength(text, pos) == 0) ++pos;
  return text.substr(begin, pos - begin);
}

}  // namespace

std::vector<std::string> FoldedWords(std::string_view text) {
  std::vector<std::string> words;
  size_t pos = 0;
  for (std::string_view word = NextWord(text, pos); !word.empty(); word = NextWord(text, pos)) {
    std::ranges::transform(word, words.emplace_back(word).begin(), Fold);
  }
  std::ranges::sort(words);
  words.erase(std::ranges::unique(words).begin(), words.end());
  return words;
}

bool HasAllWords(std::string_view text, const std::vector<std::string>& words) {
  const auto folded_less = [](std::string_view a, std::string_view b) {
    return std::ranges::lexicographical_compare(a, b, {}, Fold, Fold);
  };
  uint64_t missing = words.size() == kWordsMax ? ~uint64_t{0} : (uint64_t{1} << words.size()) - 1;
  size_t pos = 0;
  while (missing != 0) {
    const std::string_view word = NextWord(text, pos);
    if (word.empty()) return false;
    const auto it = std::ranges::lower_bound(words, word, folded_less);
    if (it != words.end() && !folded_less(word, *it)) missing &= ~(uint64_t{1} << (it - words.begin()));
  }
  return true;
}

}  // namespace akidb::filter
