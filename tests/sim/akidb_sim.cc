// akidb_sim --mode M --seeds A..B | --seed N [--trace] [--probe-ppm P] [--seconds-max S]
//
// Runs seeds of a mode and prints one line for each that broke a promise, with the command that replays it. A mode that
// lies to the engine is expected to be caught: it stops at the first violation and fails if there is none.
// Exit code 0: as expected; 1: a violation, an unreached state or an uncaught lie; 2: usage.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "run.h"

namespace akidb::sim {
namespace {

struct Arguments {
  std::string program;
  std::string mode = "localfs";
  uint64_t first = 0;
  uint64_t last = 99;
  bool trace = false;
  bool twice = false;
  bool coverage_required = true;
  uint32_t probe_ppm = RunOptions{}.probe_ppm;
  uint64_t seconds_max = UINT64_MAX;
};

int Usage() {
  std::printf(
      "usage: akidb_sim --mode MODE (--seeds A..B | --seed N) [--trace] [--twice] [--probe-ppm P] [--seconds-max S]\n"
      "  --trace        print every step and every device operation\n"
      "  --twice        run each seed twice and compare the traces\n"
      "  --probe-ppm    of a million device operations, how many are also crash points tried on a copy\n"
      "  --seconds-max  start no more seeds after that time\nmodes:\n");
  for (const Mode& mode : Modes()) {
    std::printf("  %-18s %s\n", std::string(mode.name).c_str(), std::string(mode.about).c_str());
  }
  return 2;
}

bool Parse(int argc, char** argv, Arguments* out) {
  out->program = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--trace") {
      out->trace = true;
    } else if (flag == "--twice") {
      out->twice = true;
      out->coverage_required = false;
    } else if (i + 1 == argc) {
      return false;
    } else if (flag == "--mode") {
      out->mode = argv[++i];
    } else if (flag == "--seed") {
      out->first = out->last = std::strtoull(argv[++i], nullptr, 10);
      out->coverage_required = false;
    } else if (flag == "--seeds") {
      const char* dots = std::strstr(argv[++i], "..");
      if (dots == nullptr) return false;
      out->first = std::strtoull(argv[i], nullptr, 10);
      out->last = std::strtoull(dots + 2, nullptr, 10);
    } else if (flag == "--probe-ppm") {
      out->probe_ppm = static_cast<uint32_t>(std::strtoul(argv[++i], nullptr, 10));
    } else if (flag == "--seconds-max") {
      out->seconds_max = std::strtoull(argv[++i], nullptr, 10);
    } else {
      return false;
    }
  }
  return out->first <= out->last;
}

const Mode* FindMode(const std::string& name) {
  for (const Mode& mode : Modes()) {
    if (mode.name == name) return &mode;
  }
  return nullptr;
}

void PrintCoverage(const Coverage& coverage) {
  for (const auto& [what, count] : coverage.counts()) {
    std::printf("  %-36s %llu\n", what.c_str(), static_cast<unsigned long long>(count));
  }
}

uint64_t CrashStates(const Coverage& coverage) {
  return coverage.Of("crash.scheduled") + coverage.Of("crash.died") + coverage.Of("crash.idle") +
         coverage.Of("crash.probed");
}

int Main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) return Usage();
  const Mode* mode = FindMode(arguments.mode);
  if (mode == nullptr) return Usage();

  std::setvbuf(stdout, nullptr, _IOLBF, 1 << 16);
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  Coverage coverage;
  uint64_t runs = 0;
  uint64_t violations = 0;
  for (uint64_t seed = arguments.first;
       seed <= arguments.last && seconds() < static_cast<double>(arguments.seconds_max); ++seed) {
    const RunOptions options{.seed = seed, .trace = arguments.trace, .probe_ppm = arguments.probe_ppm};
    RunResult result = mode->run(options);
    ++runs;
    if (arguments.twice && !result.violation) {
      const RunResult again = mode->run(options);
      if (again.trace_hash != result.trace_hash) result.violation = "the same seed gave two different traces";
    }
    coverage.Add(result.coverage);
    if (!result.violation) continue;
    ++violations;
    std::printf("seed %llu: %s\n  replay: %s --mode %s --seed %llu --probe-ppm %u --trace\n",
                static_cast<unsigned long long>(seed), result.violation->c_str(), arguments.program.c_str(),
                arguments.mode.c_str(), static_cast<unsigned long long>(seed), arguments.probe_ppm);
    if (mode->lies) break;
  }
  std::printf("%s: %llu seeds, %llu crash states, %llu violations, %.1f s\n", arguments.mode.c_str(),
              static_cast<unsigned long long>(runs), static_cast<unsigned long long>(CrashStates(coverage)),
              static_cast<unsigned long long>(violations), seconds());
  if (mode->lies) {
    if (violations == 0) std::printf("the checker did not see the lie\n");
    return violations == 0 ? 1 : 0;
  }
  PrintCoverage(coverage);
  bool reached = true;
  if (arguments.coverage_required) {
    for (const std::string_view what : mode->must_reach) {
      if (coverage.Of(what) != 0) continue;
      std::printf("never reached: %s\n", std::string(what).c_str());
      reached = false;
    }
  }
  return violations == 0 && reached ? 0 : 1;
}

}  // namespace
}  // namespace akidb::sim

int main(int argc, char** argv) { return akidb::sim::Main(argc, argv); }
