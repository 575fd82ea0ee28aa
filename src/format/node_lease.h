// The lease of a node: where it can be reached, and that it was alive a moment ago. And the names by which manifests
// and leases know the process behind a node.
//
// Format:  docs/formats/node_lease.md
// Threads: values and pure functions.
// Errors:  decoding: kDataLoss naming the field; kUnimplemented for a format version of a newer writer. Encoding a
//          struct that does not Validate() is a bug.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace akidb {

inline constexpr size_t kIncarnationDigits = 16;
// So long that a process's name still is a name.
inline constexpr size_t kNodeNameBytesMax = 200;
inline constexpr uint64_t kNodeLeaseBytesMax = 4u << 10;

struct NodeLease {
  std::string node;          // the name that its configuration gives it
  std::string incarnation;   // hexadecimal digits drawn at the start of the process
  uint64_t sequence = 0;     // the number in the key; grows with every heartbeat
  std::string address;       // "http://HOST:PORT" or "https://HOST:PORT", for forwarded requests
  uint64_t interval_ms = 0;  // until the next heartbeat
  std::string written_at;    // RFC 3339, for people: nothing compares it with a clock
  // What only this node's disk had then (ack=local): bytes, and the age of the oldest. 0 in documents that did not say.
  uint64_t at_risk_bytes = 0;
  uint64_t at_risk_ms = 0;

  // What must hold of every encoded one; kDataLoss naming the field.
  Status Validate() const;
  bool operator==(const NodeLease&) const = default;
};

std::string EncodeNodeLease(const NodeLease& lease);
Result<NodeLease> DecodeNodeLease(std::string_view bytes);

// "<node>.<incarnation>": one process. Two of the same node name differ in it.
std::string ProcessName(std::string_view node, std::string_view incarnation);
// "<process>.<number>": one acquisition of an epoch by that process.
std::string EpochClaim(std::string_view process, uint64_t number);
// The process that made a claim; empty for the bare name of a node, which no process stands behind.
std::string_view ProcessOfClaim(std::string_view claim);
// The node's name in a process's.
std::string_view NodeOfProcess(std::string_view process);

}  // namespace akidb
