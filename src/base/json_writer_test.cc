#include "base/json_writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace akidb {
namespace {

std::string Quoted(std::string_view value) {
  std::string out;
  AppendJsonString(value, &out);
  return out;
}

std::string Number(double value) {
  std::string out;
  AppendJsonNumber(value, &out);
  return out;
}

TEST(JsonWriterTest, PutsCommasBetweenValues) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject().Key("a").Value(1).Key("b").BeginArray().Value(true).Null().Value("x").BeginObject().EndObject();
  w.EndArray().Key("c").Raw("[2]").Key("d").Value(uint64_t{18446744073709551615u}).EndObject();
  EXPECT_EQ(out, R"({"a":1,"b":[true,null,"x",{}],"c":[2],"d":18446744073709551615})");
}

TEST(JsonWriterTest, KeysOfAnyLengthAndContent) {
  for (const std::string& key :
       {std::string(), std::string("a"), std::string("with_payload"), std::string(24, 'k'), std::string(25, 'k'),
        std::string("Mixed Case 7"), std::string("qu\"ote"), std::string("\xFF")}) {
    std::string out;
    JsonWriter(&out).BeginObject().Key(key).Value(1).Key(key).Value(2).EndObject();
    EXPECT_EQ(out, "{" + Quoted(key) + ":1," + Quoted(key) + ":2}");
  }
}

TEST(JsonWriterTest, EscapesQuotesAndControlCharacters) {
  EXPECT_EQ(Quoted("a\"b\\c\n\r\t"), R"("a\"b\\c\n\r\t")");
  EXPECT_EQ(Quoted(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
}

TEST(JsonWriterTest, SeesWhatMustBeEscapedAtEveryPlace) {
  for (size_t at = 0; at < 20; ++at) {
    for (int c = 0; c < 0x80; ++c) {
      std::string text(20, 'a');
      text[at] = static_cast<char>(c);
      const std::string alone = Quoted(std::string_view(&text[at], 1));
      EXPECT_EQ(Quoted(text),
                '"' + std::string(at, 'a') + alone.substr(1, alone.size() - 2) + std::string(19 - at, 'a') + '"');
    }
    std::string text(20, 'a');
    text[at] = '\xFF';
    EXPECT_EQ(Quoted(text), '"' + std::string(at, 'a') + "\uFFFD" + std::string(19 - at, 'a') + '"');
  }
}

TEST(JsonWriterTest, KeepsValidUtf8) { EXPECT_EQ(Quoted("h\u00e9\u20ac\U0001F600"), "\"h\u00e9\u20ac\U0001F600\""); }

TEST(JsonWriterTest, ReplacesInvalidUtf8) {
  EXPECT_EQ(Quoted("a\xC3"), "\"a\uFFFD\"");                    // cut short
  EXPECT_EQ(Quoted("\xC0\x80z"), "\"\uFFFD\uFFFDz\"");          // overlong
  EXPECT_EQ(Quoted("\xED\xA0\x80"), "\"\uFFFD\uFFFD\uFFFD\"");  // surrogate
  EXPECT_EQ(Quoted("\xF4\x90\x80\x80")[1], '\xEF');             // above U+10FFFF
}

TEST(JsonWriterTest, NumbersReadBackTheSame) {
  EXPECT_EQ(Number(0.1), "0.1");
  EXPECT_EQ(Number(-3), "-3");
  EXPECT_EQ(Number(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(Number(std::numeric_limits<double>::infinity()), "null");
  std::string out;
  AppendJsonNumber(0.1f, &out);
  EXPECT_EQ(out, "0.1");
}

}  // namespace
}  // namespace akidb
