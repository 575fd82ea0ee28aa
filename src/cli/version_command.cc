// `akidb version`.
#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "server/version.h"
#include "simd/kernels.h"

namespace akidb {

Status RunVersion(const VersionOptions& options, const Console& console) {
  Table table({{"KERNELS"}, {"NEEDS"}, {"SUPPORTED"}, {"IN USE"}});
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject().Key("version").Value(Version()).Key("commit").Value(SourceCommit());
  if (options.kernels) {
    writer.Key("kernels").BeginArray();
    for (const KernelSet* set : AllKernels()) {
      const bool supported = set->supported();
      const bool in_use = set == &Kernels();
      table.Add(
          {std::string(set->name), std::string(set->requires_cpu), supported ? "yes" : "no", in_use ? "yes" : ""});
      writer.BeginObject().Key("name").Value(set->name).Key("requires").Value(set->requires_cpu);
      writer.Key("supported").Value(supported).Key("in_use").Value(in_use).EndObject();
    }
    writer.EndArray();
  }
  writer.EndObject();
  if (console.json()) {
    console.PrintJson(json);
    return OkStatus();
  }
  console.Print("akidb " + std::string(Version()) + "\n");
  if (options.kernels) console.Print(table.ToString());
  return OkStatus();
}

}  // namespace akidb
