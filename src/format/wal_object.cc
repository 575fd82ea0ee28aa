#include "format/wal_object.h"

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"

namespace akidb {
namespace {

constexpr uint32_t kWalObjectMagic = 0x4F'57'4B'41;  // "AKWO"
constexpr uint16_t kWalObjectVersion = 1;
constexpr size_t kObjectChecksumAt = kWalObjectHeaderBytes - sizeof(uint64_t);

bool IsConsistent(const WalObjectHeader& h) {
  if (h.sequence.value() == 0 || h.epoch.value() == 0 || h.collection.value() == 0) return false;
  if (h.durable_sequence >= h.sequence) return false;
  if (h.kind == WalObjectKind::kFence && h.record_count != 0) return false;
  return (h.record_count == 0) == (h.first_lsn.value() == 0);
}

}  // namespace

std::string EncodeWalObject(const WalObjectHeader& header, std::string_view payload) {
  AKI_CHECK(IsConsistent(header));
  AKI_CHECK((header.record_count == 0) == payload.empty());
  std::string out;
  out.reserve(kWalObjectHeaderBytes + payload.size());
  PutLe<uint32_t>(&out, kWalObjectMagic);
  PutLe<uint16_t>(&out, kWalObjectVersion);
  PutLe<uint8_t>(&out, static_cast<uint8_t>(header.kind));
  PutLe<uint8_t>(&out, 0);
  PutLe<uint64_t>(&out, header.collection.value());
  PutLe<uint64_t>(&out, header.epoch.value());
  PutLe<uint64_t>(&out, header.sequence.value());
  PutLe<uint64_t>(&out, header.durable_sequence.value());
  PutLe<uint64_t>(&out, header.attempt);
  PutLe<uint64_t>(&out, header.first_lsn.value());
  PutLe<uint32_t>(&out, header.record_count);
  PutLe<uint32_t>(&out, static_cast<uint32_t>(payload.size()));
  PutLe<uint64_t>(&out, Xxh3(payload, header.sequence.value()));
  PutLe<uint64_t>(&out, Xxh3(out, header.sequence.value()));
  AKI_CHECK(out.size() == kWalObjectHeaderBytes);
  out.append(payload);
  return out;
}

Result<WalObject> DecodeWalObject(std::string_view bytes, CollectionId collection, Epoch epoch) {
  const auto broken = [&](const std::string& what) {
    return std::unexpected(DataLoss("log object of epoch " + std::to_string(epoch.value()) + " of collection " +
                                    std::to_string(collection.value()) + ": " + what));
  };
  if (bytes.size() < kWalObjectHeaderBytes) return broken("has only " + std::to_string(bytes.size()) + " bytes");
  ByteReader in(bytes);
  if (in.Read<uint32_t>() != kWalObjectMagic) return broken("does not begin with AKWO");
  // The version's place is fixed; what follows it is not.
  if (const auto version = in.Read<uint16_t>(); version != kWalObjectVersion) {
    if (version == 0) return broken("version 0");
    return std::unexpected(Unimplemented("log object of version " + std::to_string(version) +
                                         "; this program reads version " + std::to_string(kWalObjectVersion)));
  }
  WalObject object;
  WalObjectHeader& h = object.header;
  const auto kind = in.Read<uint8_t>();
  const auto reserved = in.Read<uint8_t>();
  h.kind = static_cast<WalObjectKind>(kind);
  h.collection = CollectionId(in.Read<uint64_t>());
  h.epoch = Epoch(in.Read<uint64_t>());
  h.sequence = WalSequence(in.Read<uint64_t>());
  h.durable_sequence = WalSequence(in.Read<uint64_t>());
  h.attempt = in.Read<uint64_t>();
  h.first_lsn = Lsn(in.Read<uint64_t>());
  h.record_count = in.Read<uint32_t>();
  const auto payload_bytes = in.Read<uint32_t>();
  const auto payload_checksum = in.Read<uint64_t>();
  const uint64_t seed = h.sequence.value();
  if (in.Read<uint64_t>() != Xxh3(bytes.substr(0, kObjectChecksumAt), seed)) return broken("header checksum mismatch");
  if (reserved != 0 || (kind != 1 && kind != 2) || !IsConsistent(h)) return broken("fields contradict each other");
  if (h.collection != collection || h.epoch != epoch) return broken("belongs to another stream");
  object.payload = bytes.substr(kWalObjectHeaderBytes);
  if (object.payload.size() != payload_bytes) {
    return broken("has " + std::to_string(object.payload.size()) + " bytes of records, its header says " +
                  std::to_string(payload_bytes));
  }
  if (Xxh3(object.payload, seed) != payload_checksum) return broken("checksum mismatch in its records");
  if (object.payload.empty() != (h.record_count == 0)) return broken("fields contradict each other");
  return object;
}

Result<WalObject> DecodeWalObject(std::string_view bytes, CollectionId collection, Epoch epoch, WalSequence sequence) {
  AKI_ASSIGN_OR_RETURN(const WalObject object, DecodeWalObject(bytes, collection, epoch));
  if (object.header.sequence != sequence) {
    return std::unexpected(DataLoss("log object " + std::to_string(sequence.value()) + " of collection " +
                                    std::to_string(collection.value()) + " says that it is number " +
                                    std::to_string(object.header.sequence.value())));
  }
  return object;
}

Status DecodeWalObjectRecords(const WalObject& object, const std::function<Status(const WalRecord&)>& visit) {
  const WalObjectHeader& h = object.header;
  return DecodeWalRecordRun(object.payload, h.record_count, h.first_lsn, [&](const WalRecord& record) -> Status {
    if (record.collection != h.collection || record.epoch != h.epoch) {
      return DataLoss("log object " + std::to_string(h.sequence.value()) +
                      " holds a record of another collection or epoch");
    }
    return visit(record);
  });
}

}  // namespace akidb
