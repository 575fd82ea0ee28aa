#include "objstore/probe/verdict.h"

#include <algorithm>

#include "base/check.h"
#include "base/json_writer.h"
#include "format/manifest_fields.h"

namespace akidb {
namespace {

constexpr std::string_view kFamily = "akidb.store_verdict";
constexpr uint32_t kFormat = 1;
constexpr size_t kShortTextBytesMax = 64;

StoreCheckOutcome ReadOutcome(const simdjson::dom::element& json, const std::string& path, Status* status) {
  JsonFields fields(json, path, status);
  StoreCheckOutcome outcome;
  outcome.name = fields.String("name", kShortTextBytesMax);
  const std::string result = fields.String("result", kShortTextBytesMax);
  for (const CheckResult known : {CheckResult::kOk, CheckResult::kFailed, CheckResult::kNotApplicable}) {
    if (result == CheckResultName(known)) outcome.result = known;
  }
  outcome.detail = fields.String("detail", kCheckDetailBytesMax);
  outcome.took_us = fields.Uint("took_us");
  fields.End();
  return outcome;
}

StoreVerdict ReadVerdict(JsonFields& fields, uint32_t /*format*/, Status* status) {
  StoreVerdict verdict;
  verdict.store = fields.String("store", kShortTextBytesMax);
  verdict.probed_at = fields.String("probed_at", kShortTextBytesMax);
  // For people; what counts follows from the checks, and spelling it otherwise is not canonical.
  fields.Bool("one_node");
  fields.Bool("several_nodes");
  fields.Bool("lock");
  fields.Array("checks", kStoreChecks.size(), [&](const simdjson::dom::element& json, const std::string& path) {
    verdict.checks.push_back(ReadOutcome(json, path, status));
  });
  return verdict;
}

// Of any verdict that was read, sound or not.
std::string WriteVerdict(const StoreVerdict& verdict, uint32_t format) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("format").Value(std::string(kFamily) + "/" + std::to_string(format));
  w.Key("store").Value(verdict.store);
  w.Key("probed_at").Value(verdict.probed_at);
  w.Key("one_node").Value(verdict.one_node());
  w.Key("several_nodes").Value(verdict.several_nodes());
  w.Key("lock").Value(verdict.lock());
  w.Key("checks").BeginArray();
  for (const StoreCheckOutcome& check : verdict.checks) {
    w.BeginObject();
    w.Key("name").Value(check.name);
    w.Key("result").Value(CheckResultName(check.result));
    w.Key("detail").Value(check.detail);
    w.Key("took_us").Value(check.took_us);
    w.EndObject();
  }
  w.EndArray().EndObject();
  return SealJson(std::move(out));
}

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7E; });
}

Status Unfit(const StoreVerdict& verdict, StoreNeed need, std::string_view what) {
  const std::string failed = verdict.Failed(need);
  return FailedPrecondition("store " + verdict.store + " is not fit for " + std::string(what) +
                            (failed.empty() ? std::string() : "; failed checks: " + failed))
      .WithReason("store_unfit");
}

}  // namespace

std::string_view CheckResultName(CheckResult result) {
  switch (result) {
    case CheckResult::kOk: return "ok";
    case CheckResult::kFailed: return "failed";
    case CheckResult::kNotApplicable: return "not_applicable";
  }
  return "unknown";
}

std::string StoreVerdict::Failed(StoreNeed need) const {
  std::string out;
  for (size_t i = 0; i < checks.size(); ++i) {
    if (checks[i].result != CheckResult::kFailed || kStoreChecks[i].need > need) continue;
    if (!out.empty()) out += ", ";
    out += checks[i].name;
  }
  return out;
}

bool StoreVerdict::one_node() const { return Failed(StoreNeed::kOneNode).empty(); }
bool StoreVerdict::several_nodes() const { return Failed(StoreNeed::kSeveralNodes).empty(); }

bool StoreVerdict::lock() const {
  const auto is_ok = [&](std::string_view name) {
    return std::ranges::any_of(
        checks, [&](const auto& check) { return check.name == name && check.result == CheckResult::kOk; });
  };
  return one_node() && is_ok("object_lock") && is_ok("versioned_read");
}

Status StoreVerdict::Validate() const {
  AKI_RETURN_IF_ERROR(Require(!store.empty() && IsPrintable(store), "store", "is not a word"));
  AKI_RETURN_IF_ERROR(Require(!probed_at.empty() && IsPrintable(probed_at), "probed_at", "is not a time"));
  AKI_RETURN_IF_ERROR(Require(checks.size() == kStoreChecks.size(), "checks", "are not all checks"));
  for (size_t i = 0; i < checks.size(); ++i) {
    AKI_RETURN_IF_ERROR(Require(checks[i].name == kStoreChecks[i].name, "checks", "are others, or in another order"));
    AKI_RETURN_IF_ERROR(Require(checks[i].detail.size() <= kCheckDetailBytesMax && IsPrintable(checks[i].detail),
                                "checks.detail", "is too long or not printable"));
  }
  return OkStatus();
}

Status RequireForOneNode(const StoreVerdict& verdict) {
  return verdict.one_node() ? OkStatus() : Unfit(verdict, StoreNeed::kOneNode, "AkiDB");
}

Status RequireForSeveralNodes(const StoreVerdict& verdict) {
  return verdict.several_nodes() ? OkStatus() : Unfit(verdict, StoreNeed::kSeveralNodes, "several nodes");
}

Status RequireForLock(const StoreVerdict& verdict) {
  return verdict.lock() ? OkStatus() : Unfit(verdict, StoreNeed::kLock, "object lock");
}

std::string EncodeStoreVerdict(const StoreVerdict& verdict) {
  AKI_CHECK(verdict.Validate().ok());
  return WriteVerdict(verdict, kFormat);
}

Result<StoreVerdict> DecodeStoreVerdict(std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(auto decoded, DecodeCanonical<StoreVerdict>("verdict", kFamily, kFormat, bytes, kVerdictBytesMax,
                                                                   ReadVerdict, WriteVerdict));
  AKI_RETURN_IF_ERROR(decoded.value.Validate());
  return std::move(decoded.value);
}

}  // namespace akidb
