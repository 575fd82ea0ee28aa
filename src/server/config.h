// What the server is told: defaults, then a YAML file, then the environment, then flags; the later wins.
//
// Threads: values and pure functions.
// Errors:  kInvalidArgument naming where the value came from (file:line, variable, flag), the key and what was
// expected.
//          An unknown key is an error wherever it comes from.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/log.h"
#include "base/status.h"
#include "engine/database.h"
#include "objstore/s3/s3_options.h"

namespace akidb {

struct ServerConfig {
  std::string listen = "127.0.0.1:8080";
  std::string advertise;       // URL for other nodes; empty: where it listens
  std::string forward_secret;  // empty: none
  std::string ready_file;      // written when the server is ready
  LogLevel log_level = LogLevel::kInfo;
  uint32_t io_threads = 0;          // 0: chosen by the number of processors
  uint32_t worker_threads = 0;      // 0: chosen by processors and store
  uint32_t background_threads = 0;  // 0: chosen by the store
  uint32_t index_threads = 0;       // 0: half the processors
  Duration shutdown_timeout = std::chrono::seconds(30);
  Duration slow_query = std::chrono::seconds(1);
  uint32_t recall_check_one_in = 1000;  // 0: no search is checked
  std::string data_dir = "akidb-data";
  std::string node;                        // empty: DefaultNodeName
  std::string store;                       // empty: s3://BUCKET if s3.bucket is set, else file:DATA_DIR/store
  std::string cache_dir;                   // empty: DATA_DIR/cache
  uint64_t cache_bytes_max = 10ull << 30;  // 0: no cache
  EngineOptions engine;
  s3::S3Options s3;  // for "s3:" stores; the URL may name the bucket, and names the prefix

  // "file:..." or "s3:..." of the store in use.
  std::string store_url() const {
    if (!store.empty()) return store;
    return s3.bucket.empty() ? "file:" + data_dir + "/store" : "s3://" + s3.bucket;
  }
};

enum class Secrecy : uint8_t { kPublic, kSecret };

// One key "section.name". A secret is never printed, and "section.name_file" reads it from a file.
struct ConfigKey {
  std::string name;
  std::string help;
  std::function<Status(ServerConfig&, std::string_view)> set;
  std::function<std::string(const ServerConfig&)> get;
  Secrecy secrecy = Secrecy::kPublic;

  // "AKIDB_SECTION__NAME".
  std::string EnvironmentName() const;
};

// Every key there is, in the order of the documentation.
const std::vector<ConfigKey>& ConfigKeys();

struct ConfigSources {
  std::string file;                                        // path of a YAML file; may be empty
  std::map<std::string, std::string> environment;          // the process's variables
  std::vector<std::pair<std::string, std::string>> flags;  // key, value
};

struct LoadedConfig {
  ServerConfig config;
  std::map<std::string, std::string> origins;  // of every key that is not at its default: "akidb.yaml:7"
};

Result<LoadedConfig> LoadConfig(FileSystem& fs, const std::vector<ConfigKey>& keys, const ConfigSources& sources);
// What one key cannot see alone: the address, thread counts, sizes that must fit each other.
Status ValidateConfig(const ServerConfig& config);

// The environment of this process.
std::map<std::string, std::string> ProcessEnvironment();

struct ListenAddress {
  std::string host;
  uint16_t port = 0;
};
// "HOST:PORT" or "[V6]:PORT". Anything but loopback is refused: there is no authentication yet.
Result<ListenAddress> ParseListenAddress(std::string_view text);

}  // namespace akidb
