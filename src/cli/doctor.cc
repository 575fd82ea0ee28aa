// `akidb doctor`: looks at this machine for what makes the server slow or fail. It only reads, but for a scratch file
// in the data directory.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/json_writer.h"
#include "cli/api_client.h"
#include "cli/bench_stats.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "ingest/row_source.h"
#include "server/config.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

enum class Outcome : uint8_t { kOk, kWarning, kFailed };

std::string_view VerdictName(Outcome verdict) {
  return verdict == Outcome::kOk ? "ok" : verdict == Outcome::kWarning ? "warning" : "FAILED";
}

struct Finding {
  std::string check;
  Outcome verdict = Outcome::kOk;
  std::string detail;
};

constexpr uint64_t kFreeBytesWanted = 4ull << 30;
constexpr uint64_t kFreeBytesMin = 256ull << 20;
constexpr int kSyncs = 50;
constexpr size_t kSyncBytes = 4096;
constexpr Duration kSlowSync = std::chrono::milliseconds(20);
constexpr rlim_t kOpenFilesWanted = 65536;
constexpr rlim_t kOpenFilesMin = 1024;

// Time of a 4-KiB write and fdatasync, as every group commit does.
Result<LatencySummary> MeasureSync(FileSystem& fs, const std::string& path) {
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, fs.Open(path, OpenMode::kCreateOrOpen));
  const std::string block(kSyncBytes, 'x');
  std::vector<Duration> samples;
  for (int i = 0; i < kSyncs; ++i) {
    const MonotonicTime started = RealClock().Now();
    AKI_RETURN_IF_ERROR(file->WriteAt(static_cast<uint64_t>(i) * kSyncBytes, block));
    AKI_RETURN_IF_ERROR(file->Sync());
    samples.push_back(RealClock().Now() - started);
  }
  return Summarise(std::move(samples));
}

void CheckDataDir(const ServerConfig& config, std::vector<Finding>* findings) {
  FileSystem& fs = PosixFileSystem();
  const Status made = MakeDirs(fs, config.data_dir);
  if (!made.ok()) {
    findings->push_back({"data directory", Outcome::kFailed, std::string(made.message())});
    return;
  }
  const std::string scratch = config.data_dir + "/doctor.tmp";
  const auto sync = MeasureSync(fs, scratch);
  fs.Remove(scratch).IgnoreError("it may not have been created");
  if (!sync) {
    findings->push_back({"data directory", Outcome::kFailed, std::string(sync.error().message())});
    return;
  }
  findings->push_back({"data directory", Outcome::kOk, config.data_dir + " is writable"});
  findings->push_back({"fsync", sync->p99 > kSlowSync ? Outcome::kWarning : Outcome::kOk,
                       "4 KiB write + fdatasync: p50 " + HumanDuration(sync->p50) + ", p99 " +
                           HumanDuration(sync->p99) + (sync->p99 > kSlowSync ? "; writes wait for it" : "")});
  const auto free = fs.FreeBytes(config.data_dir);
  if (!free) {
    findings->push_back({"free space", Outcome::kWarning, std::string(free.error().message())});
    return;
  }
  const Outcome verdict = *free < kFreeBytesMin      ? Outcome::kFailed
                          : *free < kFreeBytesWanted ? Outcome::kWarning
                                                     : Outcome::kOk;
  findings->push_back({"free space", verdict, HumanBytes(*free)});
}

// "AkiDB 0.1.0" if that is who listens there, else "".
std::string ServerAt(const ListenAddress& address) {
  HttpOptions patience;
  patience.timeout = std::chrono::seconds(2);
  patience.retry_for = {};
  ApiClient client({address.host, std::to_string(address.port)}, patience, RealClock());
  const auto version = client.Get("/version");
  return version && JsonText(*version, "name") == "akidb" ? "AkiDB " + JsonText(*version, "version") : "";
}

void CheckPort(const ServerConfig& config, std::vector<Finding>* findings) {
  const auto address = ParseListenAddress(config.listen);
  const bool v4 = address && address->host.find(':') == std::string::npos;
  if (!v4) {
    findings->push_back({"port", Outcome::kOk, config.listen + " (not tried)"});
    return;
  }
  sockaddr_in socket_address{};
  socket_address.sin_family = AF_INET;
  socket_address.sin_port = htons(address->port);
  inet_pton(AF_INET, address->host.c_str(), &socket_address.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&socket_address), sizeof(socket_address)) == 0;
  ::close(fd);
  if (free) {
    findings->push_back({"port", Outcome::kOk, config.listen + " is free"});
    return;
  }
  const std::string server = ServerAt(*address);
  findings->push_back(server.empty() ? Finding{"port", Outcome::kFailed, config.listen + " is taken; choose another"}
                                     : Finding{"port", Outcome::kOk, server + " is serving on " + config.listen});
}

void CheckLimits(std::vector<Finding>* findings) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const Outcome verdict = files.rlim_max < kOpenFilesMin      ? Outcome::kFailed
                          : files.rlim_max < kOpenFilesWanted ? Outcome::kWarning
                                                              : Outcome::kOk;
  findings->push_back({"open files", verdict,
                       "soft " + HumanCount(files.rlim_cur) + ", hard " + HumanCount(files.rlim_max) + ", wanted " +
                           HumanCount(kOpenFilesWanted) +
                           (verdict == Outcome::kOk ? "" : ": raise the hard limit (ulimit -Hn, LimitNOFILE)")});
}

std::string FirstLine(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

void CheckKernel(std::vector<Finding>* findings) {
  const std::string huge_pages = FirstLine("/sys/kernel/mm/transparent_hugepage/enabled");
  const bool off = huge_pages.empty() || huge_pages.find("[never]") != std::string::npos;
  findings->push_back({"huge pages", off ? Outcome::kWarning : Outcome::kOk,
                       huge_pages.empty() ? "no transparent huge pages" : huge_pages});
  const KernelSet& kernels = Kernels();
  findings->push_back({"SIMD", kernels.name == "scalar" ? Outcome::kWarning : Outcome::kOk, std::string(kernels.name)});
}

void CheckClock(std::vector<Finding>* findings) {
  constexpr int kYearOfThisVersion = 2025;
  const std::string now = FormatRfc3339(RealClock().WallNow());
  const bool sane = std::stoi(now.substr(0, 4)) >= kYearOfThisVersion;
  const std::string source = FirstLine("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  // Reading such clocks is a system call.
  const bool slow = source == "hpet" || source == "acpi_pm";
  findings->push_back(
      {"clock", sane && !slow ? Outcome::kOk : Outcome::kWarning, now + (source.empty() ? "" : ", source " + source)});
}

}  // namespace

Status RunDoctor(const DoctorOptions& options, const Console& console) {
  AKI_ASSIGN_OR_RETURN(
      const LoadedConfig loaded,
      LoadConfig(PosixFileSystem(), ConfigKeys(), {options.config.file, ProcessEnvironment(), options.config.flags}));
  std::vector<Finding> findings;
  CheckDataDir(loaded.config, &findings);
  CheckPort(loaded.config, &findings);
  CheckLimits(&findings);
  CheckKernel(&findings);
  CheckClock(&findings);
  Table table({{"CHECK"}, {"VERDICT"}, {"DETAIL"}});
  std::string json;
  JsonWriter writer(&json);
  writer.BeginArray();
  for (const Finding& finding : findings) {
    table.Add({finding.check, std::string(VerdictName(finding.verdict)), finding.detail});
    writer.BeginObject().Key("check").Value(finding.check).Key("verdict").Value(VerdictName(finding.verdict));
    writer.Key("detail").Value(finding.detail).EndObject();
  }
  writer.EndArray();
  console.json() ? console.PrintJson(json) : console.Print(table.ToString());
  const auto failed = std::count_if(findings.begin(), findings.end(),
                                    [](const Finding& finding) { return finding.verdict == Outcome::kFailed; });
  if (failed == 0) return OkStatus();
  return FailedPrecondition(std::to_string(failed) + " checks failed");
}

}  // namespace akidb
