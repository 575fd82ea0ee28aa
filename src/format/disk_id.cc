#include "format/disk_id.h"

#include <algorithm>

#include "base/check.h"
#include "base/json_writer.h"
#include "format/manifest_fields.h"

namespace akidb {
namespace {

constexpr std::string_view kDiskFamily = "akidb.disk";
constexpr uint32_t kDiskFormat = 1;
constexpr size_t kStoreBytesMax = 1024;

DiskId ReadDiskId(JsonFields& fields, uint32_t /*format*/, Status* /*status*/) {
  DiskId disk;
  disk.id = fields.String("id", kDiskIdDigits);
  disk.store = fields.String("store", kStoreBytesMax);
  return disk;
}

std::string WriteDiskId(const DiskId& disk, uint32_t format) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("format").Value(std::string(kDiskFamily) + "/" + std::to_string(format));
  w.Key("id").Value(disk.id);
  w.Key("store").Value(disk.store);
  w.EndObject();
  return SealJson(std::move(out));
}

}  // namespace

bool IsDiskId(std::string_view text) {
  return text.size() == kDiskIdDigits &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Status DiskId::Validate() const {
  AKI_RETURN_IF_ERROR(Require(IsDiskId(id), "id", "is not 32 hexadecimal digits"));
  return Require(store.size() <= kStoreBytesMax, "store", "has more than 1024 bytes");
}

std::string EncodeDiskId(const DiskId& disk) {
  AKI_CHECK(disk.Validate().ok());
  return WriteDiskId(disk, kDiskFormat);
}

Result<DiskId> DecodeDiskId(std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(auto decoded, DecodeCanonical<DiskId>("disk id", kDiskFamily, kDiskFormat, bytes,
                                                             kDiskIdBytesMax, ReadDiskId, WriteDiskId));
  AKI_RETURN_IF_ERROR(decoded.value.Validate());
  return std::move(decoded.value);
}

}  // namespace akidb
