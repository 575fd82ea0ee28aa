#include "format/wal_format.h"

#include <gtest/gtest.h>

#include <vector>

namespace akidb {
namespace {

constexpr uint64_t kSeed = 99;

WalGroupHeader Header() {
  return {.sequence = 5,
          .offset = 8192,
          .synced_offset = 8192,
          .payload_bytes = 0,
          .record_count = 2,
          .first_lsn = Lsn(41),
          .payload_checksum = 0};
}

WalRecord Record(uint64_t lsn, std::string_view body, WalRecordType type = WalRecordType::kUpsert) {
  return {.collection = CollectionId(3), .epoch = Epoch(2), .lsn = Lsn(lsn), .type = type, .body = body};
}

std::string Group(const std::vector<WalRecord>& records, WalGroupHeader header = Header()) {
  std::string group(kWalGroupHeaderBytes, '\0');
  for (const WalRecord& record : records) AppendWalRecord(record, &group);
  SealWalGroup(header, kSeed, &group);
  return group;
}

std::string TwoRecords() { return Group({Record(41, "hello"), Record(44, "", WalRecordType::kDelete)}); }

WalGroupStatus Check(std::string_view bytes, uint64_t seed = kSeed, uint64_t sequence = 5, uint64_t offset = 8192) {
  WalGroupHeader header;
  const WalGroupStatus status = DecodeWalGroupHeader(bytes, seed, sequence, offset, &header);
  return status == WalGroupStatus::kValid ? CheckWalGroupPayload(header, seed, bytes) : status;
}

Status Records(std::string_view group, std::vector<WalRecord>* out) {
  WalGroupHeader header;
  EXPECT_EQ(DecodeWalGroupHeader(group, kSeed, 5, 8192, &header), WalGroupStatus::kValid);
  return DecodeWalRecords(header, group, [out](const WalRecord& record) {
    out->push_back(record);
    return OkStatus();
  });
}

WalFileHeader FileHeader() {
  return {.sequence = 9, .salt = 77, .first_lsn = Lsn(12), .prev_sequence = 7, .prev_salt = 55, .prev_end = 12288};
}

TEST(WalFileHeaderTest, ReadsBackWhatWasWritten) {
  const std::string block = EncodeWalFileHeader(FileHeader());
  EXPECT_EQ(block.size(), kWalBlockBytes);
  const Result<WalFileHeader> read = DecodeWalFileHeader(block, 9);
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(read->sequence, 9u);
  EXPECT_EQ(read->salt, 77u);
  EXPECT_EQ(read->first_lsn, Lsn(12));
  EXPECT_EQ(read->prev_sequence, 7u);
  EXPECT_EQ(read->prev_salt, 55u);
  EXPECT_EQ(read->prev_end, 12288u);
}

TEST(WalFileHeaderTest, RefusesEveryFlippedBit) {
  const std::string block = EncodeWalFileHeader(FileHeader());
  for (size_t bit = 0; bit < block.size() * 8; ++bit) {
    std::string bad = block;
    bad[bit / 8] ^= static_cast<char>(1 << bit % 8);
    ASSERT_FALSE(DecodeWalFileHeader(bad, 9)) << "bit " << bit;
  }
}

TEST(WalFileHeaderTest, RefusesEveryTruncation) {
  const std::string block = EncodeWalFileHeader(FileHeader());
  for (size_t size = 0; size < block.size(); ++size) {
    ASSERT_FALSE(DecodeWalFileHeader(std::string_view(block).substr(0, size), 9)) << size;
  }
}

TEST(WalFileHeaderTest, RefusesAnotherFilesHeader) {
  const Result<WalFileHeader> read = DecodeWalFileHeader(EncodeWalFileHeader(FileHeader()), 10);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), StatusCode::kDataLoss);
  EXPECT_EQ(read.error().message(), "file header says sequence 9, the name says 10");
}

TEST(WalGroupTest, ReadsBackRecordsWithGapsBetweenLsns) {
  const std::string group = TwoRecords();
  EXPECT_EQ(group.size(), kWalBlockBytes);
  EXPECT_EQ(Check(group), WalGroupStatus::kValid);
  std::vector<WalRecord> records;
  ASSERT_TRUE(Records(group, &records).ok());
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].collection, CollectionId(3));
  EXPECT_EQ(records[0].epoch, Epoch(2));
  EXPECT_EQ(records[0].lsn, Lsn(41));
  EXPECT_EQ(records[0].body, "hello");
  EXPECT_EQ(records[1].lsn, Lsn(44));
  EXPECT_EQ(records[1].type, WalRecordType::kDelete);
}

TEST(WalGroupTest, SeesEveryFlippedBitPaddingIncluded) {
  const std::string group = TwoRecords();
  for (size_t bit = 0; bit < group.size() * 8; ++bit) {
    std::string bad = group;
    bad[bit / 8] ^= static_cast<char>(1 << bit % 8);
    ASSERT_NE(Check(bad), WalGroupStatus::kValid) << "bit " << bit;
  }
}

TEST(WalGroupTest, SeesEveryTruncation) {
  const std::string group = TwoRecords();
  for (size_t size = 0; size < group.size(); ++size) {
    ASSERT_NE(Check(std::string_view(group).substr(0, size)), WalGroupStatus::kValid) << size;
  }
}

TEST(WalGroupTest, IsValidOnlyAtItsOwnPlace) {
  const std::string group = TwoRecords();
  EXPECT_EQ(Check(group, kSeed + 1), WalGroupStatus::kBadHeader);
  EXPECT_EQ(Check(group, kSeed, 6), WalGroupStatus::kBadHeader);
  EXPECT_EQ(Check(group, kSeed, 5, 12288), WalGroupStatus::kBadHeader);
}

TEST(WalGroupTest, TheSeedDependsOnSequenceAndSalt) {
  const uint64_t seed = WalGroupSeed({.sequence = 1, .salt = 1});
  EXPECT_NE(seed, WalGroupSeed({.sequence = 2, .salt = 1}));
  EXPECT_NE(seed, WalGroupSeed({.sequence = 1, .salt = 2}));
}

TEST(WalGroupTest, RefusesAClaimBehindItself) {
  std::string group = TwoRecords();
  WalGroupHeader header = Header();
  header.synced_offset = 12288;
  EXPECT_DEATH(SealWalGroup(header, kSeed, &group), "IsValid");
}

TEST(WalGroupTest, RefusesRecordsThatAreNotWhatTheHeaderSays) {
  std::vector<WalRecord> records;
  WalGroupHeader one = Header();
  one.record_count = 1;
  EXPECT_EQ(Records(Group({Record(41, "a"), Record(42, "b")}, one), &records).message(),
            "group holds more bytes than its records");
  WalGroupHeader first = Header();
  first.first_lsn = Lsn(40);
  EXPECT_EQ(Records(Group({Record(41, "a"), Record(42, "b")}, first), &records).code(), StatusCode::kDataLoss);
  EXPECT_EQ(Records(Group({Record(41, "a"), Record(41, "b")}), &records).message(),
            "record 1 of the group: LSN 41 breaks the order");
  EXPECT_EQ(Records(Group({Record(41, std::string(40, 'x'))}), &records).message(),
            "record 1 of the group: runs past the group's end");
}

TEST(WalGroupTest, NamesARecordTypeOfANewerVersion) {
  std::string group(kWalGroupHeaderBytes, '\0');
  AppendWalRecord(Record(41, "hello"), &group);
  group[kWalGroupHeaderBytes + 4] = 9;
  WalGroupHeader header = Header();
  header.record_count = 1;
  SealWalGroup(header, kSeed, &group);
  std::vector<WalRecord> records;
  const Status status = Records(group, &records);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "record 0 of the group: type 9 with flags 0 is not known to this program");
  EXPECT_TRUE(records.empty());
}

TEST(WalGroupTest, StopsAtTheVisitorsError) {
  WalGroupHeader header;
  const std::string group = TwoRecords();
  ASSERT_EQ(DecodeWalGroupHeader(group, kSeed, 5, 8192, &header), WalGroupStatus::kValid);
  EXPECT_EQ(DecodeWalRecords(header, group, [](const WalRecord&) { return Aborted("enough"); }).message(), "enough");
}

}  // namespace
}  // namespace akidb
