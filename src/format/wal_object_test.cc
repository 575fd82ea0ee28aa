#include "format/wal_object.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/coding.h"
#include "format/format_testing.h"

namespace akidb {
namespace {

constexpr CollectionId kCollection(12);
constexpr Epoch kEpoch(4);

std::string Payload() {
  std::string payload;
  AppendWalRecord({kCollection, kEpoch, Lsn(41), WalRecordType::kUpsert, "hello"}, &payload);
  AppendWalRecord({kCollection, kEpoch, Lsn(44), WalRecordType::kDelete, ""}, &payload);
  return payload;
}

WalObjectHeader ObjectHeader() {
  return {WalObjectKind::kRecords, kCollection, kEpoch, WalSequence(7), WalSequence(6), 0x0123456789abcdef, Lsn(41), 2};
}

WalObjectHeader Fence() {
  return {WalObjectKind::kFence, kCollection, kEpoch, WalSequence(8), WalSequence(7), 0xfedcba9876543210, Lsn(0), 0};
}

Result<WalObject> Decode(std::string_view bytes, uint64_t sequence = 7) {
  return DecodeWalObject(bytes, kCollection, kEpoch, WalSequence(sequence));
}

TEST(WalObjectTest, ReadsBackWhatWasWritten) {
  const std::string bytes = EncodeWalObject(ObjectHeader(), Payload());
  const auto object = Decode(bytes);
  ASSERT_TRUE(object) << object.error().ToString();
  EXPECT_EQ(object->header.durable_sequence, WalSequence(6));
  EXPECT_EQ(object->header.attempt, 0x0123456789abcdefu);
  std::vector<std::pair<uint64_t, std::string>> records;
  const Status status = DecodeWalObjectRecords(*object, [&](const WalRecord& record) {
    records.emplace_back(record.lsn.value(), record.body);
    return OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(records, (std::vector<std::pair<uint64_t, std::string>>{{41, "hello"}, {44, ""}}));
}

TEST(WalObjectTest, FenceHasNoRecords) {
  const auto fence = Decode(EncodeWalObject(Fence(), ""), 8);
  ASSERT_TRUE(fence) << fence.error().ToString();
  EXPECT_EQ(fence->header.kind, WalObjectKind::kFence);
  EXPECT_TRUE(fence->payload.empty());
}

TEST(WalObjectTest, EverySingleBitFlipIsSeen) {
  for (const std::string& whole : {EncodeWalObject(ObjectHeader(), Payload()), EncodeWalObject(Fence(), "")}) {
    const uint64_t sequence = GetLe<uint64_t>(whole.data() + 24);
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      EXPECT_FALSE(Decode(flipped, sequence)) << "bit " << bit;
    }
  }
}

TEST(WalObjectTest, EveryTruncationIsSeen) {
  const std::string whole = EncodeWalObject(ObjectHeader(), Payload());
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(Decode(whole.substr(0, size))) << size;
  EXPECT_FALSE(Decode(whole + '\0'));
}

TEST(WalObjectTest, RefusesTheObjectOfAnotherName) {
  const std::string bytes = EncodeWalObject(ObjectHeader(), Payload());
  EXPECT_FALSE(Decode(bytes, 8));
  EXPECT_FALSE(DecodeWalObject(bytes, CollectionId(13), kEpoch, WalSequence(7)));
  EXPECT_FALSE(DecodeWalObject(bytes, kCollection, Epoch(5), WalSequence(7)));
}

TEST(WalObjectTest, RefusesRecordsOfAnotherEpoch) {
  std::string payload;
  AppendWalRecord({kCollection, Epoch(3), Lsn(41), WalRecordType::kUpsert, "hello"}, &payload);
  WalObjectHeader header = ObjectHeader();
  header.record_count = 1;
  const std::string bytes = EncodeWalObject(header, payload);
  const auto object = Decode(bytes);
  ASSERT_TRUE(object) << object.error().ToString();
  EXPECT_EQ(DecodeWalObjectRecords(*object, [](const WalRecord&) { return OkStatus(); }).code(), StatusCode::kDataLoss);
}

TEST(WalObjectTest, NewerVersionIsNamed) {
  std::string bytes = EncodeWalObject(Fence(), "");
  bytes[4] = 2;
  EXPECT_EQ(Decode(bytes, 8).error().code(), StatusCode::kUnimplemented);
}

TEST(GoldenFormatTest, WalObjectV1) {
  ExpectGolden("wal_object_v1.wal", EncodeWalObject(ObjectHeader(), Payload()));
  const std::string bytes = ReadGolden("wal_object_v1.wal");
  EXPECT_EQ(Decode(bytes).value().header.record_count, 2u);
}

TEST(GoldenFormatTest, WalFenceV1) {
  ExpectGolden("wal_fence_v1.wal", EncodeWalObject(Fence(), ""));
  EXPECT_TRUE(Decode(ReadGolden("wal_fence_v1.wal"), 8));
}

}  // namespace
}  // namespace akidb
