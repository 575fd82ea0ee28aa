#include "filter/column_builder.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>
#include <string>

#include "base/coding.h"
#include "filter/instant.h"
#include "filter/json_fields.h"
#include "filter/value_table.h"

namespace akidb {
namespace filter {
namespace {

constexpr size_t kPaddingBytes = 64;
// Of what is counted for each row, however many rows there are.
constexpr uint64_t kBytesMax = 256ull << 20;

// Codes that grow wider when they must; they are renumbered at the end.
class GrowingCodes {
 public:
  void Append(uint32_t code) {
    if (code >> (8 * codes_.width() - 1) >> 1 != 0) Widen(code);
    codes_.Append(code);
  }
  // Rows up to `size` that were not appended.
  void PadTo(uint32_t size) {
    if (size > codes_.size()) codes_.bytes().resize(uint64_t{size} * codes_.width(), '\0');
  }
  const Codes& codes() const { return codes_; }
  void Clear() { codes_ = Codes(); }

 private:
  void Widen(uint32_t code) {
    Codes wider(code == UINT32_MAX ? code : code + 1);
    wider.bytes().reserve(codes_.bytes().size() / codes_.width() * wider.width() * 2);
    for (uint32_t i = 0; i < codes_.size(); ++i) wider.Append(codes_.At(i));
    codes_ = std::move(wider);
  }
  Codes codes_;
};

// The column of one path while it grows.
class Growing {
 public:
  // Gathers the values of the row at hand.
  struct Row {
    std::vector<uint32_t> values;  // codes as they are while it grows
    uint32_t places = 0;           // objects that have this field
    bool in_array = false;
    bool bare_null = false;
    bool object = false;
    bool undecided = false;
  };
  Row row;

  // Values have codes from kValueCode on in the order of their first appearance.
  uint32_t CodeOfString(std::string_view text) {
    if (text.size() > kColumnStringBytesMax || dictionary_given_up_) return kTextCode;
    key_.assign(1, 's');
    key_ += text;
    return kValueCode + table_.NumberOf(key_);
  }
  uint32_t CodeOfNumber(const Number& number) {
    if (dictionary_given_up_) return kUndecidedCode;
    key_.assign(1, 'n');
    PutLe<uint8_t>(&key_, number.kind());
    PutLe<uint64_t>(&key_, number.bits());
    return kValueCode + table_.NumberOf(key_);
  }

  // The row at hand is whole; it is row number `number`.
  void EndRow(uint32_t number) {
    codes_.PadTo(number);
    codes_.Append(CodeOfRow());
    row.values.clear();
    row = {.values = std::move(row.values)};
  }
  uint64_t dictionary_bytes() const { return table_.bytes(); }
  uint64_t list_bytes() const {
    return uint64_t{list_codes_.codes().size()} * sizeof(uint16_t) + list_ends_.size() * sizeof(uint32_t);
  }
  bool gives_lists() const { return !list_ends_.empty(); }
  // What is known of the rows stays; strings and numbers are no longer told apart.
  void GiveUpDictionary();
  void GiveUpLists();
  Column Finish(uint32_t row_count);

 private:
  uint32_t CodeOfRow();
  // The code that stays when the dictionary is given up.
  uint32_t WithoutDictionary(uint32_t code) const {
    if (code < kValueCode) return code;
    return table_.Value(code - kValueCode)[0] == 's' ? kTextCode : kUndecidedCode;
  }

  ValueTable table_;
  std::string key_;
  bool dictionary_given_up_ = false;
  bool lists_given_up_ = false;
  GrowingCodes codes_;
  GrowingCodes list_codes_;
  std::vector<uint32_t> list_ends_;
};

uint32_t Growing::CodeOfRow() {
  if (row.undecided || row.values.size() > kColumnListValuesMax) return kUndecidedCode;
  if (row.places == 1 && !row.in_array) return row.values.front();
  // Of several places a bare null is a value that is not counted, and an object begins paths of its own.
  if (row.object || row.bare_null) return kUndecidedCode;
  if (row.values.size() == 1 && row.values.front() != kNullCode) return row.values.front();
  if (lists_given_up_) return kUndecidedCode;
  for (const uint32_t code : row.values) list_codes_.Append(code);
  list_ends_.push_back(list_codes_.codes().size());
  return kListCode;
}

void Growing::GiveUpDictionary() {
  // A list with a number that is not known would need a code for it.
  const Codes list_codes = list_codes_.codes();
  for (uint32_t i = 0; i < list_codes.size() && !lists_given_up_; ++i) {
    if (WithoutDictionary(list_codes.At(i)) == kUndecidedCode) GiveUpLists();
  }
  const auto forget = [this](GrowingCodes* codes) {
    const Codes before = codes->codes();
    codes->Clear();
    for (uint32_t i = 0; i < before.size(); ++i) codes->Append(WithoutDictionary(before.At(i)));
  };
  forget(&codes_);
  forget(&list_codes_);
  table_.Clear();
  dictionary_given_up_ = true;
}

void Growing::GiveUpLists() {
  const Codes before = codes_.codes();
  codes_.Clear();
  for (uint32_t i = 0; i < before.size(); ++i) {
    codes_.Append(before.At(i) == kListCode ? kUndecidedCode : before.At(i));
  }
  list_codes_.Clear();
  list_ends_.clear();
  lists_given_up_ = true;
}

bool AreTimes(const Column& column) {
  std::optional<Instant> previous;
  for (uint32_t i = 0; i < column.string_count(); ++i) {
    const std::optional<Instant> instant = ParseInstant(column.String(i));
    if (!instant || (previous && *instant < *previous)) return false;
    previous = instant;
  }
  return column.string_count() > 0;
}

Column Growing::Finish(uint32_t row_count) {
  codes_.PadTo(row_count);
  Column column;
  std::vector<std::pair<Number, uint32_t>> numbers;
  std::vector<std::pair<std::string_view, uint32_t>> strings;
  for (uint32_t i = 0; i < table_.size(); ++i) {
    const std::string_view value = table_.Value(i);
    if (value[0] == 's') {
      strings.emplace_back(value.substr(1), i);
    } else {
      numbers.emplace_back(*Number::FromParts(static_cast<uint8_t>(value[1]), GetLe<uint64_t>(value.data() + 2)), i);
    }
  }
  std::ranges::sort(numbers, {}, &std::pair<Number, uint32_t>::first);
  std::ranges::sort(strings, {}, &std::pair<std::string_view, uint32_t>::first);
  std::vector<uint32_t> renumbered(kValueCode + table_.size());
  std::iota(renumbered.begin(), renumbered.begin() + kValueCode, 0);
  uint32_t next = kValueCode;
  for (const auto& [number, from] : numbers) {
    column.numbers.push_back(number);
    renumbered[kValueCode + from] = next++;
  }
  for (const auto& [string, from] : strings) {
    column.string_bytes += string;
    column.string_ends.push_back(static_cast<uint32_t>(column.string_bytes.size()));
    renumbered[kValueCode + from] = next++;
  }
  column.text_is_long = !dictionary_given_up_;
  column.strings_are_times = AreTimes(column);
  const auto renumber = [&](const Codes& from, Codes* to) {
    *to = Codes(column.code_count());
    to->bytes().reserve(uint64_t{from.size()} * to->width());
    for (uint32_t i = 0; i < from.size(); ++i) to->Append(renumbered[from.At(i)]);
  };
  renumber(codes_.codes(), &column.codes);
  renumber(list_codes_.codes(), &column.list_codes);
  for (uint32_t i = 0; i < row_count && !list_ends_.empty(); ++i) {
    if (column.codes.At(i) == kListCode) column.list_rows.push_back(i);
  }
  column.list_ends = std::move(list_ends_);
  column.FindCodesPresent();
  return column;
}

class Builder final : public ColumnBuilder {
 public:
  explicit Builder(const ColumnOptions& options) : options_(options) {}

  void Add(std::string_view payload) override;
  PayloadColumns Finish() override;

 private:
  using Object = simdjson::dom::object;

  void AddObject(uint32_t parent, const Object& object);
  void AddValue(uint32_t column, const JsonElement& value);
  void AddElement(Growing::Row& row, Growing& column, const JsonElement& value);
  void AddObjectsIn(uint32_t column, const JsonElement& value);
  // The column of `name`, which is made if there is room.
  std::optional<uint32_t> ColumnOf(uint32_t parent, std::string_view name, size_t position);
  uint64_t LimitOf(uint32_t row_bytes, uint32_t rows_min) const {
    return std::min(kBytesMax, uint64_t{row_bytes} * std::max(rows_min, row_count_));
  }
  // Gives up what `column` has too much of.
  void Prune(Growing* column, uint32_t rows_min);

  ColumnOptions options_;
  bool given_up_ = false;
  simdjson::dom::parser parser_;
  simdjson::dom::document document_;
  std::string padded_;
  uint32_t row_count_ = 0;
  ColumnTree tree_;
  std::vector<std::unique_ptr<Growing>> columns_;
  std::vector<uint32_t> touched_;
  // Objects have mostly the same fields in the same order: where the field at each position of a parent was last.
  std::vector<std::vector<uint32_t>> positions_{1};
  // The last object that had each column's field: a payload may have a field twice, and only the first one counts.
  std::vector<uint64_t> seen_in_;
  uint64_t objects_ = 0;
};

void Builder::Add(std::string_view payload) {
  if (given_up_) return;
  if (!payload.empty()) {
    padded_.assign(payload);
    padded_.append(kPaddingBytes, '\0');
    if (payload.size() > document_.capacity()) {
      const size_t capacity = std::bit_ceil(payload.size());
      given_up_ = document_.allocate(capacity) || parser_.allocate(capacity);
    }
    Object object;
    if (given_up_ || parser_.parse_into_document(document_, padded_.data(), payload.size(), false).get(object)) {
      given_up_ = true;
      return;
    }
    AddObject(ColumnTree::kRoot, object);
  }
  ++row_count_;
  for (const uint32_t column : touched_) {
    columns_[column]->EndRow(row_count_ - 1);
    Prune(columns_[column].get(), options_.growing_rows_min);
  }
  touched_.clear();
}

void Builder::Prune(Growing* column, uint32_t rows_min) {
  const uint64_t limit = LimitOf(options_.column_row_bytes_max, rows_min);
  if (column->list_bytes() > limit) column->GiveUpLists();
  if (column->dictionary_bytes() > limit) column->GiveUpDictionary();
}

std::optional<uint32_t> Builder::ColumnOf(uint32_t parent, std::string_view name, size_t position) {
  std::vector<uint32_t>& guesses = positions_[parent + 1];  // the root, UINT32_MAX, comes first
  if (position < guesses.size() && tree_.nodes[guesses[position]].name == name) return guesses[position];
  std::optional<uint32_t> column = tree_.Find(parent, name);
  if (!column) {
    if (tree_.nodes.size() == ColumnTree::kColumnsMax || name.size() > ColumnTree::kNameBytesMax) {
      (parent == ColumnTree::kRoot ? tree_.complete : tree_.nodes[parent].complete) = false;
      return std::nullopt;
    }
    column = static_cast<uint32_t>(tree_.nodes.size());
    tree_.nodes.push_back({.parent = parent, .name = std::string(name)});
    columns_.push_back(std::make_unique<Growing>());
    positions_.emplace_back();
    seen_in_.push_back(0);
  }
  std::vector<uint32_t>& places = positions_[parent + 1];
  if (position < places.size()) places[position] = *column;
  if (position == places.size() && position < ColumnTree::kColumnsMax) places.push_back(*column);
  return column;
}

void Builder::AddObject(uint32_t parent, const Object& object) {
  const uint64_t serial = ++objects_;
  size_t position = 0;
  for (const auto field : object) {
    const std::optional<uint32_t> column = ColumnOf(parent, field.key, position++);
    if (!column || seen_in_[*column] == serial) continue;
    seen_in_[*column] = serial;
    AddValue(*column, field.value);
  }
}

void Builder::AddValue(uint32_t column, const JsonElement& value) {
  Growing& growing = *columns_[column];
  Growing::Row& row = growing.row;
  if (row.places++ == 0) touched_.push_back(column);
  simdjson::dom::array array;
  if (value.get(array)) {
    row.bare_null = row.bare_null || value.is_null();
    AddElement(row, growing, value);
  } else {
    row.in_array = true;
    for (const JsonElement item : array) {
      if (item.is_array() || item.is_object()) {
        row.undecided = true;
      } else {
        AddElement(row, growing, item);
      }
    }
  }
  AddObjectsIn(column, value);
}

void Builder::AddElement(Growing::Row& row, Growing& column, const JsonElement& value) {
  std::string_view text;
  bool truth = false;
  if (value.is_null()) {
    row.values.push_back(kNullCode);
  } else if (!value.get(text)) {
    row.values.push_back(column.CodeOfString(text));
  } else if (!value.get(truth)) {
    row.values.push_back(truth ? kTrueCode : kFalseCode);
  } else if (const std::optional<Number> number = AsNumber(value)) {
    row.values.push_back(column.CodeOfNumber(*number));
    row.undecided = row.undecided || row.values.back() == kUndecidedCode;
  } else {
    row.values.push_back(kObjectCode);
    row.object = true;
  }
}

// As paths go on: arrays are looked through, however deep.
void Builder::AddObjectsIn(uint32_t column, const JsonElement& value) {
  Object object;
  if (!value.get(object)) return AddObject(column, object);
  simdjson::dom::array array;
  if (value.get(array)) return;
  for (const JsonElement item : array) AddObjectsIn(column, item);
}

PayloadColumns Builder::Finish() {
  PayloadColumns out;
  if (given_up_ || columns_.empty()) return out;
  for (const auto& column : columns_) Prune(column.get(), options_.rows_min);
  // The largest are given up first, until all together fit.
  const auto size_of = [](const std::unique_ptr<Growing>& c) { return c->dictionary_bytes() + c->list_bytes(); };
  const uint64_t limit = LimitOf(options_.row_bytes_max, options_.rows_min);
  while (true) {
    uint64_t bytes = 0;
    for (const auto& column : columns_) bytes += size_of(column);
    if (bytes <= limit) break;
    Growing& largest = **std::ranges::max_element(columns_, {}, size_of);
    if (largest.gives_lists() && largest.list_bytes() >= largest.dictionary_bytes()) {
      largest.GiveUpLists();
    } else {
      largest.GiveUpDictionary();
    }
  }
  out.tree = std::move(tree_);
  for (const auto& column : columns_) out.columns.push_back(column->Finish(row_count_));
  columns_.clear();
  return out;
}

}  // namespace
}  // namespace filter

std::unique_ptr<ColumnBuilder> ColumnBuilder::New(const ColumnOptions& options) {
  return std::make_unique<filter::Builder>(options);
}

}  // namespace akidb
