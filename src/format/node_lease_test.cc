#include "format/node_lease.h"

#include <gtest/gtest.h>

#include "base/status.h"
#include "format/format_testing.h"
#include "format/json_fields.h"

namespace akidb {
namespace {

NodeLease FullLeaseV1() {
  NodeLease lease;
  lease.node = "node-a";
  lease.incarnation = "0123456789abcdef";
  lease.sequence = 42;
  lease.address = "http://127.0.0.1:8080";
  lease.interval_ms = 2000;
  lease.written_at = "2026-11-26T12:00:00.000Z";
  return lease;
}

NodeLease FullLease() {
  NodeLease lease = FullLeaseV1();
  lease.at_risk_bytes = 123'456;
  lease.at_risk_ms = 7890;
  return lease;
}

TEST(NodeLeaseTest, DecodeGivesBackWhatWasEncoded) {
  EXPECT_EQ(DecodeNodeLease(EncodeNodeLease(FullLease())).value(), FullLease());
}

TEST(NodeLeaseTest, EveryBitFlipIsSeen) {
  std::string bytes = EncodeNodeLease(FullLease());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    ASSERT_FALSE(DecodeNodeLease(bytes)) << "byte " << bit / 8;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

TEST(NodeLeaseTest, EveryPrefixIsRefused) {
  const std::string bytes = EncodeNodeLease(FullLease());
  for (size_t size = 0; size < bytes.size(); ++size) ASSERT_FALSE(DecodeNodeLease(bytes.substr(0, size)));
}

TEST(NodeLeaseTest, ValuesThatNoWriterGivesAreRefusedByName) {
  const auto refused = [](std::string_view from, std::string_view to) {
    std::string object = EncodeNodeLease(FullLease());
    object.resize(object.rfind(",\"xxh3\""));
    object.replace(object.find(from), from.size(), to);
    const auto decoded = DecodeNodeLease(SealJson(object + "}"));
    return decoded ? std::string() : std::string(decoded.error().message());
  };
  EXPECT_NE(refused("node-a", "../x").find("node"), std::string::npos);
  EXPECT_NE(refused("0123456789abcdef", "0123456789ABCDEF").find("incarnation"), std::string::npos);
  EXPECT_NE(refused("\"sequence\":42", "\"sequence\":0").find("sequence"), std::string::npos);
  EXPECT_NE(refused("http://127.0.0.1:8080", "file:///etc/passwd").find("address"), std::string::npos);
  EXPECT_NE(refused("http://127.0.0.1", "http://user@127.0.0.1").find("address"), std::string::npos);
  EXPECT_NE(refused("\"interval_ms\":2000", "\"interval_ms\":0").find("interval_ms"), std::string::npos);
  EXPECT_NE(refused("2026-11-26T", "yesterday ").find("written_at"), std::string::npos);
}

TEST(GoldenFormatTest, NodeLeaseV1) {
  EXPECT_EQ(DecodeNodeLease(ReadGolden("node_lease_v1.json")).value(), FullLeaseV1());
}

TEST(GoldenFormatTest, NodeLeaseV2) {
  ExpectGolden("node_lease_v2.json", EncodeNodeLease(FullLease()));
  EXPECT_EQ(DecodeNodeLease(ReadGolden("node_lease_v2.json")).value(), FullLease());
}

TEST(EpochClaimTest, NamesItsProcessAndOnlyThatOfAProcess) {
  const std::string process = ProcessName("a.b-1", "0123456789abcdef");
  EXPECT_EQ(ProcessOfClaim(EpochClaim(process, 7)), process);
  EXPECT_EQ(NodeOfProcess(process), "a.b-1");
  EXPECT_EQ(ProcessOfClaim("a"), "") << "the bare name of a node";
  EXPECT_EQ(ProcessOfClaim("a.0123456789abcdef"), "") << "a claim of before processes had names";
  EXPECT_EQ(ProcessOfClaim("a.0123456789012345"), "") << "likewise, all digits";
  EXPECT_EQ(ProcessOfClaim("../.0123456789abcdef.1"), "");
  EXPECT_EQ(ProcessOfClaim(std::string(300, 'a') + ".0123456789abcdef.1"), "");
  EXPECT_EQ(ProcessOfClaim(process + "."), "");
  EXPECT_EQ(ProcessOfClaim(""), "");
}

}  // namespace
}  // namespace akidb
