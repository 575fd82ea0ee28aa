#include "format/wal_format.h"

#include <cstring>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"

namespace akidb {
namespace {

constexpr uint32_t kFileMagic = 0x4657'4b41;   // "AKWF"
constexpr uint32_t kGroupMagic = 0x4757'4b41;  // "AKWG"
constexpr size_t kChecksumBytes = 8;
constexpr size_t kHeaderChecksumAt = kWalGroupHeaderBytes - kChecksumBytes;

bool IsBlockAligned(uint64_t offset) { return offset % kWalBlockBytes == 0; }

// The one rule book for a header's fields, for our own before encoding and for theirs after decoding.
bool IsValid(const WalGroupHeader& h) {
  return h.record_count > 0 && h.payload_bytes % 8 == 0 && h.payload_bytes / kWalRecordHeaderBytes >= h.record_count &&
         h.first_lsn > Lsn(0) && IsBlockAligned(h.offset) && IsBlockAligned(h.synced_offset) &&
         h.synced_offset >= kWalBlockBytes && h.synced_offset <= h.offset && h.end() <= kWalFileBytesMax;
}

bool IsValid(const WalFileHeader& h) {
  const bool has_prev = h.prev_sequence != 0;
  return h.sequence > 0 && h.prev_sequence < h.sequence && h.first_lsn > Lsn(0) && IsBlockAligned(h.prev_end) &&
         h.prev_end <= kWalFileBytesMax && has_prev == (h.prev_end > kWalBlockBytes);
}

bool IsKnown(WalRecordType type) { return type == WalRecordType::kUpsert || type == WalRecordType::kDelete; }

}  // namespace

uint64_t WalGroupHeader::end() const { return offset + WalGroupBytes(payload_bytes); }

std::string_view WalGroupStatusName(WalGroupStatus status) {
  switch (status) {
    case WalGroupStatus::kValid: return "valid";
    case WalGroupStatus::kNoGroup: return "no group header";
    case WalGroupStatus::kBadHeader: return "group header damaged";
    case WalGroupStatus::kTruncated: return "file ends inside the group";
    case WalGroupStatus::kBadPayload: return "group payload damaged";
  }
  return "unknown";
}

uint64_t WalGroupSeed(const WalFileHeader& header) {
  std::string bytes;
  PutLe<uint64_t>(&bytes, header.sequence);
  PutLe<uint64_t>(&bytes, header.salt);
  return Xxh3(bytes);
}

std::string EncodeWalFileHeader(const WalFileHeader& header) {
  AKI_CHECK(IsValid(header));
  std::string out;
  out.reserve(kWalBlockBytes);
  PutLe<uint32_t>(&out, kFileMagic);
  PutLe<uint32_t>(&out, kWalVersion);
  PutLe<uint64_t>(&out, header.sequence);
  PutLe<uint64_t>(&out, header.salt);
  PutLe<uint64_t>(&out, header.first_lsn.value());
  PutLe<uint64_t>(&out, header.prev_sequence);
  PutLe<uint64_t>(&out, header.prev_salt);
  PutLe<uint64_t>(&out, header.prev_end);
  out.resize(kWalBlockBytes - kChecksumBytes, '\0');
  PutLe<uint64_t>(&out, Xxh3(out, header.sequence));
  return out;
}

Result<WalFileHeader> DecodeWalFileHeader(std::string_view block, uint64_t sequence) {
  if (block.size() < kWalBlockBytes) {
    return std::unexpected(DataLoss("file header has " + std::to_string(block.size()) + " of " +
                                    std::to_string(kWalBlockBytes) + " bytes"));
  }
  block = block.substr(0, kWalBlockBytes);
  const std::string_view covered = block.substr(0, kWalBlockBytes - kChecksumBytes);
  ByteReader in(covered);
  if (in.Read<uint32_t>() != kFileMagic) return std::unexpected(DataLoss("file header has a wrong magic"));
  const auto version = in.Read<uint32_t>();
  WalFileHeader h;
  h.sequence = in.Read<uint64_t>();
  // Seeded by the sequence it says, so that a sound header under a wrong name is told from a damaged one.
  if (GetLe<uint64_t>(block.data() + covered.size()) != Xxh3(covered, h.sequence)) {
    return std::unexpected(DataLoss("file header checksum mismatch"));
  }
  if (version != kWalVersion) {
    return std::unexpected(FailedPrecondition("log format version " + std::to_string(version) +
                                              ", this program reads version " + std::to_string(kWalVersion)));
  }
  h.salt = in.Read<uint64_t>();
  h.first_lsn = Lsn(in.Read<uint64_t>());
  h.prev_sequence = in.Read<uint64_t>();
  h.prev_salt = in.Read<uint64_t>();
  h.prev_end = in.Read<uint64_t>();
  if (h.sequence != sequence) {
    return std::unexpected(DataLoss("file header says sequence " + std::to_string(h.sequence) + ", the name says " +
                                    std::to_string(sequence)));
  }
  if (!IsValid(h)) return std::unexpected(DataLoss("file header fields contradict each other"));
  return h;
}

void AppendWalRecord(const WalRecord& record, std::string* payload) {
  AKI_CHECK(record.body.size() < kWalFileBytesMax && IsKnown(record.type));
  PutLe<uint32_t>(payload, static_cast<uint32_t>(record.body.size()));
  PutLe<uint8_t>(payload, static_cast<uint8_t>(record.type));
  payload->append(3, '\0');
  PutLe<uint64_t>(payload, record.collection.value());
  PutLe<uint64_t>(payload, record.epoch.value());
  PutLe<uint64_t>(payload, record.lsn.value());
  payload->append(record.body);
  payload->append(WalRecordBytes(record.body.size()) - kWalRecordHeaderBytes - record.body.size(), '\0');
}

void SealWalGroup(WalGroupHeader header, uint64_t seed, std::string* group) {
  header.payload_bytes = static_cast<uint32_t>(group->size() - kWalGroupHeaderBytes);
  AKI_CHECK(IsValid(header));
  group->resize(WalGroupBytes(header.payload_bytes), '\0');
  std::string out;
  out.reserve(kWalGroupHeaderBytes);
  PutLe<uint32_t>(&out, kGroupMagic);
  PutLe<uint32_t>(&out, header.record_count);
  PutLe<uint64_t>(&out, header.sequence);
  PutLe<uint64_t>(&out, header.offset);
  PutLe<uint64_t>(&out, header.synced_offset);
  PutLe<uint32_t>(&out, header.payload_bytes);
  PutLe<uint32_t>(&out, 0);
  PutLe<uint64_t>(&out, header.first_lsn.value());
  PutLe<uint64_t>(&out, Xxh3(std::string_view(*group).substr(kWalGroupHeaderBytes), seed));
  PutLe<uint64_t>(&out, Xxh3(out, seed));
  std::memcpy(group->data(), out.data(), kWalGroupHeaderBytes);
}

WalGroupStatus DecodeWalGroupHeader(std::string_view bytes, uint64_t seed, uint64_t sequence, uint64_t offset,
                                    WalGroupHeader* header) {
  if (bytes.size() < kWalGroupHeaderBytes) {
    return bytes.empty() ? WalGroupStatus::kNoGroup : WalGroupStatus::kTruncated;
  }
  if (GetLe<uint32_t>(bytes.data()) != kGroupMagic) return WalGroupStatus::kNoGroup;
  if (GetLe<uint64_t>(bytes.data() + kHeaderChecksumAt) != Xxh3(bytes.substr(0, kHeaderChecksumAt), seed)) {
    return WalGroupStatus::kBadHeader;
  }
  ByteReader in(bytes);
  in.Read<uint32_t>();
  WalGroupHeader h;
  h.record_count = in.Read<uint32_t>();
  h.sequence = in.Read<uint64_t>();
  h.offset = in.Read<uint64_t>();
  h.synced_offset = in.Read<uint64_t>();
  h.payload_bytes = in.Read<uint32_t>();
  const auto reserved = in.Read<uint32_t>();
  h.first_lsn = Lsn(in.Read<uint64_t>());
  h.payload_checksum = in.Read<uint64_t>();
  if (h.sequence != sequence || h.offset != offset || reserved != 0 || !IsValid(h)) return WalGroupStatus::kBadHeader;
  *header = h;
  return WalGroupStatus::kValid;
}

WalGroupStatus CheckWalGroupPayload(const WalGroupHeader& header, uint64_t seed, std::string_view group) {
  const uint64_t bytes = WalGroupBytes(header.payload_bytes);
  if (group.size() < bytes) return WalGroupStatus::kTruncated;
  const std::string_view covered = group.substr(kWalGroupHeaderBytes, bytes - kWalGroupHeaderBytes);
  return Xxh3(covered, seed) == header.payload_checksum ? WalGroupStatus::kValid : WalGroupStatus::kBadPayload;
}

Status DecodeWalRecordRun(std::string_view payload, uint32_t record_count, Lsn first_lsn,
                          const std::function<Status(const WalRecord&)>& visit) {
  ByteReader in(payload);
  Lsn at_least = first_lsn;
  for (uint32_t i = 0; i < record_count; ++i) {
    const auto body_bytes = in.Read<uint32_t>();
    const auto type = static_cast<WalRecordType>(in.Read<uint8_t>());
    const auto flags = in.Read<uint8_t>();
    const auto reserved = in.Read<uint16_t>();
    WalRecord record{.collection = CollectionId(in.Read<uint64_t>()),
                     .epoch = Epoch(in.Read<uint64_t>()),
                     .lsn = Lsn(in.Read<uint64_t>()),
                     .type = type,
                     .body = in.Bytes(body_bytes)};
    in.Bytes((8 - body_bytes % 8) % 8);
    const auto where = [i] { return "record " + std::to_string(i) + " of the group: "; };
    if (!in.ok()) return DataLoss(where() + "runs past the group's end");
    if (!IsKnown(type) || flags != 0 || reserved != 0) {
      return FailedPrecondition(where() + "type " + std::to_string(static_cast<int>(type)) + " with flags " +
                                std::to_string(flags) + " is not known to this program");
    }
    if (record.lsn < at_least || record.lsn == Lsn::Max() || (i == 0 && record.lsn != first_lsn)) {
      return DataLoss(where() + "LSN " + std::to_string(record.lsn.value()) + " breaks the order");
    }
    at_least = record.lsn.Next();
    AKI_RETURN_IF_ERROR(visit(record));
  }
  if (in.remaining() != 0) return DataLoss("group holds more bytes than its records");
  return OkStatus();
}

Status DecodeWalRecords(const WalGroupHeader& header, std::string_view group,
                        const std::function<Status(const WalRecord&)>& visit) {
  return DecodeWalRecordRun(group.substr(kWalGroupHeaderBytes, header.payload_bytes), header.record_count,
                            header.first_lsn, visit);
}

}  // namespace akidb
