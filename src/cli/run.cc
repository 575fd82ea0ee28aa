#include <csignal>
#include <cstdio>
#include <exception>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"

namespace akidb {
namespace {

struct Dispatch {
  const Console& console;
  Status operator()(const ServeOptions& options) const { return RunServe(options, console); }
  Status operator()(const IngestOptions& options) const { return RunIngest(options, console); }
  Status operator()(const SearchOptions& options) const { return RunSearch(options, console); }
  Status operator()(const CollectionOptions& options) const { return RunCollection(options, console); }
  Status operator()(const AliasOptions& options) const { return RunAlias(options, console); }
  Status operator()(const SnapshotOptions& options) const { return RunSnapshot(options, console); }
  Status operator()(const WalInspectOptions& options) const { return RunWalInspect(options, console); }
  Status operator()(const SegmentInspectOptions& options) const { return RunSegmentInspect(options, console); }
  Status operator()(const StoreCheckOptions& options) const { return RunStoreCheck(options, console); }
  Status operator()(const BenchOptions& options) const { return RunBench(options, console); }
  Status operator()(const AnnBenchOptions& options) const {
    if (options.churn_rounds > 0) return RunChurnBench(options, console);
    return options.merged_segments > 0 ? RunMergeBench(options, console) : RunAnnBench(options, console);
  }
  Status operator()(const ConfigCommandOptions& options) const { return RunConfig(options, console); }
  Status operator()(const DoctorOptions& options) const { return RunDoctor(options, console); }
  Status operator()(const VersionOptions& options) const { return RunVersion(options, console); }
};

Status RunGuarded(const Command& command, const Console& console) {
  try {
    return std::visit(Dispatch{console}, command);
  } catch (const std::exception& e) {
    return Internal(std::string("unexpected: ") + e.what());
  }
}

}  // namespace

int RunMain(int argc, const char* const* argv) {
  const auto parsed = ParseCommandLine(argc, argv);
  if (const auto* end = std::get_if<ParseEnd>(&parsed)) {
    const Console console(end->format);
    if (end->exit_code == 0) {
      console.Print(end->text);
    } else {
      console.PrintError(InvalidArgument(end->text));
      console.Note("'" + end->command + " --help' shows what there is");
    }
    return end->exit_code;
  }
  const auto& line = std::get<CommandLine>(parsed);
  std::signal(SIGPIPE, SIG_IGN);
  // The server waits for its signals itself.
  if (!std::holds_alternative<ServeOptions>(line.command)) CatchInterrupts();
  const Console console(line.format);
  const Status status = RunGuarded(line.command, console);
  if (!status.ok()) console.PrintError(status);
  return static_cast<int>(ExitCodeOf(status));
}

}  // namespace akidb
