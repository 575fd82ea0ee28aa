// Feeds the log's decoders: the bytes as they are, and as the records of a group whose checksums are right.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/coding.h"
#include "format/wal_format.h"

namespace {

// Visits every byte, so that a view outside the input shows.
akidb::Status Touch(const akidb::WalRecord& record) {
  uint8_t sum = 0;
  for (const char c : record.body) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(c));
  volatile uint8_t sink = sum;
  (void)sink;
  if (record.lsn == akidb::Lsn(0)) std::abort();
  return akidb::OkStatus();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace akidb;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)DecodeWalFileHeader(input, 1);
  WalGroupHeader header;
  (void)DecodeWalGroupHeader(input, 1, 1, kWalBlockBytes, &header);

  ByteReader in(input);
  const auto record_count = in.Read<uint8_t>();
  const auto first_lsn = in.Read<uint8_t>();
  const std::string_view payload = in.Bytes(in.remaining() / 8 * 8);
  if (!in.ok() || record_count == 0 || first_lsn == 0 || payload.size() < record_count * kWalRecordHeaderBytes)
    return 0;
  std::string group(kWalGroupHeaderBytes, '\0');
  group += payload;
  SealWalGroup({.sequence = 1,
                .offset = kWalBlockBytes,
                .synced_offset = kWalBlockBytes,
                .payload_bytes = 0,
                .record_count = record_count,
                .first_lsn = Lsn(first_lsn),
                .payload_checksum = 0},
               1, &group);
  if (DecodeWalGroupHeader(group, 1, 1, kWalBlockBytes, &header) != WalGroupStatus::kValid) std::abort();
  if (CheckWalGroupPayload(header, 1, group) != WalGroupStatus::kValid) std::abort();
  (void)DecodeWalRecords(header, group, Touch);
  return 0;
}
