// The words of a text, as `match text` sees them: runs of ASCII letters, ASCII digits and non-ASCII characters.
// Everything else in ASCII separates, and so do U+0080-U+00BF, U+2000-U+206F and U+3000-U+303F, where the
// punctuation and spaces of French, Spanish, Chinese and Japanese live. Case is folded for ASCII only.
//
// Threads: pure functions.
// Errors:  none; any bytes are accepted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace akidb::filter {

// The words of `text`, folded, sorted, each once.
std::vector<std::string> FoldedWords(std::string_view text);
// True if every one of `words` (from FoldedWords, at most kWordsMax of them) is a word of `text`.
bool HasAllWords(std::string_view text, const std::vector<std::string>& words);

inline constexpr size_t kWordsMax = 64;

}  // namespace akidb::filter
