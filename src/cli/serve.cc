// `akidb serve`.
#include "cli/commands.h"
#include "server/server.h"

namespace akidb {

Status RunServe(const ServeOptions& options, const Console& /*console*/) {
  AKI_ASSIGN_OR_RETURN(
      const LoadedConfig loaded,
      LoadConfig(PosixFileSystem(), ConfigKeys(), {options.config.file, ProcessEnvironment(), options.config.flags}));
  Status status = RunServer(loaded.config);
  if (status.reason() == "locked") {
    return std::move(status).Annotate("data directory '" + loaded.config.data_dir + "' is in use");
  }
  return status;
}

}  // namespace akidb
