// What a store was seen to do, check by check, and what AkiDB therefore allows on it. Kept in the store itself, so that
// a start need not try everything again.
//
// Format:  docs/formats/store_verdict.md
// Threads: values and pure functions.
// Errors:  Require...: kFailedPrecondition (reason "store_unfit") naming the checks that failed. Decoding: kDataLoss,
// or
//          kUnimplemented for the version of a newer writer.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace akidb {

// What a check is needed for. Several nodes need all that one node needs, and more.
enum class StoreNeed : uint8_t { kOneNode, kSeveralNodes, kLock };

struct StoreCheckName {
  std::string_view name;
  StoreNeed need;
};

// Every check, in the order of the probe. A verdict has exactly these.
inline constexpr std::array<StoreCheckName, 13> kStoreChecks = {{
    {"read_after_write", StoreNeed::kOneNode},
    {"range_reads", StoreNeed::kOneNode},
    {"ordered_listing", StoreNeed::kOneNode},
    {"streamed_upload", StoreNeed::kOneNode},
    {"create_after_delete", StoreNeed::kOneNode},
    {"create_if_absent", StoreNeed::kSeveralNodes},
    {"create_race", StoreNeed::kSeveralNodes},
    {"streamed_create_if_absent", StoreNeed::kSeveralNodes},
    {"replace_if_unchanged", StoreNeed::kSeveralNodes},
    {"replace_of_missing", StoreNeed::kSeveralNodes},
    {"versioned_read", StoreNeed::kSeveralNodes},
    {"checksum", StoreNeed::kSeveralNodes},
    {"object_lock", StoreNeed::kLock},
}};

// Not applicable: the store does not claim to have it.
enum class CheckResult : uint8_t { kOk, kFailed, kNotApplicable };
// "ok", "failed", "not_applicable"
std::string_view CheckResultName(CheckResult result);

struct StoreCheckOutcome {
  std::string name;
  CheckResult result = CheckResult::kOk;
  std::string detail;  // printable ASCII
  uint64_t took_us = 0;

  bool operator==(const StoreCheckOutcome&) const = default;
};

struct StoreVerdict {
  std::string store;      // ObjectStore::kind()
  std::string probed_at;  // RFC 3339
  std::vector<StoreCheckOutcome> checks;

  bool one_node() const;
  bool several_nodes() const;
  // Several nodes are not needed for it; locked versions that can be read are.
  bool lock() const;
  // "create_race, object_lock"; of the checks needed for `need` or less.
  std::string Failed(StoreNeed need) const;

  Status Validate() const;
  bool operator==(const StoreVerdict&) const = default;
};

Status RequireForOneNode(const StoreVerdict& verdict);
Status RequireForSeveralNodes(const StoreVerdict& verdict);
Status RequireForLock(const StoreVerdict& verdict);

inline constexpr uint64_t kVerdictBytesMax = 64u << 10;
inline constexpr size_t kCheckDetailBytesMax = 1024;
std::string EncodeStoreVerdict(const StoreVerdict& verdict);
Result<StoreVerdict> DecodeStoreVerdict(std::string_view bytes);

}  // namespace akidb
