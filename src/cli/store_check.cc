// `akidb store check`: probes a store and says what AkiDB will allow on it.

#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/table.h"
#include "objstore/probe/store_probe.h"
#include "server/config.h"
#include "server/store_url.h"

namespace akidb {
namespace {

std::string Shown(CheckResult result) {
  switch (result) {
    case CheckResult::kOk: return "ok";
    case CheckResult::kFailed: return "FAILED";
    case CheckResult::kNotApplicable: return "n/a";
  }
  return "?";
}

void PrintTable(const StoreVerdict& verdict, const Console& console) {
  Table checks({{"CHECK"}, {"RESULT"}, {"TIME", Align::kRight}, {"DETAIL"}});
  for (const StoreCheckOutcome& check : verdict.checks) {
    checks.Add(
        {check.name, Shown(check.result), HumanDuration(std::chrono::microseconds(check.took_us)), check.detail});
  }
  const auto allowed = [&](bool yes, StoreNeed need) -> std::string {
    if (yes) return "yes";
    const std::string failed = verdict.Failed(need);
    return failed.empty() ? "no" : "no: " + failed;
  };
  Table allows({{"AKIDB WILL ALLOW"}, {""}});
  allows.Add({"one node", allowed(verdict.one_node(), StoreNeed::kOneNode)});
  allows.Add({"several nodes", allowed(verdict.several_nodes(), StoreNeed::kSeveralNodes)});
  allows.Add({"object lock", allowed(verdict.lock(), StoreNeed::kLock)});
  console.Print(checks.ToString() + "\n" + allows.ToString());
}

void PrintJson(const StoreVerdict& verdict, const Console& console) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject().Key("store").Value(verdict.store);
  writer.Key("one_node").Value(verdict.one_node());
  writer.Key("several_nodes").Value(verdict.several_nodes());
  writer.Key("lock").Value(verdict.lock());
  writer.Key("checks").BeginArray();
  for (const StoreCheckOutcome& check : verdict.checks) {
    writer.BeginObject().Key("name").Value(check.name).Key("result").Value(CheckResultName(check.result));
    writer.Key("detail").Value(check.detail);
    writer.Key("took_ms").Value(static_cast<double>(check.took_us) / 1000).EndObject();
  }
  writer.EndArray().EndObject();
  console.PrintJson(json);
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
  AKI_ASSIGN_OR_RETURN(const LoadedConfig loaded, LoadConfig(*env.fs, ConfigKeys(), {"", ProcessEnvironment(), {}}));
  AKI_ASSIGN_OR_RETURN(const OpenedStore opened,
                       OpenStore(ctx, env, options.url, loaded.config.s3, LockNote("store check")));
  StoreProbeOptions probe;
  probe.racers = options.racers;
  probe.rounds = options.rounds;
  probe.run_together = [&](const std::vector<std::function<void()>>& racers) {
    RunTogether(racers);
    if (Interrupted()) ctx.Cancel();
  };
  AKI_ASSIGN_OR_RETURN(const StoreVerdict verdict, ProbeStore(ctx, *opened.store, *random, probe));
  console.json() ? PrintJson(verdict, console) : PrintTable(verdict, console);
  AKI_RETURN_IF_ERROR(RequireForOneNode(verdict));
  AKI_RETURN_IF_ERROR(RequireForSeveralNodes(verdict));
  const std::string failed = verdict.Failed(StoreNeed::kLock);
  return failed.empty() ? OkStatus() : RequireForLock(verdict);
}

}  // namespace akidb
