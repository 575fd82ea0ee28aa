#include "filter/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace akidb::filter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(WordsTest, SplitsAtAllButLettersDigitsAndNonAscii) {
  EXPECT_THAT(FoldedWords("Hello, e-mail_42 World!"), ElementsAre("42", "e", "hello", "mail", "world"));
  EXPECT_THAT(FoldedWords("a A a"), ElementsAre("a"));
  EXPECT_THAT(FoldedWords(" .,;-\t\n"), IsEmpty());
}

TEST(WordsTest, SplitsAtPunctuationOfOtherScripts) {
  EXPECT_THAT(FoldedWords("l’été «déjà»"), ElementsAre("déjà", "l", "été"));
  EXPECT_THAT(FoldedWords("¿qué?\u00A0¡sí!"), ElementsAre("qué", "sí"));
  EXPECT_THAT(FoldedWords("网络。工具、文件"), ElementsAre("工具", "文件", "网络"));
}

TEST(WordsTest, FoldsOnlyAscii) {
  EXPECT_TRUE(HasAllWords("The CAFÉ", FoldedWords("the")));
  EXPECT_TRUE(HasAllWords("The CAFÉ", FoldedWords("cafÉ")));
  EXPECT_FALSE(HasAllWords("The CAFÉ", FoldedWords("café")));
}

TEST(WordsTest, WantsEveryWordWhole) {
  EXPECT_TRUE(HasAllWords("to be or not to be", FoldedWords("not be")));
  EXPECT_FALSE(HasAllWords("to be or not to be", FoldedWords("not being")));
  EXPECT_FALSE(HasAllWords("nothing", FoldedWords("not")));
  EXPECT_FALSE(HasAllWords("", FoldedWords("a")));
}

TEST(WordsTest, TakesAFullSetOfWords) {
  std::string text;
  for (size_t i = 0; i < kWordsMax; ++i) text += "w" + std::to_string(i) + " ";
  const auto words = FoldedWords(text);
  ASSERT_EQ(words.size(), kWordsMax);
  EXPECT_TRUE(HasAllWords(text, words));
  EXPECT_FALSE(HasAllWords(text.substr(text.find(' ')), words));
}

TEST(WordsTest, EndsInsideACutSequence) {
  EXPECT_THAT(FoldedWords("ab\xE2\x80"), ElementsAre("ab"));
  EXPECT_THAT(FoldedWords("ab\xC2"), ElementsAre("ab"));
}

}  // namespace
}  // namespace akidb::filter
