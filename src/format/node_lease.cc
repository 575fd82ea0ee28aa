#include "format/node_lease.h"

#include <algorithm>

#include "base/check.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "format/collection_spec.h"
#include "format/manifest_fields.h"

namespace akidb {
namespace {

constexpr std::string_view kLeaseFamily = "akidb.node_lease";
constexpr uint32_t kLeaseFormat = 2;
constexpr size_t kAddressBytesMax = 512;
constexpr uint64_t kIntervalMsMax = 3'600'000;

bool IsIncarnation(std::string_view text) {
  return text.size() == kIncarnationDigits &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// A heartbeat's reader opens connections to it, so nothing but a scheme, a host and a port gets through.
bool IsAddress(std::string_view text) {
  const bool known = text.starts_with("http://") || text.starts_with("https://");
  return known && text.size() <= kAddressBytesMax &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '\\' && c != '@'; });
}

NodeLease ReadLease(JsonFields& fields, uint32_t format, Status* /*status*/) {
  NodeLease lease;
  lease.node = fields.String("node", kNodeNameBytesMax);
  lease.incarnation = fields.String("incarnation", kIncarnationDigits);
  lease.sequence = fields.Uint("sequence");
  lease.address = fields.String("address", kAddressBytesMax);
  lease.interval_ms = fields.Uint("interval_ms");
  lease.written_at = fields.String("written_at", 64);
  if (format >= 2) {
    lease.at_risk_bytes = fields.Uint("at_risk_bytes");
    lease.at_risk_ms = fields.Uint("at_risk_ms");
  }
  return lease;
}

std::string WriteLease(const NodeLease& lease, uint32_t format) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("format").Value(std::string(kLeaseFamily) + "/" + std::to_string(format));
  w.Key("node").Value(lease.node);
  w.Key("incarnation").Value(lease.incarnation);
  w.Key("sequence").Value(lease.sequence);
  w.Key("address").Value(lease.address);
  w.Key("interval_ms").Value(lease.interval_ms);
  w.Key("written_at").Value(lease.written_at);
  if (format >= 2) {
    w.Key("at_risk_bytes").Value(lease.at_risk_bytes);
    w.Key("at_risk_ms").Value(lease.at_risk_ms);
  }
  w.EndObject();
  return SealJson(std::move(out));
}

}  // namespace

Status NodeLease::Validate() const {
  const bool named = ValidateName("node", node).ok() && node.size() <= kNodeNameBytesMax;
  AKI_RETURN_IF_ERROR(Require(named, "node", "is not a name"));
  AKI_RETURN_IF_ERROR(Require(IsIncarnation(incarnation), "incarnation", "is not 16 hexadecimal digits"));
  AKI_RETURN_IF_ERROR(Require(sequence > 0, "sequence", "is 0"));
  AKI_RETURN_IF_ERROR(Require(IsAddress(address), "address", "is not http://HOST:PORT"));
  AKI_RETURN_IF_ERROR(
      Require(interval_ms > 0 && interval_ms <= kIntervalMsMax, "interval_ms", "is not between 1 and an hour"));
  return Require(ParseRfc3339(written_at).has_value(), "written_at", "is not a time");
}

std::string EncodeNodeLease(const NodeLease& lease) {
  AKI_CHECK(lease.Validate().ok());
  return WriteLease(lease, kLeaseFormat);
}

Result<NodeLease> DecodeNodeLease(std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(auto decoded, DecodeCanonical<NodeLease>("node lease", kLeaseFamily, kLeaseFormat, bytes,
                                                                kNodeLeaseBytesMax, ReadLease, WriteLease));
  AKI_RETURN_IF_ERROR(decoded.value.Validate());
  return std::move(decoded.value);
}

std::string ProcessName(std::string_view node, std::string_view incarnation) {
  return std::string(node) + "." + std::string(incarnation);
}

std::string EpochClaim(std::string_view process, uint64_t number) {
  return std::string(process) + "." + std::to_string(number);
}

std::string_view ProcessOfClaim(std::string_view claim) {
  const size_t dot = claim.rfind('.');
  if (dot == std::string_view::npos || dot + 1 == claim.size() ||
      claim.find_first_not_of("0123456789", dot + 1) != std::string_view::npos) {
    return {};
  }
  const std::string_view process = claim.substr(0, dot);
  const bool named = process.size() > kIncarnationDigits + 1 && process.size() <= kNodeNameBytesMax + 17 &&
                     process[process.size() - kIncarnationDigits - 1] == '.' &&
                     IsIncarnation(process.substr(process.size() - kIncarnationDigits)) &&
                     ValidateName("node", process).ok();
  // A claim is exactly one number more than a process; "n.<16 digits>" alone is a claim of before processes had names.
  return named ? process : std::string_view();
}

std::string_view NodeOfProcess(std::string_view process) {
  return process.substr(0, process.size() - std::min(process.size(), kIncarnationDigits + 1));
}

}  // namespace akidb
