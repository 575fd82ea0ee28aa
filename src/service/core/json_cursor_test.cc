#include "service/core/json_cursor.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "base/random.h"

namespace akidb {
namespace {

struct Parsed {
  NumberParse parse;
  float value = 0;
  size_t consumed = 0;
};

Parsed Parse(std::string text) {
  text.reserve(text.size() + 64);
  const char* at = text.c_str();
  Parsed out{};
  out.parse = ParseJsonFloat(&at, &out.value);
  out.consumed = static_cast<size_t>(at - text.c_str());
  return out;
}

void ExpectCorrectlyRounded(const std::string& text) {
  const Parsed parsed = Parse(text);
  const float wanted = std::strtof(text.c_str(), nullptr);
  if (std::isinf(wanted)) {
    EXPECT_EQ(parsed.parse, NumberParse::kOutOfRange) << text;
    return;
  }
  ASSERT_EQ(parsed.parse, NumberParse::kOk) << text;
  EXPECT_EQ(std::bit_cast<uint32_t>(parsed.value), std::bit_cast<uint32_t>(wanted)) << text;
  EXPECT_EQ(parsed.consumed, text.size()) << text;
}

TEST(JsonFloatTest, RoundsCorrectly) {
  for (const char* text : {"0",
                           "-0",
                           "0.0",
                           "-0.0",
                           "1",
                           "-1",
                           "0.1",
                           "16777217",
                           "16777217.0000001",
                           "9007199791611905",
                           "1.00000005960464477539062500000000001",
                           "1.000000059604644775390625",
                           "0.03125488758087158",
                           "123456789012345678901234567890",
                           "1e-45",
                           "1e-46",
                           "7e-46",
                           "3.4028235e38",
                           "3.4028235677973366e38",
                           "3.5e38",
                           "-1e39",
                           "1e999",
                           "1E+2",
                           "1e-400",
                           "0e5",
                           "8388609.5",
                           "33554435",
                           "0.000000000000000000000000000001"}) {
    ExpectCorrectlyRounded(text);
  }
}

TEST(JsonFloatTest, RoundsRandomNumbersLikeTheStandardLibrary) {
  const auto random = NewSeededRandom(7);
  for (int i = 0; i < 20000; ++i) {
    const auto bits = static_cast<uint32_t>(random->Next());
    const float f = std::bit_cast<float>(bits);
    if (!std::isfinite(f)) continue;
    std::array<char, 64> text{};
    ExpectCorrectlyRounded(std::string(text.data(), std::to_chars(text.data(), text.data() + 64, f).ptr));
    ExpectCorrectlyRounded(
        std::string(text.data(), std::to_chars(text.data(), text.data() + 64, static_cast<double>(f)).ptr));
    // Near the middle between two floats, where rounding twice goes wrong.
    const double middle = (static_cast<double>(f) + static_cast<double>(std::nextafter(f, INFINITY))) / 2;
    const auto end =
        std::to_chars(text.data(), text.data() + 64, std::nextafter(middle, i % 2 == 0 ? INFINITY : -INFINITY),
                      std::chars_format::general, 17);
    if (end.ec == std::errc()) ExpectCorrectlyRounded(std::string(text.data(), end.ptr));
    // Few digits: the quick path.
    const double unit = static_cast<double>(random->Below(2000000000)) / 1e9 - 1;
    const auto few = std::to_chars(text.data(), text.data() + 64, unit, std::chars_format::fixed,
                                   static_cast<int>(random->Below(12)));
    ExpectCorrectlyRounded(std::string(text.data(), few.ptr));
  }
}

TEST(JsonFloatTest, RefusesWhatJsonDoesNotCallANumber) {
  for (const char* text : {"", "+1", "01", "-01", ".5", "1.", "1.e5", "1e", "1e+", "-", "NaN", "Infinity", "-Infinity",
                           "nan", "null", "\"1\"", "[1]", "0x10"}) {
    const Parsed parsed = Parse(text);
    // "0x10" is the number 0 with something behind it, which the caller refuses.
    if (std::string_view(text) == "0x10") {
      EXPECT_EQ(parsed.consumed, 1u);
    } else {
      EXPECT_EQ(parsed.parse, NumberParse::kNotANumber) << text;
    }
  }
}

TEST(JsonCursorTest, TakesValuesByTheirExtent) {
  const std::string text = R"( { "a" : [1, {"]": "}"}], "b":"x\"\\", "c":-1.5e3 } )";
  JsonCursor cursor(text);
  ASSERT_TRUE(cursor.Take('{').ok());
  const auto member = [&](bool first) {
    EXPECT_TRUE(cursor.NextMember('}', first).value());
    const auto key = cursor.Key();
    EXPECT_TRUE(key);
    return std::string(*cursor.RawValue());
  };
  EXPECT_EQ(member(true), R"([1, {"]": "}"}])");
  EXPECT_EQ(member(false), R"("x\"\\")");
  EXPECT_EQ(member(false), "-1.5e3");
  EXPECT_FALSE(cursor.NextMember('}', false).value());
  EXPECT_TRUE(cursor.End().ok());
}

TEST(JsonCursorTest, FindsTheEndOfAValueWhereverItsBracketsLie) {
  for (const char c : {'1', 'y', '\x7f', '\xdb', '\xfd', '!', '\xa2'}) {  // what differs from them by a bit
    for (size_t before = 0; before < 20; ++before) {
      for (size_t after = 0; after < 20; ++after) {
        for (const char* inner : {"[]", "{}", "\"]\"", "[{}]"}) {
          const std::string value = "[" + std::string(before, c) + inner + std::string(after, c) + "]";
          EXPECT_EQ(JsonCursor(value).RawValue().value_or(""), value);
          const std::string text = value + ", 1]";
          EXPECT_EQ(JsonCursor(text).RawValue().value_or(""), value);
          EXPECT_FALSE(JsonCursor(std::string_view(value).substr(0, value.size() - 1)).RawValue()) << value;
        }
      }
    }
  }
}

TEST(JsonCursorTest, RefusesUnclosedAndMissingValues) {
  for (const char* text : {"", "[", "{\"a\":", "\"abc", "\"abc\\\"", "]", "[1, [2]", ","}) {
    const std::string padded(text);
    EXPECT_FALSE(JsonCursor(padded).RawValue()) << text;
  }
}

TEST(JsonCursorTest, StepsOverAMillionBrackets) {
  const std::string text = std::string(1000000, '[') + std::string(1000000, ']');
  JsonCursor cursor(text);
  const auto raw = cursor.RawValue();
  ASSERT_TRUE(raw);
  EXPECT_EQ(raw->size(), text.size());
}

TEST(JsonCursorTest, ReadsArraysOfMixedShapes) {
  const auto random = NewSeededRandom(5);
  for (int i = 0; i < 2000; ++i) {
    std::vector<float> wanted;
    std::string text = "[";
    const size_t size = random->Next() % 60 + 1;
    for (size_t k = 0; k < size; ++k) {
      const float f =
          static_cast<float>(static_cast<int64_t>(random->Next())) * (random->Next() % 9 == 0 ? 1.0f : 1e-19f);
      std::array<char, 64> digits{};
      const bool as_double = random->Next() % 5 == 0;
      const char* const end = as_double ? std::to_chars(digits.data(), digits.data() + 64, static_cast<double>(f)).ptr
                                        : std::to_chars(digits.data(), digits.data() + 64, f).ptr;
      text += k == 0 ? "" : random->Next() % 3 == 0 ? " , " : random->Next() % 2 == 0 ? ", " : ",";
      text.append(digits.data(), static_cast<size_t>(end - digits.data()));
      wanted.push_back(f);
    }
    text += "]";
    std::string padded = text;
    padded.reserve(text.size() + 64);
    std::vector<float> out(size);
    size_t count = 0;
    ASSERT_EQ(JsonCursor(padded).Floats(out.data(), size, &count).value(), NumberParse::kOk) << text;
    ASSERT_EQ(count, size);
    ASSERT_EQ(out, wanted) << text;
  }
}

TEST(JsonCursorTest, NamesTheElementThatIsNoNumber) {
  for (const char* bad : {"x", "", "01.5", "-", "0.", "null", "0.5.5", "0.5e"}) {
    std::string text = "[0.123456,-0.234567,0.345678,0.456789," + std::string(bad) + ",0.5]";
    text.reserve(text.size() + 64);
    std::array<float, 8> out{};
    size_t count = 0;
    const auto parsed = JsonCursor(text).Floats(out.data(), out.size(), &count);
    EXPECT_TRUE(!parsed || *parsed == NumberParse::kNotANumber) << bad;
    EXPECT_EQ(count, std::string_view(bad) == "0.5.5" ? 5u : 4u) << bad;
  }
}

TEST(JsonCursorTest, CountsFloatsBeyondTheRoomWithoutWritingThem) {
  std::string text = "[1, 2.5 ,3,4]";
  text.reserve(text.size() + 64);
  float out[2] = {};
  size_t count = 0;
  EXPECT_EQ(JsonCursor(text).Floats(out, 2, &count).value(), NumberParse::kOk);
  EXPECT_EQ(count, 4u);
  EXPECT_EQ(out[1], 2.5f);
}

}  // namespace
}  // namespace akidb
