#include "filter/column_test_codes.h"

#include <algorithm>
#include <ranges>

#include "filter/words.h"

namespace akidb::filter {
namespace {

size_t NumbersBelow(const Column& column, const Number& value, bool with_equal) {
  const auto it =
      with_equal ? std::ranges::upper_bound(column.numbers, value) : std::ranges::lower_bound(column.numbers, value);
  return static_cast<size_t>(it - column.numbers.begin());
}

// The first string for which `holds`, which is false of those before it and true of those after.
template <class Holds>
uint32_t FirstString(const Column& column, const Holds& holds) {
  const auto all = std::views::iota(uint32_t{0}, column.string_count());
  return *std::ranges::partition_point(all, [&](uint32_t i) { return !holds(column.String(i)); });
}

// The codes of strings [begin, end).
void AddStrings(const Column& column, uint32_t begin, uint32_t end, CodeRuns* out) {
  if (begin < end) out->Add(column.CodeOfString(begin), column.CodeOfString(end - 1));
}

// `passes` asks each string; strings outside of the dictionary are for the payload to decide.
template <class Passes>
void AskStrings(const Column& column, const Passes& passes, CodeRuns* out) {
  for (uint32_t i = 0; i < column.string_count(); ++i) {
    if (passes(column.String(i))) out->Add(column.CodeOfString(i));
  }
}

TestCodes Undecided(bool text) {
  TestCodes codes;
  codes.undecided.Add(kUndecidedCode);
  if (text) codes.undecided.Add(kTextCode);
  return codes;
}

// The codes of the values in `set`, `except` aside, ascending.
std::vector<uint32_t> CodesIn(const OneOf& set, const Column& column) {
  std::vector<uint32_t> codes;
  if (set.has_false) codes.push_back(kFalseCode);
  if (set.has_true) codes.push_back(kTrueCode);
  for (const Number& number : set.numbers) {
    const size_t i = NumbersBelow(column, number, false);
    if (i < column.numbers.size() && column.numbers[i] == number) codes.push_back(column.CodeOfNumber(i));
  }
  for (const std::string& string : set.strings) {
    const uint32_t i = FirstString(column, [&](std::string_view s) { return s >= string; });
    if (i < column.string_count() && column.String(i) == string) codes.push_back(column.CodeOfString(i));
  }
  return codes;
}

TestCodes Find(const IsNull&, const Column&) {
  TestCodes codes = Undecided(false);
  codes.pass.Add(kNullCode);
  return codes;
}

TestCodes Find(const OneOf& set, const Column& column) {
  const bool could_be_left_out = std::ranges::any_of(set.strings, [&](const std::string& string) {
    return !column.text_is_long || string.size() > kColumnStringBytesMax;
  });
  TestCodes codes = Undecided(could_be_left_out);
  const std::vector<uint32_t> in = CodesIn(set, column);
  if (!set.except) {
    for (const uint32_t code : in) codes.pass.Add(code);
    return codes;
  }
  if (!could_be_left_out) codes.pass.Add(kTextCode);
  uint32_t next = kFalseCode;
  for (const uint32_t code : in) {
    if (next < code) codes.pass.Add(next, code - 1);
    next = code + 1;
  }
  if (next < column.code_count()) codes.pass.Add(next, column.code_count() - 1);
  return codes;
}

TestCodes Find(const Range<Number>& range, const Column& column) {
  TestCodes codes = Undecided(false);
  const size_t begin = range.low ? NumbersBelow(column, range.low->value, !range.low->inclusive) : 0;
  const size_t end =
      range.high ? NumbersBelow(column, range.high->value, range.high->inclusive) : column.numbers.size();
  if (begin < end) codes.pass.Add(column.CodeOfNumber(begin), column.CodeOfNumber(end - 1));
  return codes;
}

TestCodes Find(const Range<Instant>& range, const Column& column) {
  // No time is as long as what a whole dictionary leaves out.
  TestCodes codes = Undecided(!column.text_is_long);
  if (column.strings_are_times) {
    const auto below = [&](const Bound<Instant>& bound, bool with_equal) {
      return FirstString(column, [&](std::string_view s) {
        const std::optional<Instant> instant = ParseInstant(s);
        return instant && (with_equal ? *instant > bound.value : *instant >= bound.value);
      });
    };
    AddStrings(column, range.low ? below(*range.low, !range.low->inclusive) : 0,
               range.high ? below(*range.high, range.high->inclusive) : column.string_count(), &codes.pass);
    return codes;
  }
  const auto passes = [&](std::string_view s) {
    const std::optional<Instant> instant = ParseInstant(s);
    return instant && range.Contains(*instant);
  };
  AskStrings(column, passes, &codes.pass);
  return codes;
}

TestCodes Find(const HasWords& test, const Column& column) {
  TestCodes codes = Undecided(true);
  AskStrings(column, [&](std::string_view s) { return HasAllWords(s, test.words); }, &codes.pass);
  return codes;
}

TestCodes Find(const HasPrefix& test, const Column& column) {
  TestCodes codes = Undecided(true);
  const uint32_t begin = FirstString(column, [&](std::string_view s) { return s >= test.prefix; });
  const uint32_t end =
      FirstString(column, [&](std::string_view s) { return s >= test.prefix && !s.starts_with(test.prefix); });
  AddStrings(column, begin, end, &codes.pass);
  return codes;
}

// A place is an object: columns know only where there is one.
template <class Area>
TestCodes Find(const Area&, const Column&) {
  TestCodes codes = Undecided(false);
  codes.undecided.Add(kObjectCode);
  return codes;
}

}  // namespace

void CodeRuns::Add(uint32_t low, uint32_t high) {
  if (!runs.empty() && runs.back().high + 1 == low) {
    runs.back().high = high;
  } else {
    runs.push_back({low, high});
  }
}

TestCodes CodesOf(const ValueTest& test, const Column& column) {
  return std::visit([&](const auto& t) { return Find(t, column); }, test);
}

}  // namespace akidb::filter
