// `akidb store check`: probes a store and says what AkiDB will allow on it.

#include <optional>

#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/table.h"
#include "objstore/probe/store_probe.h"
#include "objstore/s3/s3_admin.h"
#include "objstore/s3/s3_probe.h"
#include "server/bucket_demands.h"
#include "server/config.h"
#include "server/store_url.h"

namespace akidb {
namespace {

struct BucketReport {
  std::string name;
  bool created = false;
  std::string versioning;  // "enabled", "suspended", "off"
  s3::ObjectLockXml lock;
};

struct StoreReport {
  std::optional<BucketReport> bucket;
  bool shared = false;
  StoreVerdict verdict;
};

std::string Shown(CheckResult result) {
  switch (result) {
    case CheckResult::kOk: return "ok";
    case CheckResult::kFailed: return "FAILED";
    case CheckResult::kNotApplicable: return "n/a";
  }
  return "?";
}

std::string_view VersioningName(s3::Versioning versioning) {
  switch (versioning) {
    case s3::Versioning::kEnabled: return "enabled";
    case s3::Versioning::kSuspended: return "suspended";
    case s3::Versioning::kNever: break;
  }
  return "off";
}

std::string LockText(const s3::ObjectLockXml& lock) {
  if (!lock.enabled) return "off (to be had only when a bucket is created)";
  if (lock.default_mode == s3::LockMode::kNone) return "on, no default retention";
  return "on, default retention " + std::string(s3::LockModeName(lock.default_mode)) + " for " +
         std::to_string(lock.default_days) + " days";
}

// What will be allowed, and why not.
std::string Allowed(const StoreReport& report, StoreNeed need) {
  const StoreVerdict& verdict = report.verdict;
  const std::string failed = verdict.Failed(need);
  if (!failed.empty()) return "no: " + failed;
  switch (need) {
    case StoreNeed::kOneNode: return "yes";
    case StoreNeed::kSeveralNodes: return report.shared ? "yes" : "no: the process that serves a directory locks it";
    case StoreNeed::kLock: break;
  }
  for (const StoreCheckOutcome& check : verdict.checks) {
    const bool needed = check.name == "versioned_read" || check.name == "object_lock";
    if (needed && check.result != CheckResult::kOk) return "no: " + check.detail;
  }
  return "yes";
}

bool AllowsSeveralNodes(const StoreReport& report) { return report.shared && report.verdict.several_nodes(); }

void PrintTable(const StoreReport& report, const Console& console) {
  std::string text;
  if (report.bucket) {
    Table bucket({{"BUCKET"}, {report.bucket->name + (report.bucket->created ? " (created)" : "")}});
    bucket.Add({"versioning", report.bucket->versioning});
    bucket.Add({"object lock", LockText(report.bucket->lock)});
    text += bucket.ToString() + "\n";
  }
  Table checks({{"CHECK"}, {"RESULT"}, {"TIME", Align::kRight}, {"DETAIL"}});
  for (const StoreCheckOutcome& check : report.verdict.checks) {
    checks.Add(
        {check.name, Shown(check.result), HumanDuration(std::chrono::microseconds(check.took_us)), check.detail});
  }
  Table allows({{"AKIDB WILL ALLOW"}, {""}});
  allows.Add({"one node", Allowed(report, StoreNeed::kOneNode)});
  allows.Add({"several nodes", Allowed(report, StoreNeed::kSeveralNodes)});
  allows.Add({"object lock", Allowed(report, StoreNeed::kLock)});
  console.Print(text + checks.ToString() + "\n" + allows.ToString());
}

void PrintJson(const StoreReport& report, const Console& console) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject().Key("store").Value(report.verdict.store);
  writer.Key("one_node").Value(report.verdict.one_node());
  writer.Key("several_nodes").Value(AllowsSeveralNodes(report));
  writer.Key("lock").Value(report.verdict.lock());
  if (const auto& bucket = report.bucket) {
    writer.Key("bucket").BeginObject().Key("name").Value(bucket->name).Key("created").Value(bucket->created);
    writer.Key("versioning").Value(bucket->versioning);
    writer.Key("object_lock").Value(bucket->lock.enabled).EndObject();
  }
  writer.Key("checks").BeginArray();
  for (const StoreCheckOutcome& check : report.verdict.checks) {
    writer.BeginObject().Key("name").Value(check.name).Key("result").Value(CheckResultName(check.result));
    writer.Key("detail").Value(check.detail);
    writer.Key("took_ms").Value(static_cast<double>(check.took_us) / 1000).EndObject();
  }
  writer.EndArray().EndObject();
  console.PrintJson(json);
}

// Creates the bucket if that was asked for, and looks what it is. One that is there is never changed.
Result<BucketReport> PrepareBucket(OpContext& ctx, s3::S3Bucket& bucket, const StoreCheckOptions& options) {
  BucketReport report{.name = bucket.options().bucket, .created = false, .versioning = {}, .lock = {}};
  AKI_ASSIGN_OR_RETURN(const bool exists, s3::BucketExists(ctx, bucket));
  if (!exists && !options.create_bucket) {
    return std::unexpected(NotFound("bucket '" + report.name + "' does not exist; --create-bucket makes it"));
  }
  if (!exists) {
    const Status created = s3::CreateBucket(ctx, bucket, {.versioning = true, .object_lock = options.lock});
    // Somebody may have been quicker, and a store that is starting may deny what it has.
    if (!created.ok() && created.code() != StatusCode::kAlreadyExists) return std::unexpected(created);
    report.created = created.ok();
  }
  AKI_ASSIGN_OR_RETURN(const s3::Versioning versioning, s3::GetVersioning(ctx, bucket));
  report.versioning = VersioningName(versioning);
  AKI_ASSIGN_OR_RETURN(report.lock, s3::GetObjectLock(ctx, bucket));
  if (options.lock && !report.lock.enabled) {
    return std::unexpected(
        FailedPrecondition("bucket '" + report.name +
                           "' is there without Object Lock, which can only be had when a bucket is created")
            .WithReason("no_lock"));
  }
  return report;
}

Result<StoreReport> Check(OpContext& ctx, const Environment& env, const StoreCheckOptions& options,
                          const ServerConfig& config, const std::string& url) {
  if (options.create_bucket && !IsBucketUrl(url)) {
    return std::unexpected(InvalidArgument("--create-bucket is for s3://BUCKET/PREFIX, not for '" + url + "'"));
  }
  AKI_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(ctx, env, url, config.s3, LockNote("store check")));
  StoreReport report;
  report.shared = opened.shared;
  std::unique_ptr<ProbeExtensions> extensions;
  if (opened.bucket) {
    AKI_ASSIGN_OR_RETURN(report.bucket, PrepareBucket(ctx, *opened.bucket, options));
    AKI_RETURN_IF_ERROR(RefuseForeignObjects(ctx, *opened.bucket));
    AKI_RETURN_IF_ERROR(RequireOfBucket(ctx, *opened.bucket));
    extensions = s3::NewS3ProbeExtensions(opened.bucket);
  }
  StoreProbeOptions probe;
  probe.racers = options.racers;
  probe.rounds = options.rounds;
  probe.extensions = extensions.get();
  probe.run_together = [&](const std::vector<std::function<void()>>& racers) {
    RunTogether(racers);
    if (Interrupted()) ctx.Cancel();
  };
  AKI_ASSIGN_OR_RETURN(report.verdict, ProbeStore(ctx, *opened.store, *env.random, probe));
  return report;
}

}  // namespace

Status RunStoreCheck(const StoreCheckOptions& options, const Console& console) {
  const std::unique_ptr<Random> random = NewSystemRandom();
  Environment env;
  env.clock = &RealClock();
  env.random = random.get();
  env.fs = &PosixFileSystem();
  env.die = [](const Status& status) { throw std::runtime_error(status.ToString()); };
  OpContext ctx(RealClock());
  AKI_ASSIGN_OR_RETURN(
      const LoadedConfig loaded,
      LoadConfig(*env.fs, ConfigKeys(), {options.config.file, ProcessEnvironment(), options.config.flags}));
  const std::string url = options.url.empty() ? loaded.config.store_url() : options.url;
  const Result<StoreReport> report = Check(ctx, env, options, loaded.config, url);
  if (!report) return Status(report.error()).Annotate("store " + url);
  console.json() ? PrintJson(*report, console) : PrintTable(*report, console);
  AKI_RETURN_IF_ERROR(RequireForOneNode(report->verdict));
  AKI_RETURN_IF_ERROR(RequireForSeveralNodes(report->verdict));
  const std::string failed = report->verdict.Failed(StoreNeed::kLock);
  return failed.empty() ? OkStatus() : RequireForLock(report->verdict);
}

}  // namespace akidb
