#include "filter/column_format.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/check.h"
#include "base/coding.h"

namespace akidb::filter {
namespace {

constexpr uint8_t kTextIsLong = 1;
constexpr uint8_t kStringsAreTimes = 2;
constexpr uint8_t kComplete = 1;

Status Broken(const std::string& what) { return DataLoss("payload columns: " + what); }

// The first bytes of all items, then the second ones, and so on: what is alike comes together, for the packer.
void PutPlanes(std::string_view items, size_t width, std::string* out) {
  const size_t count = items.size() / width;
  const size_t begin = out->size();
  out->resize(begin + items.size());
  char* to = out->data() + begin;
  for (size_t plane = 0; plane < width; ++plane) {
    for (size_t i = 0; i < count; ++i) *to++ = items[i * width + plane];
  }
}

std::string FromPlanes(std::string_view planes, size_t width) {
  if (width == 1) return std::string(planes);
  const size_t count = planes.size() / width;
  std::string items(planes.size(), '\0');
  for (size_t plane = 0; plane < width; ++plane) {
    const char* from = planes.data() + plane * count;
    char* to = items.data() + plane;
    for (size_t i = 0; i < count; ++i) to[i * width] = from[i];
  }
  return items;
}

Status ReadNumbers(ByteReader& reader, uint32_t count, std::vector<Number>* numbers) {
  const std::string_view kinds = reader.Bytes(count);
  const std::string_view planes = reader.Bytes(uint64_t{count} * sizeof(uint64_t));
  if (!reader.ok()) return Broken("numbers are truncated");
  const std::string bits = FromPlanes(planes, sizeof(uint64_t));
  numbers->reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const auto number =
        Number::FromParts(static_cast<uint8_t>(kinds[i]), GetLe<uint64_t>(bits.data() + i * sizeof(uint64_t)));
    if (!number || (i > 0 && *number <= numbers->back())) return Broken("numbers do not ascend");
    numbers->push_back(*number);
  }
  return OkStatus();
}

Status ReadStrings(ByteReader& reader, uint32_t count, Column* column) {
  const std::string_view lengths = reader.Bytes(count);
  column->string_ends.reserve(lengths.size());
  uint64_t end = 0;
  for (const char length : lengths) {
    end += static_cast<uint8_t>(length);
    column->string_ends.push_back(static_cast<uint32_t>(end));
  }
  column->string_bytes = reader.Bytes(end);
  if (!reader.ok()) return Broken("strings are truncated");
  for (uint32_t i = 1; i < count; ++i) {
    if (column->String(i - 1) >= column->String(i)) return Broken("strings do not ascend");
  }
  return OkStatus();
}

// Whether a value of a list may have `code`.
bool FitsIntoList(uint32_t code, uint32_t code_count) {
  return code < code_count && code != kMissingCode && code != kListCode && code != kUndecidedCode &&
         code != kObjectCode;
}

Status ReadCodes(ByteReader& reader, uint32_t row_count, uint32_t lists, uint32_t values, Column* column) {
  const uint32_t code_count = column->code_count();
  column->codes = Codes(code_count);
  column->list_codes = Codes(code_count);
  const uint32_t width = column->codes.width();
  const std::string_view rows = reader.Bytes(uint64_t{row_count} * width);
  const std::string_view lengths = reader.Bytes(uint64_t{lists} * sizeof(uint16_t));
  const std::string_view list_values = reader.Bytes(uint64_t{values} * width);
  if (!reader.ok() || reader.remaining() != 0) return Broken("the parts of a column do not fill it");
  column->codes.bytes() = FromPlanes(rows, width);
  column->list_codes.bytes() = FromPlanes(list_values, width);
  for (uint32_t row = 0; row < row_count; ++row) {
    const uint32_t code = column->codes.At(row);
    if (code >= code_count) return Broken("a row has a code that stands for nothing");
    if (code == kListCode) column->list_rows.push_back(row);
  }
  if (column->list_rows.size() != lists) return Broken("there is not one list for each row that has one");
  uint64_t end = 0;
  for (uint32_t i = 0; i < lists; ++i) {
    end += GetLe<uint16_t>(lengths.data() + i * sizeof(uint16_t));
    column->list_ends.push_back(static_cast<uint32_t>(std::min<uint64_t>(end, values)));
  }
  if (end != values) return Broken("lengths of lists do not add up");
  for (uint32_t i = 0; i < values; ++i) {
    if (!FitsIntoList(column->list_codes.At(i), code_count)) return Broken("a list has a code that is not a value's");
  }
  column->FindCodesPresent();
  return OkStatus();
}

}  // namespace

std::string EncodeColumnTree(const ColumnTree& tree) {
  AKI_CHECK(tree.nodes.size() <= ColumnTree::kColumnsMax);
  std::string out;
  PutLe<uint32_t>(&out, static_cast<uint32_t>(tree.nodes.size()));
  PutLe<uint8_t>(&out, tree.complete ? kComplete : 0);
  for (const ColumnTree::Node& node : tree.nodes) {
    PutLe<uint32_t>(&out, node.parent);
    PutLe<uint8_t>(&out, node.complete ? kComplete : 0);
    PutLe<uint8_t>(&out, static_cast<uint8_t>(node.name.size()));
    out += node.name;
  }
  return out;
}

Result<ColumnTree> DecodeColumnTree(std::string_view bytes) {
  ByteReader reader(bytes);
  ColumnTree tree;
  const auto count = reader.Read<uint32_t>();
  const auto root = reader.Read<uint8_t>();
  if (!reader.ok() || count > ColumnTree::kColumnsMax || root > kComplete) {
    return std::unexpected(Broken("the tree has an impossible number of columns or flag"));
  }
  tree.complete = root == kComplete;
  std::set<std::pair<uint32_t, std::string_view>> seen;
  for (uint32_t i = 0; i < count; ++i) {
    const auto parent = reader.Read<uint32_t>();
    const auto flags = reader.Read<uint8_t>();
    const auto name_bytes = reader.Read<uint8_t>();
    const std::string_view name = reader.Bytes(name_bytes);
    if (!reader.ok() || flags > kComplete || (parent != ColumnTree::kRoot && parent >= i)) {
      return std::unexpected(Broken("column " + std::to_string(i) + " of the tree is impossible"));
    }
    if (!seen.emplace(parent, name).second) {
      return std::unexpected(Broken("column " + std::to_string(i) + " of the tree is there twice"));
    }
    tree.nodes.push_back({.parent = parent, .name = std::string(name), .complete = flags == kComplete});
  }
  if (reader.remaining() != 0) return std::unexpected(Broken("the tree does not fill its bytes"));
  return tree;
}

std::string EncodeColumn(const Column& column) {
  std::string out;
  PutLe<uint32_t>(&out, column.codes.size());
  PutLe<uint32_t>(&out, static_cast<uint32_t>(column.numbers.size()));
  PutLe<uint32_t>(&out, column.string_count());
  PutLe<uint32_t>(&out, static_cast<uint32_t>(column.list_ends.size()));
  PutLe<uint32_t>(&out, column.list_codes.size());
  PutLe<uint32_t>(&out, (column.text_is_long ? kTextIsLong : 0u) | (column.strings_are_times ? kStringsAreTimes : 0u));
  std::string bits;
  for (const Number& number : column.numbers) {
    PutLe<uint8_t>(&out, number.kind());
    PutLe<uint64_t>(&bits, number.bits());
  }
  PutPlanes(bits, sizeof(uint64_t), &out);
  for (uint32_t i = 0; i < column.string_count(); ++i) {
    AKI_CHECK(column.String(i).size() <= kColumnStringBytesMax);
    PutLe<uint8_t>(&out, static_cast<uint8_t>(column.String(i).size()));
  }
  out += column.string_bytes;
  PutPlanes(column.codes.bytes(), column.codes.width(), &out);
  uint32_t begin = 0;
  for (const uint32_t end : column.list_ends) {
    PutLe<uint16_t>(&out, static_cast<uint16_t>(end - begin));
    begin = end;
  }
  PutPlanes(column.list_codes.bytes(), column.codes.width(), &out);
  return out;
}

Result<Column> DecodeColumn(std::string_view bytes, uint32_t row_count) {
  ByteReader reader(bytes);
  const auto rows = reader.Read<uint32_t>();
  const auto numbers = reader.Read<uint32_t>();
  const auto strings = reader.Read<uint32_t>();
  const auto lists = reader.Read<uint32_t>();
  const auto values = reader.Read<uint32_t>();
  const auto flags = reader.Read<uint32_t>();
  if (!reader.ok() || flags > (kTextIsLong | kStringsAreTimes)) {
    return std::unexpected(Broken("a column has no header"));
  }
  if (rows != row_count) {
    return std::unexpected(
        Broken("a column has " + std::to_string(rows) + " rows, the segment " + std::to_string(row_count)));
  }
  // What is claimed is compared with what is there before any of it is allocated.
  if (numbers > reader.remaining() || strings > reader.remaining() || values > reader.remaining()) {
    return std::unexpected(Broken("a column has more values than bytes"));
  }
  Column column;
  column.text_is_long = (flags & kTextIsLong) != 0;
  column.strings_are_times = (flags & kStringsAreTimes) != 0;
  AKI_RETURN_IF_ERROR(ReadNumbers(reader, numbers, &column.numbers));
  AKI_RETURN_IF_ERROR(ReadStrings(reader, strings, &column));
  AKI_RETURN_IF_ERROR(ReadCodes(reader, row_count, lists, values, &column));
  return column;
}

}  // namespace akidb::filter
