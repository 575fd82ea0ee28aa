// One function a command. They print their answer to the console; main maps the status to the exit code.
//
// Threads: called from the main thread.
// Errors:  see each command in docs/guide/cli.md; codes map to exit codes in exit_code.h.
#pragma once

#include "base/status.h"
#include "cli/console.h"
#include "cli/options.h"

namespace akidb {

Status RunServe(const ServeOptions& options, const Console& console);
Status RunIngest(const IngestOptions& options, const Console& console);
Status RunSearch(const SearchOptions& options, const Console& console);
Status RunCollection(const CollectionOptions& options, const Console& console);
Status RunAlias(const AliasOptions& options, const Console& console);
Status RunSnapshot(const SnapshotOptions& options, const Console& console);
Status RunWalInspect(const WalInspectOptions& options, const Console& console);
Status RunSegmentInspect(const SegmentInspectOptions& options, const Console& console);
Status RunStoreCheck(const StoreCheckOptions& options, const Console& console);
Status RunBench(const BenchOptions& options, const Console& console);
Status RunAnnBench(const AnnBenchOptions& options, const Console& console);
Status RunChurnBench(const AnnBenchOptions& options, const Console& console);
Status RunMergeBench(const AnnBenchOptions& options, const Console& console);
Status RunConfig(const ConfigCommandOptions& options, const Console& console);
Status RunDoctor(const DoctorOptions& options, const Console& console);
Status RunVersion(const VersionOptions& options, const Console& console);

// Parses, runs, prints the error; returns the process's exit code.
int RunMain(int argc, const char* const* argv);

}  // namespace akidb
