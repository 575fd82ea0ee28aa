#include "cache/cache_block.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"

namespace akidb {
namespace {

constexpr std::string_view kMagic = "AKCB";
constexpr uint16_t kVersion = 1;
constexpr uint16_t kFlagWhole = 1;
constexpr size_t kFixedBytes = 40;
constexpr size_t kChecksumsOffset = 2040;
constexpr size_t kHeaderChecksumOffset = kChecksumsOffset + size_t{8} * kCachePagesMax;
static_assert(kHeaderChecksumOffset + 8 == kCacheHeaderBytes);

Status Broken(std::string_view what) { return DataLoss("cache block: " + std::string(what)); }

void AppendHex(uint64_t value, int digits, std::string* out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out->push_back(kHex[value >> shift & 15]);
}

// Takes `digits` lower-case hexadecimal digits off the front of `text`.
std::optional<uint64_t> TakeHex(int digits, std::string_view* text) {
  if (text->size() < static_cast<size_t>(digits)) return std::nullopt;
  uint64_t value = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = (*text)[i];
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return std::nullopt;
    value = value << 4 | static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  text->remove_prefix(static_cast<size_t>(digits));
  return value;
}

bool TakeDash(std::string_view* text) {
  if (!text->starts_with('-')) return false;
  text->remove_prefix(1);
  return true;
}

}  // namespace

CacheObjectId CacheObjectId::Of(std::string_view key, std::string_view version_id) {
  std::string identity(key);
  identity.push_back('\0');  // in no key
  identity += version_id;
  return {Xxh3(identity, 1), Xxh3(identity)};
}

Status CacheBlockHeader::Validate() const {
  if (key.empty()) return Broken("it has no key");
  if (data_bytes == 0 || data_bytes > kCacheBlockBytes) return Broken(std::to_string(data_bytes) + " bytes of data");
  if (page_checksums.size() != CachePageCount(data_bytes)) return Broken("checksums and bytes do not match");
  if (whole && number != 0) return Broken("a whole object that does not begin with its first block");
  size_t names = key.size() + version_id.size();
  if (whole) names += whole->etag.size() + whole->version_id.size();
  if (names > kChecksumsOffset - kFixedBytes) return Broken("names of " + std::to_string(names) + " bytes");
  return OkStatus();
}

uint64_t CachePageChecksum(const CacheBlockId& id, uint32_t page, std::string_view bytes) {
  return Xxh3(bytes, id.object.low ^ (uint64_t{id.number} * kCachePagesMax + page));
}

std::vector<uint64_t> CachePageChecksums(const CacheBlockId& id, std::string_view data) {
  std::vector<uint64_t> checksums;
  for (size_t begin = 0; begin < data.size(); begin += kCachePageBytes) {
    const auto page = static_cast<uint32_t>(checksums.size());
    checksums.push_back(CachePageChecksum(id, page, data.substr(begin, kCachePageBytes)));
  }
  return checksums;
}

std::string EncodeCacheBlockHeader(const CacheBlockHeader& header) {
  AKI_CHECK(header.Validate().ok());
  const CachedWhole whole = header.whole.value_or(CachedWhole());
  std::string out(kMagic);
  out.reserve(kCacheHeaderBytes);
  PutLe<uint16_t>(&out, kVersion);
  PutLe<uint16_t>(&out, header.whole ? kFlagWhole : 0);
  PutLe<uint32_t>(&out, header.number);
  PutLe<uint32_t>(&out, header.data_bytes);
  PutLe<int64_t>(&out, whole.modified_at.time_since_epoch().count());
  PutLe<uint16_t>(&out, header.key.size());
  PutLe<uint16_t>(&out, header.version_id.size());
  PutLe<uint16_t>(&out, whole.etag.size());
  PutLe<uint16_t>(&out, whole.version_id.size());
  out.resize(kFixedBytes);
  out += header.key + header.version_id + whole.etag + whole.version_id;
  out.resize(kChecksumsOffset);
  for (const uint64_t checksum : header.page_checksums) PutLe<uint64_t>(&out, checksum);
  out.resize(kHeaderChecksumOffset);
  PutLe<uint64_t>(&out, Xxh3(out));
  return out;
}

Result<CacheBlockHeader> DecodeCacheBlockHeader(std::string_view bytes) {
  if (bytes.size() != kCacheHeaderBytes) return std::unexpected(Broken("the header is cut off"));
  if (GetLe<uint64_t>(bytes.data() + kHeaderChecksumOffset) != Xxh3(bytes.substr(0, kHeaderChecksumOffset))) {
    return std::unexpected(Broken("the header's checksum does not match"));
  }
  ByteReader reader(bytes);
  if (reader.Bytes(kMagic.size()) != kMagic) return std::unexpected(Broken("the magic is missing"));
  const auto version = reader.Read<uint16_t>();
  if (version != kVersion) {
    return std::unexpected(Unimplemented("cache block of version " + std::to_string(version) + ", known is 1"));
  }
  const auto flags = reader.Read<uint16_t>();
  CacheBlockHeader header;
  CachedWhole whole;
  header.number = reader.Read<uint32_t>();
  header.data_bytes = reader.Read<uint32_t>();
  whole.modified_at = WallTime(Duration(reader.Read<int64_t>()));
  const auto key_bytes = reader.Read<uint16_t>();
  const auto version_bytes = reader.Read<uint16_t>();
  const auto etag_bytes = reader.Read<uint16_t>();
  const auto whole_version_bytes = reader.Read<uint16_t>();
  reader.Bytes(kFixedBytes - reader.position());
  header.key = reader.Bytes(key_bytes);
  header.version_id = reader.Bytes(version_bytes);
  whole.etag = reader.Bytes(etag_bytes);
  whole.version_id = reader.Bytes(whole_version_bytes);
  if (!reader.ok() || reader.position() > kChecksumsOffset) return std::unexpected(Broken("names overflow"));
  if ((flags & kFlagWhole) != 0) header.whole = std::move(whole);
  // Sizes are checked below; until then no more is read than the header has room for.
  const uint32_t pages = std::min(CachePageCount(std::min(header.data_bytes, kCacheBlockBytes)), kCachePagesMax);
  for (uint32_t page = 0; page < pages; ++page) {
    header.page_checksums.push_back(GetLe<uint64_t>(bytes.data() + kChecksumsOffset + size_t{8} * page));
  }
  AKI_RETURN_IF_ERROR(header.Validate());
  if (EncodeCacheBlockHeader(header) != bytes) return std::unexpected(Broken("bytes that mean nothing are not zero"));
  return header;
}

std::string FormatCacheBlockName(const CacheBlockName& name) {
  std::string out;
  AppendHex(name.id.object.high, 16, &out);
  AppendHex(name.id.object.low, 16, &out);
  out.push_back('-');
  AppendHex(name.id.number, 8, &out);
  out.push_back('-');
  AppendHex(name.data_bytes, 6, &out);
  if (name.whole) out.push_back('w');
  return out;
}

std::optional<CacheBlockName> ParseCacheBlockName(std::string_view text) {
  CacheBlockName name;
  const auto high = TakeHex(16, &text);
  const auto low = high ? TakeHex(16, &text) : std::nullopt;
  if (!low || !TakeDash(&text)) return std::nullopt;
  const auto number = TakeHex(8, &text);
  if (!number || !TakeDash(&text)) return std::nullopt;
  const auto data_bytes = TakeHex(6, &text);
  if (!data_bytes || *data_bytes == 0 || *data_bytes > kCacheBlockBytes) return std::nullopt;
  name.whole = text == "w";
  if (!text.empty() && !name.whole) return std::nullopt;
  if (name.whole && *number != 0) return std::nullopt;
  name.id = {{*high, *low}, static_cast<uint32_t>(*number)};
  name.data_bytes = static_cast<uint32_t>(*data_bytes);
  return name;
}

}  // namespace akidb
