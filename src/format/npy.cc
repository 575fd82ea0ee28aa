#include "format/npy.h"

#include <charconv>
#include <optional>
#include <string>

#include "base/coding.h"

namespace akidb {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr uint64_t kExtentMax = 1ull << 40;

Status Bad(const std::string& why) { return InvalidArgument("npy: " + why); }

// What follows `'key':` in the header's dictionary, blanks skipped.
std::optional<std::string_view> ValueOf(std::string_view header, std::string_view key) {
  const size_t at = header.find("'" + std::string(key) + "':");
  if (at == std::string_view::npos) return std::nullopt;
  header.remove_prefix(at + key.size() + 3);
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

Result<NpyType> TypeOf(std::string_view value) {
  struct Known {
    std::string_view name;
    NpyType type;
  };
  static constexpr Known kKnown[] = {{"'<f2'", NpyType::kF16}, {"'<f4'", NpyType::kF32}, {"'|u1'", NpyType::kU8},
                                     {"'|i1'", NpyType::kU8},  {"'|b1'", NpyType::kU8},  {"'<i4'", NpyType::kI32},
                                     {"'<u4'", NpyType::kU32}, {"'<i8'", NpyType::kI64}};
  for (const Known& known : kKnown) {
    if (value.starts_with(known.name)) return known.type;
  }
  const std::string_view shown = value.substr(0, std::min<size_t>(value.find(','), 16));
  return std::unexpected(Bad("elements are " + std::string(shown) + ", known are <f2 <f4 |u1 |i1 |b1 <i4 <u4 <i8"));
}

// "(3, 4)", "(3,)" or "(3)".
Status ReadShape(std::string_view value, NpyHeader* out) {
  uint64_t extents[2] = {0, 1};
  size_t count = 0;
  if (!value.starts_with('(')) return Bad("its shape is not in brackets");
  value.remove_prefix(1);
  while (!value.starts_with(')')) {
    if (count == 2) return Bad("it has more than two dimensions");
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), extents[count]);
    if (error != std::errc() || extents[count] > kExtentMax) return Bad("its shape is not of numbers");
    ++count;
    value.remove_prefix(static_cast<size_t>(end - value.data()));
    if (value.starts_with(',')) value.remove_prefix(1);
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  }
  if (count == 0) return Bad("it has no dimension");
  out->rows = extents[0];
  out->columns = extents[1];
  return OkStatus();
}

}  // namespace

size_t NpyElementBytes(NpyType type) {
  switch (type) {
    case NpyType::kU8: return 1;
    case NpyType::kF16: return 2;
    case NpyType::kF32:
    case NpyType::kI32:
    case NpyType::kU32: return 4;
    case NpyType::kI64: return 8;
  }
  return 0;
}

Result<NpyHeader> ParseNpyHeader(std::string_view bytes) {
  ByteReader in(bytes);
  const std::string_view magic = in.Bytes(kNpyMagic.size());
  const auto major = in.Read<uint8_t>();
  in.Read<uint8_t>();  // minor
  if (!in.ok() || magic != kNpyMagic || major == 0 || major > 3) return std::unexpected(Bad("not a .npy file"));
  const uint32_t size = major == 1 ? in.Read<uint16_t>() : in.Read<uint32_t>();
  if (size > kNpyHeaderBytesMax) {
    return std::unexpected(
        Bad("a header of " + std::to_string(size) + " bytes, at most " + std::to_string(kNpyHeaderBytesMax)));
  }
  const std::string_view header = in.Bytes(size);
  if (!in.ok()) return std::unexpected(Bad("its header is cut short"));
  const auto descr = ValueOf(header, "descr"), order = ValueOf(header, "fortran_order"),
             shape = ValueOf(header, "shape");
  if (!descr || !order || !shape) return std::unexpected(Bad("its header lacks descr, fortran_order or shape"));
  NpyHeader out;
  AKI_ASSIGN_OR_RETURN(out.type, TypeOf(*descr));
  if (!order->starts_with("False")) return std::unexpected(Bad("it is in Fortran order, need rows first"));
  AKI_RETURN_IF_ERROR(ReadShape(*shape, &out));
  out.data_offset = bytes.size() - in.remaining();
  return out;
}

}  // namespace akidb
