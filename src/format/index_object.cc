#include "format/index_object.h"

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"

namespace akidb {
namespace {

constexpr std::string_view kIndexMagic = "AKIX";
constexpr uint16_t kIndexVersion = 1;
constexpr size_t kIndexChecksumBytes = sizeof(uint64_t);
constexpr size_t kKindBytesMax = 64;

Status Broken(std::string_view segment_id, const std::string& what) {
  return DataLoss("index of segment " + std::string(segment_id) + ": " + what);
}

}  // namespace

std::string EncodeIndexObject(std::string_view segment_id, std::string_view kind, uint32_t row_count,
                              std::string_view body) {
  AKI_CHECK(segment_id.size() <= UINT16_MAX && kind.size() <= kKindBytesMax);
  std::string out(kIndexMagic);
  PutLe<uint16_t>(&out, kIndexVersion);
  PutLe<uint16_t>(&out, static_cast<uint16_t>(segment_id.size()));
  PutLe<uint32_t>(&out, row_count);
  PutLe<uint32_t>(&out, static_cast<uint32_t>(kind.size()));
  PutLe<uint64_t>(&out, body.size());
  out += segment_id;
  out += kind;
  out += body;
  PutLe<uint64_t>(&out, Xxh3(out));
  return out;
}

Result<std::string_view> DecodeIndexObject(std::string_view bytes, std::string_view segment_id, std::string_view kind,
                                           uint32_t row_count) {
  if (bytes.size() < kIndexMagic.size() + kIndexChecksumBytes) return std::unexpected(Broken(segment_id, "truncated"));
  const std::string_view covered = bytes.substr(0, bytes.size() - kIndexChecksumBytes);
  if (Xxh3(covered) != GetLe<uint64_t>(bytes.data() + covered.size())) {
    return std::unexpected(Broken(segment_id, "checksum mismatch"));
  }
  ByteReader reader(covered);
  if (reader.Bytes(kIndexMagic.size()) != kIndexMagic)
    return std::unexpected(Broken(segment_id, "does not begin with \"AKIX\""));
  const auto version = reader.Read<uint16_t>();
  if (version != kIndexVersion) {
    return std::unexpected(Unimplemented("index of segment " + std::string(segment_id) + ": version is " +
                                         std::to_string(version) + ", this akidb reads " +
                                         std::to_string(kIndexVersion)));
  }
  const auto id_bytes = reader.Read<uint16_t>();
  const auto made_for_rows = reader.Read<uint32_t>();
  const auto kind_bytes = reader.Read<uint32_t>();
  const auto body_bytes = reader.Read<uint64_t>();
  const std::string_view made_for = reader.Bytes(id_bytes);
  const std::string_view made_kind = reader.Bytes(kind_bytes);
  if (!reader.ok() || kind_bytes > kKindBytesMax || reader.remaining() != body_bytes) {
    return std::unexpected(
        Broken(segment_id, "its parts do not add up to its " + std::to_string(bytes.size()) + " bytes"));
  }
  if (made_for != segment_id) {
    return std::unexpected(Broken(segment_id, "was made for segment " + std::string(made_for)));
  }
  if (made_kind != kind) {
    return std::unexpected(
        Broken(segment_id, "is of the kind " + std::string(made_kind) + ", the manifest says " + std::string(kind)));
  }
  if (made_for_rows != row_count) {
    return std::unexpected(Broken(segment_id, "was made for " + std::to_string(made_for_rows) +
                                                  " rows, the segment has " + std::to_string(row_count)));
  }
  return reader.Bytes(reader.remaining());
}

}  // namespace akidb
