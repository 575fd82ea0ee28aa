// A group of log records as an object in the bucket, or the fence that ends the stream of an epoch.
// Each stream belongs to one collection and one epoch; its objects are numbered from 1 without gaps.
//
// Format:  docs/formats/wal_object.md
// Threads: pure functions.
// Errors:  decoding: kDataLoss naming what is wrong; kUnimplemented for a version of a newer writer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"
#include "format/wal_format.h"

namespace akidb {

// Numbers are persisted: never reuse one.
enum class WalObjectKind : uint8_t {
  kRecords = 1,  // the first object of an epoch has none: it proves that nobody fenced the epoch before it began
  kFence = 2,    // the epoch ends before it; no records
};

struct WalObjectHeader {
  WalObjectKind kind = WalObjectKind::kRecords;
  CollectionId collection;
  Epoch epoch;  // whose stream this is, not who wrote it
  WalSequence sequence;
  WalSequence durable_sequence;  // all objects up to it were known to be in the bucket when this one was sent
  uint64_t attempt = 0;          // random: two senders never send equal bytes
  Lsn first_lsn;                 // of the first record; 0 without records
  uint32_t record_count = 0;
};

struct WalObject {
  WalObjectHeader header;
  std::string_view payload;  // records, borrowed
};

inline constexpr size_t kWalObjectHeaderBytes = 80;
// A request's records always fit in one object.
inline constexpr uint64_t kWalObjectBytesMax = 256ull << 20;

// `payload`: header.record_count records of AppendWalRecord.
std::string EncodeWalObject(const WalObjectHeader& header, std::string_view payload);
// Checks everything but the records themselves, and that the object belongs to this stream.
Result<WalObject> DecodeWalObject(std::string_view bytes, CollectionId collection, Epoch epoch);
// And that it is the one that its name says.
Result<WalObject> DecodeWalObject(std::string_view bytes, CollectionId collection, Epoch epoch, WalSequence sequence);
// Hands the records to `visit` in order. kDataLoss for a record of another collection or epoch.
Status DecodeWalObjectRecords(const WalObject& object, const std::function<Status(const WalRecord&)>& visit);

}  // namespace akidb
