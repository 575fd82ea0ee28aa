// What the command line said, as plain values: the parser fills them, the commands read them.
//
// Threads: values.
// Errors:  none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cli/console.h"
#include "ingest/row_source.h"

namespace akidb {

// How to reach a server; part of every command that talks to one.
struct ClientOptions {
  std::string server = "http://127.0.0.1:8080";
  double timeout_s = 30;
  double retry_for_s = 60;
};

// Where configuration comes from; `flags` are key and value.
struct ConfigOptions {
  std::string file;
  std::vector<std::pair<std::string, std::string>> flags;
};

struct ServeOptions {
  ConfigOptions config;
};

struct IngestOptions {
  ClientOptions client;
  std::string file;
  std::string collection;
  std::string format = "auto";
  ColumnMapping mapping;
  std::string delimiter = ",";
  uint32_t connections = 4;
  uint32_t batch_rows = 1000;
  std::string ack;  // empty: the collection's own level
  bool create = false;
  std::string distance = "Cosine";
  std::string vector_type = "f32";
  bool dry_run = false;
  bool schema_only = false;
  bool resume = false;
  std::string state_file;  // empty: FILE.akidb-ingest.json
  std::string errors_file;
  uint64_t errors_max = 10000;
};

struct SearchOptions {
  ClientOptions client;
  std::string collection;
  std::string vector;  // text, or @FILE
  std::string like;    // id of a stored vector
  uint32_t top_k = 10;
  uint32_t offset = 0;
  std::string filter;  // JSON, or @FILE
  std::string at;      // NAME, version:N or time:T
  std::optional<double> score_threshold;
  std::optional<uint32_t> ef_search;
  bool exact = false;
  bool with_vector = false;
  bool no_payload = false;
};

struct CollectionOptions {
  enum class Action : uint8_t { kCreate, kList, kDescribe, kDelete, kAlter, kClone, kRebind };
  ClientOptions client;
  Action action = Action::kList;
  std::string name;
  std::string clone_name;
  std::string at;  // of the clone: NAME, version:N or time:T
  bool discard_local = false;
  uint32_t dim = 0;
  std::string distance = "Cosine";
  std::string vector_type;
  std::string ack;
  std::string index_kind;
  std::optional<uint32_t> index_m;
  std::optional<uint32_t> ef_construction;
  std::optional<double> recall;
  bool yes = false;
};

struct AliasOptions {
  enum class Action : uint8_t { kList, kSet, kDelete, kSwitch };
  ClientOptions client;
  Action action = Action::kList;
  std::string alias;
  std::string from;
  std::string collection;  // that it shall point to
};

struct SnapshotOptions {
  enum class Action : uint8_t { kCreate, kList, kDelete, kRevert };
  ClientOptions client;
  Action action = Action::kList;
  std::string collection;
  std::string name;
  bool yes = false;
};

struct WalInspectOptions {
  std::string path;  // the log's directory or the data directory
};

struct SegmentInspectOptions {
  std::string path;
};

struct StoreCheckOptions {
  ConfigOptions config;
  std::string url;  // empty: the store of the configuration
  bool create_bucket = false;
  bool lock = false;
  uint32_t racers = 8;
  uint32_t rounds = 25;
};

struct BenchOptions {
  enum class Action : uint8_t { kUpsert, kSearch };
  ClientOptions client;
  Action action = Action::kUpsert;
  std::string collection;  // upsert: empty makes one that is dropped at the end
  uint32_t connections = 4;
  uint32_t batch_rows = 500;
  uint32_t dim = 384;
  uint64_t requests = 1000;
  uint32_t top_k = 10;
  uint32_t payload_bytes = 100;
  std::string body = "columns";  // or "json"
  uint64_t seed = 1;
  double rate = 0;      // requests a second; 0: the next when the last was answered
  std::string queries;  // search: .npy file; empty: generated
  std::string filter;   // JSON, or @FILE
  std::optional<uint32_t> ef_search;
  std::optional<double> recall;
  bool no_payload = false;
};

struct AnnBenchOptions {
  std::string base, queries, truth, seen, mask;  // .npy files
  std::string metric = "cosine";                 // l2, dot
  std::string vector_type = "f16";
  std::string index_kind = "hnsw";  // or flat
  std::string layout = "auto";      // fast, compact
  std::string index_file;           // the graph is kept there
  uint32_t k = 10;
  uint32_t threads = 1;
  uint32_t build_threads = 0;  // 0: one a CPU
  uint32_t ef_construction = 200;
  uint64_t seed = 1;
  double max_bytes_per_vector = 0;  // 0: no limit
  std::vector<double> recalls;
  std::vector<uint32_t> beams;
  bool from_codes = false;  // without it they may be all that fits
  bool orders = false;
  uint32_t churn_rounds = 0;     // of the growing index; 0: the graph of segments
  uint32_t merged_segments = 0;  // 0: all rows in one
};

struct ConfigCommandOptions {
  enum class Action : uint8_t { kCheck, kPrint, kKeys };
  Action action = Action::kCheck;
  ConfigOptions config;
  bool redact = false;
};

struct DoctorOptions {
  ConfigOptions config;
};

struct VersionOptions {
  bool kernels = false;
};

using Command = std::variant<ServeOptions, IngestOptions, SearchOptions, CollectionOptions, AliasOptions,
                             SnapshotOptions, WalInspectOptions, SegmentInspectOptions, StoreCheckOptions, BenchOptions,
                             AnnBenchOptions, ConfigCommandOptions, DoctorOptions, VersionOptions>;

struct CommandLine {
  OutputFormat format = OutputFormat::kHuman;
  Command command;
};

// What --help and --version print, or with exit code 2 the mistake.
struct ParseEnd {
  int exit_code = 0;
  std::string text;
  OutputFormat format = OutputFormat::kHuman;
  std::string command;  // the one whose --help helps: "akidb collection create"
};
// A parsed command line, or why there is none.
std::variant<CommandLine, ParseEnd> ParseCommandLine(int argc, const char* const* argv);

}  // namespace akidb
