#include "format/columns.h"

#include <numeric>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"

namespace akidb {
namespace {

constexpr std::string_view kColumnsMagic = "AKCB";
constexpr uint16_t kColumnsVersion = 1;
constexpr size_t kHeaderBytes = 32;
constexpr size_t kChecksumOffset = 24;

// 0 on the wire means "no checksum given", for clients without XXH3; our encoder always gives one.
uint64_t Checksum(std::string_view bytes) {
  const uint64_t sum = Xxh3(bytes.substr(kHeaderBytes), Xxh3(bytes.substr(0, kChecksumOffset)));
  return sum == 0 ? 1 : sum;
}

uint64_t TotalBytes(const std::vector<std::string_view>& parts) {
  return std::accumulate(parts.begin(), parts.end(), uint64_t{0},
                         [](uint64_t sum, std::string_view part) { return sum + part.size(); });
}

Status OverLimit(std::string_view field, uint64_t value, uint64_t limit) {
  return InvalidArgument("columns: " + std::string(field) + " is " + std::to_string(value) + ", the limit is " +
                         std::to_string(limit));
}

struct Header {
  VectorType type = VectorType::kF32;
  uint32_t dim = 0;
  uint32_t row_count = 0;
  uint32_t ids_bytes = 0;
  uint32_t payloads_bytes = 0;
  uint64_t checksum = 0;

  uint64_t VectorsBytes() const { return uint64_t{row_count} * dim * ElementBytes(type); }
  uint64_t ScalesBytes() const { return type == VectorType::kInt8 ? uint64_t{row_count} * sizeof(float) : 0; }
};

Result<Header> DecodeHeader(ByteReader& reader, const Limits& limits) {
  if (reader.Bytes(kColumnsMagic.size()) != kColumnsMagic) {
    return std::unexpected(InvalidArgument("columns: does not begin with \"AKCB\""));
  }
  const auto version = reader.Read<uint16_t>();
  if (reader.ok() && version != kColumnsVersion) {
    return std::unexpected(InvalidArgument("columns: version is " + std::to_string(version) + ", this akidb reads " +
                                           std::to_string(kColumnsVersion)));
  }
  Header header;
  const auto type = reader.Read<uint8_t>();
  const auto zero = reader.Read<uint8_t>();
  header.dim = reader.Read<uint32_t>();
  header.row_count = reader.Read<uint32_t>();
  header.ids_bytes = reader.Read<uint32_t>();
  header.payloads_bytes = reader.Read<uint32_t>();
  header.checksum = reader.Read<uint64_t>();
  if (!reader.ok()) return std::unexpected(InvalidArgument("columns: shorter than its 32-byte header"));
  if (type < 1 || type > 3) {
    return std::unexpected(InvalidArgument("columns: vector type is " + std::to_string(type) + ", known are 1 to 3"));
  }
  header.type = static_cast<VectorType>(type);
  if (zero != 0) return std::unexpected(InvalidArgument("columns: byte 7 is " + std::to_string(zero) + ", must be 0"));
  if (header.dim < 1) return std::unexpected(InvalidArgument("columns: dim is 0, must be at least 1"));
  if (header.dim > limits.vector_dim_max) return std::unexpected(OverLimit("dim", header.dim, limits.vector_dim_max));
  if (header.row_count > limits.vectors_per_request_max) {
    return std::unexpected(OverLimit("row count", header.row_count, limits.vectors_per_request_max));
  }
  return header;
}

// Cuts `bytes` into views of the given lengths, which must fill it.
template <class Length>
Result<std::vector<std::string_view>> Cut(std::string_view field, std::string_view lengths, std::string_view bytes,
                                          uint64_t size_min, uint64_t size_max) {
  const size_t count = lengths.size() / sizeof(Length);
  std::vector<std::string_view> parts;
  parts.reserve(count);
  ByteReader reader(bytes);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t size = GetLe<Length>(lengths.data() + i * sizeof(Length));
    const std::string name = size < size_min || size > size_max ? std::string(field) + " " + std::to_string(i) : "";
    if (size < size_min) return std::unexpected(InvalidArgument("columns: " + name + " is empty"));
    if (size > size_max) return std::unexpected(OverLimit("size of " + name, size, size_max));
    parts.push_back(reader.Bytes(size));
  }
  if (!reader.ok() || reader.remaining() != 0) {
    return std::unexpected(InvalidArgument("columns: lengths of the " + std::string(field) +
                                           "s do not add up to their " + std::to_string(bytes.size()) + " bytes"));
  }
  return parts;
}

}  // namespace

std::string EncodeColumns(const ColumnBatch& batch) {
  const size_t rows = batch.ids.size();
  const uint64_t ids_bytes = TotalBytes(batch.ids);
  const uint64_t payloads_bytes = TotalBytes(batch.payloads);
  AKI_CHECK(batch.payloads.size() == rows && rows <= UINT32_MAX && ids_bytes <= UINT32_MAX &&
            payloads_bytes <= UINT32_MAX);
  AKI_CHECK(batch.vectors.size() == rows * batch.dim * ElementBytes(batch.type));
  AKI_CHECK(batch.scales.size() == (batch.type == VectorType::kInt8 ? rows * sizeof(float) : 0));
  std::string out;
  out.reserve(kHeaderBytes + batch.vectors.size() + batch.scales.size() + rows * 6 + ids_bytes + payloads_bytes);
  out += kColumnsMagic;
  PutLe<uint16_t>(&out, kColumnsVersion);
  PutLe<uint8_t>(&out, static_cast<uint8_t>(batch.type));
  PutLe<uint8_t>(&out, 0);
  PutLe<uint32_t>(&out, batch.dim);
  PutLe<uint32_t>(&out, static_cast<uint32_t>(rows));
  PutLe<uint32_t>(&out, static_cast<uint32_t>(ids_bytes));
  PutLe<uint32_t>(&out, static_cast<uint32_t>(payloads_bytes));
  PutLe<uint64_t>(&out, 0);
  out += batch.vectors;
  out += batch.scales;
  for (const std::string_view payload : batch.payloads) PutLe<uint32_t>(&out, static_cast<uint32_t>(payload.size()));
  for (const std::string_view id : batch.ids) {
    AKI_CHECK(id.size() <= UINT16_MAX);
    PutLe<uint16_t>(&out, static_cast<uint16_t>(id.size()));
  }
  for (const std::string_view id : batch.ids) out += id;
  for (const std::string_view payload : batch.payloads) out += payload;
  const uint64_t checksum = Checksum(out);
  std::memcpy(out.data() + kChecksumOffset, &checksum, sizeof(checksum));
  return out;
}

Result<ColumnBatch> DecodeColumns(std::string_view bytes, const Limits& limits) {
  ByteReader reader(bytes);
  AKI_ASSIGN_OR_RETURN(const Header header, DecodeHeader(reader, limits));
  if (header.checksum != 0 && header.checksum != Checksum(bytes)) {
    return std::unexpected(InvalidArgument("columns: checksum mismatch"));
  }
  ColumnBatch batch;
  batch.type = header.type;
  batch.dim = header.dim;
  batch.vectors = reader.Bytes(header.VectorsBytes());
  batch.scales = reader.Bytes(header.ScalesBytes());
  const std::string_view payload_lengths = reader.Bytes(uint64_t{header.row_count} * sizeof(uint32_t));
  const std::string_view id_lengths = reader.Bytes(uint64_t{header.row_count} * sizeof(uint16_t));
  const std::string_view ids = reader.Bytes(header.ids_bytes);
  const std::string_view payloads = reader.Bytes(header.payloads_bytes);
  if (!reader.ok() || reader.remaining() != 0) {
    return std::unexpected(
        InvalidArgument("columns: " + std::to_string(bytes.size()) + " bytes are not what the header announces"));
  }
  AKI_ASSIGN_OR_RETURN(batch.ids, Cut<uint16_t>("id", id_lengths, ids, 1, limits.id_bytes_max));
  AKI_ASSIGN_OR_RETURN(batch.payloads,
                       Cut<uint32_t>("payload", payload_lengths, payloads, 0, limits.payload_bytes_max));
  return batch;
}

std::string EncodeIdList(const std::vector<std::string_view>& ids) {
  AKI_CHECK(ids.size() <= UINT32_MAX);
  std::string out;
  out.reserve(sizeof(uint32_t) + ids.size() * sizeof(uint16_t) + TotalBytes(ids));
  PutLe<uint32_t>(&out, static_cast<uint32_t>(ids.size()));
  for (const std::string_view id : ids) {
    AKI_CHECK(id.size() <= UINT16_MAX);
    PutLe<uint16_t>(&out, static_cast<uint16_t>(id.size()));
  }
  for (const std::string_view id : ids) out += id;
  return out;
}

Result<std::vector<std::string_view>> DecodeIdList(std::string_view bytes, const Limits& limits) {
  ByteReader reader(bytes);
  const auto count = reader.Read<uint32_t>();
  if (count > limits.vectors_per_request_max) {
    return std::unexpected(OverLimit("number of ids", count, limits.vectors_per_request_max));
  }
  const std::string_view lengths = reader.Bytes(uint64_t{count} * sizeof(uint16_t));
  if (!reader.ok()) return std::unexpected(InvalidArgument("columns: id list is shorter than its lengths"));
  return Cut<uint16_t>("id", lengths, reader.Bytes(reader.remaining()), 1, limits.id_bytes_max);
}

}  // namespace akidb
