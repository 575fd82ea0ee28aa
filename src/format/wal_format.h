// The write-ahead log's bytes: file header, group header, records. No I/O here.
// A checksum is seeded by its file's sequence and salt and covers its own offset: a byte that was moved, kept from a
// recycled file's former life, or copied from another log never passes.
//
// Format:  docs/formats/wal.md
// Threads: pure functions.
// Errors:  decoding says which rule the bytes broke; see WalGroupStatus. Nothing is trusted before its checksum passed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"

namespace akidb {

// Numbers are persisted: never reuse one.
enum class WalRecordType : uint8_t {
  kUpsert = 1,  // body: ColumnBatch in the collection's vector type
  kDelete = 2,  // body: id list
};

struct WalRecord {
  CollectionId collection;
  Epoch epoch;
  Lsn lsn;
  WalRecordType type = WalRecordType::kUpsert;
  std::string_view body;  // borrows; 8-byte aligned when decoded from an aligned buffer
};

inline constexpr uint32_t kWalVersion = 1;
// Header and groups begin at multiples of it, so that no acknowledged byte shares a page or a disk sector with a later
// write, and a write never has to read the page it touches.
inline constexpr uint64_t kWalBlockBytes = 4096;
inline constexpr size_t kWalGroupHeaderBytes = 64;
inline constexpr size_t kWalRecordHeaderBytes = 32;
inline constexpr uint64_t kWalFileBytesMin = 64ull << 10;
inline constexpr uint64_t kWalFileBytesMax = 2ull << 30;

// The first block of a file. It is synced before the file gets its name.
struct WalFileHeader {
  uint64_t sequence = 0;       // equals the number in the file's name; the first is 1
  uint64_t salt = 0;           // random; tells two files of one sequence apart
  Lsn first_lsn{};             // every record of this file has this LSN or a greater one
  uint64_t prev_sequence = 0;  // last file before this one that holds records; 0: none
  uint64_t prev_salt = 0;
  uint64_t prev_end = 0;  // every byte of the previous file below it was synced when this header was written
};

// The head of a group: what one WriteAt and one Sync made durable together.
struct WalGroupHeader {
  uint64_t sequence = 0;       // of its file
  uint64_t offset = 0;         // of this header in the file
  uint64_t synced_offset = 0;  // every byte of the file below it was synced when this header was written
  uint32_t payload_bytes = 0;  // records, without the zeros up to the next block
  uint32_t record_count = 0;
  Lsn first_lsn{};
  uint64_t payload_checksum = 0;

  uint64_t end() const;  // where the next group begins
};

// What lies at an offset where a group could begin.
enum class WalGroupStatus : uint8_t {
  kValid,
  kNoGroup,     // no group header's magic: the usual end of a log
  kBadHeader,   // header checksum or a field of it is wrong
  kTruncated,   // the file ends inside the group
  kBadPayload,  // payload checksum is wrong
};
std::string_view WalGroupStatusName(WalGroupStatus status);

// Bytes a group with `payload_bytes` of records takes in the file.
constexpr uint64_t WalGroupBytes(uint64_t payload_bytes) {
  return (kWalGroupHeaderBytes + payload_bytes + kWalBlockBytes - 1) / kWalBlockBytes * kWalBlockBytes;
}
// Bytes a record takes in its group.
constexpr uint64_t WalRecordBytes(uint64_t body_bytes) { return kWalRecordHeaderBytes + (body_bytes + 7) / 8 * 8; }

// The seed of every group checksum of a file.
uint64_t WalGroupSeed(const WalFileHeader& header);

// One block.
std::string EncodeWalFileHeader(const WalFileHeader& header);
// kDataLoss for damage or a sequence other than `sequence`; kFailedPrecondition for a newer format version.
Result<WalFileHeader> DecodeWalFileHeader(std::string_view block, uint64_t sequence);

void AppendWalRecord(const WalRecord& record, std::string* payload);

// Turns `group` (kWalGroupHeaderBytes of room, then records) into the bytes to write: pads it to whole blocks, computes
// the payload fields of `header` and stores it in front.
void SealWalGroup(WalGroupHeader header, uint64_t seed, std::string* group);

// Checks the header that starts at bytes[0], which lies at `offset` of file `sequence`.
WalGroupStatus DecodeWalGroupHeader(std::string_view bytes, uint64_t seed, uint64_t sequence, uint64_t offset,
                                    WalGroupHeader* header);
// Checks the payload of a group whose header is valid. `group` begins with the header.
WalGroupStatus CheckWalGroupPayload(const WalGroupHeader& header, uint64_t seed, std::string_view group);
// Hands `record_count` records that fill `payload`, whose checksum passed, to `visit` in order. Errors as below.
Status DecodeWalRecordRun(std::string_view payload, uint32_t record_count, Lsn first_lsn,
                          const std::function<Status(const WalRecord&)>& visit);
// Hands the records of a valid group to `visit` in order. kDataLoss if they are not what the header says although the
// checksum passed; kFailedPrecondition for a record type of a newer version.
Status DecodeWalRecords(const WalGroupHeader& header, std::string_view group,
                        const std::function<Status(const WalRecord&)>& visit);

}  // namespace akidb
