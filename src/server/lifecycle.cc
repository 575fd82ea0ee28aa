// The life of a server process: start, ready, signal, stop.
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "server/server.h"
#include "server/version.h"

namespace akidb {
namespace {

// Blocks the signals in this thread and all it will start, so that only Wait sees them.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  // The next signal; from then on they have their usual, deadly effect.
  int Wait() {
    int number = 0;
    sigwait(&set_, &number);
    pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
    return number;
  }

 private:
  sigset_t set_{};
};

Status WriteReadyFile(const std::string& path, const std::string& url) {
  FileSystem& fs = PosixFileSystem();
  const std::string temporary = path + ".tmp";
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, fs.Open(temporary, OpenMode::kCreateOrOpen));
  AKI_RETURN_IF_ERROR(file->Truncate(0));
  AKI_RETURN_IF_ERROR(file->WriteAt(0, url + "\n"));
  return fs.Rename(temporary, path);
}

}  // namespace

Status RunServer(const ServerConfig& config) {
  StopSignals signals;
  SetLogLevel(config.log_level);
  const MonotonicTime started = RealClock().Now();
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<Server> server, Server::Start(config));
  const std::string url = server->url();
  if (!config.ready_file.empty()) AKI_RETURN_IF_ERROR(WriteReadyFile(config.ready_file, url));
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(RealClock().Now() - started);
  Log(LogLevel::kInfo, "ready",
      {{"url", url}, {"version", Version()}, {"pid", ::getpid()}, {"took_ms", static_cast<int64_t>(took.count())}});
  std::printf("akidb %.*s is ready on %s\n", static_cast<int>(Version().size()), Version().data(), url.c_str());
  std::fflush(stdout);

  const int number = signals.Wait();
  Log(LogLevel::kInfo, "stopping", {{"signal", number}});
  Status status = server->Stop();
  Log(status.ok() ? LogLevel::kInfo : LogLevel::kWarn, "stopped", {{"status", status.ok() ? "OK" : status.ToString()}});
  if (!config.ready_file.empty()) {
    PosixFileSystem().Remove(config.ready_file).IgnoreError("somebody else may have taken it away");
  }
  return status;
}

}  // namespace akidb
