// Feeds the decoder of log objects: the bytes as they are, and as the records of an object whose checksums are right.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/coding.h"
#include "format/wal_object.h"

namespace {

using namespace akidb;

// Visits every byte, so that a view outside the input shows.
Status Touch(const WalRecord& record) {
  uint8_t sum = 0;
  for (const char c : record.body) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(c));
  volatile uint8_t sink = sum;
  (void)sink;
  if (record.collection != CollectionId(1) || record.epoch != Epoch(1)) std::abort();
  return OkStatus();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto object = DecodeWalObject(input, CollectionId(1), Epoch(1), WalSequence(1))) {
    (void)DecodeWalObjectRecords(*object, Touch);
  }
  ByteReader in(input);
  WalObjectHeader header{WalObjectKind::kRecords, CollectionId(1),   Epoch(1), WalSequence(1), WalSequence(0), 5,
                         Lsn(in.Read<uint8_t>()), in.Read<uint8_t>()};
  const std::string_view payload = in.Bytes(in.remaining());
  if (!in.ok() || payload.empty() || header.record_count == 0 || header.first_lsn == Lsn(0)) return 0;
  const std::string bytes = EncodeWalObject(header, payload);
  const auto object = DecodeWalObject(bytes, CollectionId(1), Epoch(1), WalSequence(1));
  if (!object) std::abort();
  (void)DecodeWalObjectRecords(*object, Touch);
  return 0;
}
