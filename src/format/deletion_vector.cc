#include "format/deletion_vector.h"

#include <roaring/roaring.h>

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"

namespace akidb {
namespace {

constexpr std::string_view kDeletionsMagic = "AKDV";
constexpr uint16_t kDeletionsVersion = 1;
constexpr size_t kDeletionsChecksumBytes = sizeof(uint64_t);
// A bitmap of 2^32 rows has 65,536 containers of at most 8 KiB.
constexpr uint64_t kBitmapBytesMax = 640ull << 20;

struct BitmapDeleter {
  void operator()(roaring_bitmap_t* bitmap) const { roaring_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<roaring_bitmap_t, BitmapDeleter>;

Status BrokenDeletions(std::string_view segment_id, const std::string& what) {
  return DataLoss("deletion vector of segment " + std::string(segment_id) + ": " + what);
}

// The bitmap's rows, taken one by one: this version of CRoaring trusts the cardinalities that a bitmap claims, so
// nothing may be sized by them.
struct RowCollector {
  std::vector<RowIndex> rows;
  uint32_t row_count;
  uint32_t expected;
  bool ok = true;

  static bool Visit(uint32_t row, void* self) {
    auto* c = static_cast<RowCollector*>(self);
    c->ok = row < c->row_count && c->rows.size() < c->expected && (c->rows.empty() || row > c->rows.back());
    if (c->ok) c->rows.push_back(row);
    return c->ok;
  }
};

Result<std::vector<RowIndex>> DecodeBitmap(std::string_view bytes, std::string_view segment_id, uint32_t row_count,
                                           uint32_t deleted_count) {
  if (roaring_bitmap_portable_deserialize_size(bytes.data(), bytes.size()) != bytes.size()) {
    return std::unexpected(BrokenDeletions(segment_id, "bitmap is malformed"));
  }
  const Bitmap bitmap(roaring_bitmap_portable_deserialize_safe(bytes.data(), bytes.size()));
  if (bitmap == nullptr) return std::unexpected(BrokenDeletions(segment_id, "bitmap is malformed"));
  RowCollector collector{.rows = {}, .row_count = row_count, .expected = deleted_count};
  collector.rows.reserve(std::min<uint64_t>(deleted_count, bytes.size() * 8));
  roaring_iterate(bitmap.get(), RowCollector::Visit, &collector);
  if (!collector.ok || collector.rows.size() != deleted_count) {
    return std::unexpected(BrokenDeletions(segment_id, "bitmap does not hold " + std::to_string(deleted_count) +
                                                           " ascending rows below " + std::to_string(row_count)));
  }
  return std::move(collector.rows);
}

}  // namespace

std::string EncodeDeletionVector(std::string_view segment_id, uint32_t row_count, const std::vector<RowIndex>& rows) {
  AKI_CHECK(segment_id.size() <= UINT16_MAX && rows.size() <= row_count);
  AKI_CHECK(std::ranges::adjacent_find(rows, std::greater_equal<>()) == rows.end());
  AKI_CHECK(rows.empty() || rows.back() < row_count);
  const Bitmap bitmap(roaring_bitmap_of_ptr(rows.size(), rows.data()));
  AKI_CHECK(bitmap != nullptr);
  roaring_bitmap_run_optimize(bitmap.get());
  std::string body(roaring_bitmap_portable_size_in_bytes(bitmap.get()), '\0');
  roaring_bitmap_portable_serialize(bitmap.get(), body.data());

  std::string out(kDeletionsMagic);
  PutLe<uint16_t>(&out, kDeletionsVersion);
  PutLe<uint16_t>(&out, static_cast<uint16_t>(segment_id.size()));
  PutLe<uint32_t>(&out, row_count);
  PutLe<uint32_t>(&out, static_cast<uint32_t>(rows.size()));
  PutLe<uint32_t>(&out, static_cast<uint32_t>(body.size()));
  out += segment_id;
  out += body;
  PutLe<uint64_t>(&out, Xxh3(out));
  return out;
}

Result<std::vector<RowIndex>> DecodeDeletionVector(std::string_view bytes, std::string_view segment_id,
                                                   uint32_t row_count) {
  if (bytes.size() < kDeletionsMagic.size() + kDeletionsChecksumBytes)
    return std::unexpected(BrokenDeletions(segment_id, "truncated"));
  const std::string_view covered = bytes.substr(0, bytes.size() - kDeletionsChecksumBytes);
  if (Xxh3(covered) != GetLe<uint64_t>(bytes.data() + covered.size())) {
    return std::unexpected(BrokenDeletions(segment_id, "checksum mismatch"));
  }
  ByteReader reader(covered);
  if (reader.Bytes(kDeletionsMagic.size()) != kDeletionsMagic)
    return std::unexpected(BrokenDeletions(segment_id, "does not begin with \"AKDV\""));
  const auto version = reader.Read<uint16_t>();
  if (version != kDeletionsVersion) {
    return std::unexpected(Unimplemented("deletion vector of segment " + std::string(segment_id) + ": version is " +
                                         std::to_string(version) + ", this akidb reads " +
                                         std::to_string(kDeletionsVersion)));
  }
  const auto id_bytes = reader.Read<uint16_t>();
  const auto made_for_rows = reader.Read<uint32_t>();
  const auto deleted_count = reader.Read<uint32_t>();
  const auto bitmap_bytes = reader.Read<uint32_t>();
  const std::string_view made_for = reader.Bytes(id_bytes);
  const std::string_view bitmap = reader.Bytes(bitmap_bytes);
  if (!reader.ok() || reader.remaining() != 0 || bitmap_bytes > kBitmapBytesMax) {
    return std::unexpected(
        BrokenDeletions(segment_id, "its parts do not add up to its " + std::to_string(bytes.size()) + " bytes"));
  }
  if (made_for != segment_id) {
    return std::unexpected(BrokenDeletions(segment_id, "was made for segment " + std::string(made_for)));
  }
  if (made_for_rows != row_count) {
    return std::unexpected(BrokenDeletions(segment_id, "was made for " + std::to_string(made_for_rows) +
                                                           " rows, the segment has " + std::to_string(row_count)));
  }
  return DecodeBitmap(bitmap, segment_id, row_count, deleted_count);
}

}  // namespace akidb
