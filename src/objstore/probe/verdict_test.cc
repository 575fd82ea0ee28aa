#include "objstore/probe/verdict.h"

#include <gmock/gmock.h>

#include <fstream>

#include "format/json_fields.h"

namespace akidb {
namespace {

using testing::HasSubstr;

StoreVerdict Verdict() {
  StoreVerdict verdict{.store = "s3", .probed_at = "2026-11-26T10:00:00.000Z", .checks = {}};
  for (const StoreCheckName& check : kStoreChecks) {
    verdict.checks.push_back({std::string(check.name), CheckResult::kOk, "as it should be", 1234});
  }
  verdict.checks[6] = {"create_race", CheckResult::kFailed, "2 of 8 racers created the same key", 5};
  verdict.checks[12] = {"object_lock", CheckResult::kNotApplicable, "the bucket has no object lock", 0};
  return verdict;
}

TEST(VerdictTest, ReadsBackAsWritten) {
  EXPECT_EQ(DecodeStoreVerdict(EncodeStoreVerdict(Verdict())).value(), Verdict());
}

TEST(VerdictTest, EveryBitFlipIsSeen) {
  std::string bytes = EncodeStoreVerdict(Verdict());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    ASSERT_FALSE(DecodeStoreVerdict(bytes)) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

TEST(VerdictTest, WhatItAllowsFollowsFromTheChecksOnly) {
  std::string bytes = EncodeStoreVerdict(Verdict());
  const std::string honest = "\"several_nodes\":false";
  bytes.replace(bytes.find(honest), honest.size(), "\"several_nodes\":true");
  bytes.resize(bytes.rfind(",\"xxh3\""));
  EXPECT_THAT(DecodeStoreVerdict(SealJson(bytes + "}")).error().message(), HasSubstr("not canonical"));
}

TEST(VerdictTest, VerdictOfOtherChecksIsNone) {
  StoreVerdict fewer = Verdict();
  fewer.checks.pop_back();
  EXPECT_FALSE(fewer.Validate().ok());
  StoreVerdict other = Verdict();
  std::swap(other.checks[0], other.checks[1]);
  EXPECT_FALSE(other.Validate().ok());
}

TEST(VerdictTest, LockNeedsVersionedReads) {
  StoreVerdict verdict = Verdict();
  verdict.checks[12].result = CheckResult::kOk;
  EXPECT_TRUE(verdict.lock());
  verdict.checks[10].result = CheckResult::kNotApplicable;
  EXPECT_FALSE(verdict.lock());
}

TEST(VerdictTest, FailedChecksAreNamedByNeed) {
  StoreVerdict verdict = Verdict();
  verdict.checks[12].result = CheckResult::kFailed;
  EXPECT_EQ(verdict.Failed(StoreNeed::kOneNode), "");
  EXPECT_EQ(verdict.Failed(StoreNeed::kSeveralNodes), "create_race");
  EXPECT_EQ(verdict.Failed(StoreNeed::kLock), "create_race, object_lock");
}

TEST(GoldenVerdictTest, VerdictV1) {
  const std::string path = std::string(AKIDB_SOURCE_DIR) + "/tests/compat/probe/verdict_v1.json";
  std::ifstream file(path, std::ios::binary);
  const std::string golden{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (golden != EncodeStoreVerdict(Verdict())) {
    std::ofstream(testing::TempDir() + "verdict_v1.json", std::ios::binary) << EncodeStoreVerdict(Verdict());
    FAIL() << "bytes differ from " << path << "; they are in " << testing::TempDir();
  }
  EXPECT_EQ(DecodeStoreVerdict(golden).value(), Verdict());
}

}  // namespace
}  // namespace akidb
