#include "ingest/npy_file.h"

#include <algorithm>
#include <cstring>

#include "ann/exact_score.h"
#include "format/npy.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

constexpr uint64_t kRowsMax = 0x7fffffff;
constexpr uint64_t kColumnsMax = 1u << 20;
constexpr uint64_t kPieceBytes = 4 << 20;

// An open file whose header fits its size.
class NpyReader {
 public:
  static Result<NpyReader> Open(FileSystem& fs, const std::string& path) {
    NpyReader out;
    AKI_ASSIGN_OR_RETURN(out.file_, fs.Open(path, OpenMode::kRead));
    AKI_ASSIGN_OR_RETURN(const uint64_t size, out.file_->Size());
    std::string begin(std::min<uint64_t>(size, kNpyHeaderBytesMax + 16), '\0');
    AKI_ASSIGN_OR_RETURN(const size_t read, out.file_->ReadAt(0, begin.size(), begin.data()));
    auto header = ParseNpyHeader(std::string_view(begin).substr(0, read));
    if (!header) return std::unexpected(std::move(header).error().Annotate(path));
    out.path_ = path;
    out.header_ = *header;
    if (header->rows == 0 || header->rows > kRowsMax || header->columns == 0 || header->columns > kColumnsMax) {
      return std::unexpected(
          InvalidArgument(path + ": " + std::to_string(header->rows) + " x " + std::to_string(header->columns) +
                          ", need 1 to " + std::to_string(kRowsMax) + " rows of 1 to " + std::to_string(kColumnsMax)));
    }
    const uint64_t wanted = header->data_offset + header->rows * out.row_bytes();
    if (size < wanted) {
      return std::unexpected(
          InvalidArgument(path + ": " + std::to_string(size) + " bytes, its header wants " + std::to_string(wanted)));
    }
    return out;
  }

  const NpyHeader& header() const { return header_; }
  uint32_t rows() const { return static_cast<uint32_t>(header_.rows); }
  uint32_t columns() const { return static_cast<uint32_t>(header_.columns); }
  Status Refuse(const std::string& need) const { return InvalidArgument(path_ + ": need " + need); }

  // Calls body(first row, rows, bytes) for pieces of the rows, in order.
  template <class Body>
  Status ForPieces(const Body& body) const {
    const uint64_t piece = std::max<uint64_t>(1, kPieceBytes / row_bytes());
    std::vector<char> bytes(piece * row_bytes());
    for (uint64_t row = 0; row < header_.rows; row += piece) {
      const uint64_t n = std::min(piece, header_.rows - row);
      AKI_ASSIGN_OR_RETURN(const size_t read,
                           file_->ReadAt(header_.data_offset + row * row_bytes(), n * row_bytes(), bytes.data()));
      if (read != n * row_bytes()) return Unavailable(path_ + ": became shorter while it was read");
      body(static_cast<uint32_t>(row), static_cast<uint32_t>(n), bytes.data());
    }
    return OkStatus();
  }
  // The same with elements as floats; only for <f2 and <f4.
  template <class Body>
  Status ForFloats(const Body& body) const {
    if (header_.type != NpyType::kF16 && header_.type != NpyType::kF32) return Refuse("elements <f2 or <f4");
    std::vector<float> floats;
    return ForPieces([&](uint32_t row, uint32_t n, const char* bytes) {
      const size_t count = static_cast<size_t>(n) * columns();
      floats.resize(count);
      if (header_.type == NpyType::kF32) {
        std::memcpy(floats.data(), bytes, count * sizeof(float));
      } else {
        std::vector<uint16_t> halfs(count);
        std::memcpy(halfs.data(), bytes, count * sizeof(uint16_t));
        Kernels().f16_to_f32(halfs.data(), floats.data(), count);
      }
      body(row, n, floats.data());
    });
  }

 private:
  uint64_t row_bytes() const { return header_.columns * NpyElementBytes(header_.type); }

  std::string path_;
  NpyHeader header_;
  std::unique_ptr<File> file_;
};

template <class Element>
void Widen(const char* bytes, size_t count, int64_t* out) {
  for (size_t i = 0; i < count; ++i) {
    Element element;
    std::memcpy(&element, bytes + i * sizeof element, sizeof element);
    out[i] = static_cast<int64_t>(element);
  }
}

}  // namespace

Result<FloatMatrix> ReadNpyFloats(FileSystem& fs, const std::string& path) {
  AKI_ASSIGN_OR_RETURN(const NpyReader reader, NpyReader::Open(fs, path));
  FloatMatrix out{reader.rows(), reader.columns(), {}};
  out.values.reserve(static_cast<size_t>(out.rows) * out.columns);
  AKI_RETURN_IF_ERROR(reader.ForFloats([&](uint32_t, uint32_t n, const float* values) {
    out.values.insert(out.values.end(), values, values + static_cast<size_t>(n) * out.columns);
  }));
  return out;
}

Result<StoredVectors> ReadNpyVectors(FileSystem& fs, const std::string& path, VectorType type) {
  AKI_ASSIGN_OR_RETURN(const NpyReader reader, NpyReader::Open(fs, path));
  const uint32_t dim = reader.columns();
  const size_t stride = dim * ElementBytes(type);
  StoredVectors out;
  AKI_ASSIGN_OR_RETURN(out.data, HugeArena::Create(stride * reader.rows()));
  out.scales.resize(reader.rows(), 1.0f);
  out.inv_norms.resize(reader.rows());
  auto* data = reinterpret_cast<std::byte*>(out.data.data());
  AKI_RETURN_IF_ERROR(reader.ForFloats([&](uint32_t first, uint32_t n, const float* values) {
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t row = first + i;
      const float* in = values + static_cast<size_t>(i) * dim;
      std::byte* to = data + row * stride;
      switch (type) {
        case VectorType::kF32: std::memcpy(to, in, stride); break;
        case VectorType::kF16: Kernels().f32_to_f16(in, reinterpret_cast<uint16_t*>(to), dim); break;
        case VectorType::kInt8: out.scales[row] = QuantizeInt8(in, reinterpret_cast<int8_t*>(to), dim); break;
      }
      out.inv_norms[row] = InverseNorm(type, to, dim, out.scales[row]);
    }
  }));
  out.view = {.type = type,
              .dim = dim,
              .row_count = reader.rows(),
              .stride_bytes = stride,
              .data = data,
              .scales = out.scales.data(),
              .inv_norms = out.inv_norms.data()};
  return out;
}

Result<IdMatrix> ReadNpyIds(FileSystem& fs, const std::string& path) {
  AKI_ASSIGN_OR_RETURN(const NpyReader reader, NpyReader::Open(fs, path));
  const NpyType type = reader.header().type;
  if (type != NpyType::kI32 && type != NpyType::kU32 && type != NpyType::kI64) {
    return std::unexpected(reader.Refuse("row numbers <i4, <u4 or <i8"));
  }
  IdMatrix out{reader.rows(), reader.columns(), {}};
  out.values.resize(static_cast<size_t>(out.rows) * out.columns);
  AKI_RETURN_IF_ERROR(reader.ForPieces([&](uint32_t row, uint32_t n, const char* bytes) {
    int64_t* to = out.values.data() + static_cast<size_t>(row) * out.columns;
    const size_t count = static_cast<size_t>(n) * out.columns;
    if (type == NpyType::kI32) Widen<int32_t>(bytes, count, to);
    if (type == NpyType::kU32) Widen<uint32_t>(bytes, count, to);
    if (type == NpyType::kI64) Widen<int64_t>(bytes, count, to);
  }));
  return out;
}

Result<std::vector<uint8_t>> ReadNpyMask(FileSystem& fs, const std::string& path) {
  AKI_ASSIGN_OR_RETURN(const NpyReader reader, NpyReader::Open(fs, path));
  if (reader.header().type != NpyType::kU8 || reader.columns() != 1) {
    return std::unexpected(reader.Refuse("one byte a row"));
  }
  std::vector<uint8_t> out(reader.rows());
  AKI_RETURN_IF_ERROR(
      reader.ForPieces([&](uint32_t row, uint32_t n, const char* bytes) { std::memcpy(out.data() + row, bytes, n); }));
  return out;
}

}  // namespace akidb
