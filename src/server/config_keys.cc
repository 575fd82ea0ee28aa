// The table of keys. Each names a member once; parsing, printing and the environment follow from its kind.
#include <algorithm>
#include <array>
#include <limits>

#include "server/config.h"
#include "server/config_value.h"

namespace akidb {
namespace {

using Keys = std::vector<ConfigKey>;

constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLogLevels = {
    {{"debug", LogLevel::kDebug}, {"info", LogLevel::kInfo}, {"warn", LogLevel::kWarn}, {"error", LogLevel::kError}}};

// `at` maps a config to the member: it works on const and mutable configs alike.
template <class At>
void AddText(Keys& keys, std::string name, std::string help, At at) {
  keys.push_back({std::move(name), std::move(help),
                  [at](ServerConfig& config, std::string_view text) -> Status {
                    at(config) = std::string(text);
                    return OkStatus();
                  },
                  [at](const ServerConfig& config) { return at(config); }});
}

template <class At>
void AddCount(Keys& keys, std::string name, std::string help, At at) {
  keys.push_back({std::move(name), std::move(help),
                  [at](ServerConfig& config, std::string_view text) -> Status {
                    using Member = std::remove_reference_t<decltype(at(config))>;
                    AKI_ASSIGN_OR_RETURN(const uint64_t value, ParseInteger(text, std::numeric_limits<Member>::max()));
                    at(config) = static_cast<Member>(value);
                    return OkStatus();
                  },
                  [at](const ServerConfig& config) { return std::to_string(at(config)); }});
}

template <class At>
void AddSize(Keys& keys, std::string name, std::string help, At at) {
  keys.push_back({std::move(name), std::move(help),
                  [at](ServerConfig& config, std::string_view text) -> Status {
                    using Member = std::remove_reference_t<decltype(at(config))>;
                    AKI_ASSIGN_OR_RETURN(const uint64_t value, ParseSize(text));
                    if (value > std::numeric_limits<Member>::max()) {
                      return InvalidArgument("'" + std::string(text) + "' is more than " +
                                             std::to_string(std::numeric_limits<Member>::max()) + " bytes");
                    }
                    at(config) = static_cast<Member>(value);
                    return OkStatus();
                  },
                  [at](const ServerConfig& config) { return FormatSize(at(config)); }});
}

template <class At>
void AddDuration(Keys& keys, std::string name, std::string help, At at) {
  keys.push_back({std::move(name), std::move(help),
                  [at](ServerConfig& config, std::string_view text) -> Status {
                    AKI_ASSIGN_OR_RETURN(at(config), ParseDuration(text));
                    return OkStatus();
                  },
                  [at](const ServerConfig& config) { return FormatDuration(at(config)); }});
}

template <class At>
void AddRatio(Keys& keys, std::string name, std::string help, At at) {
  keys.push_back({std::move(name), std::move(help),
                  [at](ServerConfig& config, std::string_view text) -> Status {
                    AKI_ASSIGN_OR_RETURN(const double value, ParseNumber(text));
                    if (value > 1) return InvalidArgument("'" + std::string(text) + "' is not between 0 and 1");
                    at(config) = value;
                    return OkStatus();
                  },
                  [at](const ServerConfig& config) {
                    std::string text = std::to_string(at(config));
                    text.erase(text.find_last_not_of('0') + 1);
                    return text.ends_with('.') ? text + "0" : text;
                  }});
}

void AddLogLevel(Keys& keys) {
  keys.push_back({"server.log_level", "least severe line that is logged: debug, info, warn or error",
                  [](ServerConfig& config, std::string_view text) -> Status {
                    const auto* found = std::find_if(kLogLevels.begin(), kLogLevels.end(),
                                                     [&](const auto& level) { return level.first == text; });
                    if (found == kLogLevels.end()) {
                      return InvalidArgument("'" + std::string(text) + "' is not debug, info, warn or error");
                    }
                    config.log_level = found->second;
                    return OkStatus();
                  },
                  [](const ServerConfig& config) {
                    return std::string(kLogLevels[static_cast<size_t>(config.log_level)].first);
                  }});
}

// A member, for const and mutable configs.
#define AKI_AT(member) [](auto& config) -> auto& { return config.member; }

void AddServerKeys(Keys& keys) {
  AddText(keys, "server.listen", "HOST:PORT; only loopback addresses until authentication exists", AKI_AT(listen));
  AddText(keys, "server.ready_file", "a file that is written when the server is ready", AKI_AT(ready_file));
  AddLogLevel(keys);
  AddCount(keys, "server.io_threads", "threads that read and write sockets; 0: by processors", AKI_AT(io_threads));
  AddCount(keys, "server.worker_threads", "threads that execute requests; 0: by processors", AKI_AT(worker_threads));
  AddCount(keys, "server.background_threads", "threads for flush, merge and garbage collection",
           AKI_AT(background_threads));
  AddDuration(keys, "server.shutdown_timeout", "how long running requests may take when the server stops",
              AKI_AT(shutdown_timeout));
  AddDuration(keys, "server.slow_query", "searches that take longer are logged and counted", AKI_AT(slow_query));
  AddText(keys, "storage.data_dir", "write-ahead log, lock and, by default, the store", AKI_AT(data_dir));
  AddText(keys, "storage.store", "file:DIR; empty: file:DATA_DIR/store", AKI_AT(store));
  AddText(keys, "storage.node", "name of this node in manifests", AKI_AT(engine.node));
}

void AddEngineKeys(Keys& keys) {
  AddSize(keys, "engine.wal_file_bytes", "size of one log file, preallocated", AKI_AT(engine.wal_file_bytes));
  AddSize(keys, "engine.seal_bytes", "growing bytes of a collection that trigger a flush", AKI_AT(engine.seal_bytes));
  AddDuration(keys, "engine.seal_age", "age of the oldest unflushed row that triggers a flush",
              AKI_AT(engine.seal_age));
  AddDuration(keys, "engine.trim_delay", "time between a manifest's write and its re-read before the log is trimmed",
              AKI_AT(engine.trim_delay));
  AddDuration(keys, "engine.gc_grace", "how long an unreferenced object is kept", AKI_AT(engine.gc_grace));
  AddDuration(keys, "engine.gc_interval", "time between two garbage collections", AKI_AT(engine.gc_interval));
  AddCount(keys, "engine.merge_fanout", "segments of one size class that are merged together",
           AKI_AT(engine.merge_fanout));
  AddSize(keys, "engine.segment_bytes_max", "merges do not build larger segments", AKI_AT(engine.segment_bytes_max));
  AddRatio(keys, "engine.merge_deleted_ratio", "share of deleted rows that rewrites a segment alone",
           AKI_AT(engine.merge_deleted_ratio));
  AddSize(keys, "engine.payload_cache_bytes", "memory for decompressed payload blocks",
          AKI_AT(engine.payload_cache_bytes));
}

void AddLimitKeys(Keys& keys) {
  AddCount(keys, "limits.vector_dim_max", "elements of a vector", AKI_AT(engine.limits.vector_dim_max));
  AddCount(keys, "limits.top_k_max", "offset + top_k of a search", AKI_AT(engine.limits.top_k_max));
  AddCount(keys, "limits.vectors_per_request_max", "rows of one write", AKI_AT(engine.limits.vectors_per_request_max));
  AddSize(keys, "limits.request_bytes_max", "body of a request", AKI_AT(engine.limits.request_bytes_max));
  AddSize(keys, "limits.payload_bytes_max", "payload of a row", AKI_AT(engine.limits.payload_bytes_max));
  AddCount(keys, "limits.payload_depth_max", "nesting of a payload", AKI_AT(engine.limits.payload_depth_max));
  AddCount(keys, "limits.id_bytes_max", "length of an id", AKI_AT(engine.limits.id_bytes_max));
  AddCount(keys, "limits.filter_depth_max", "nesting of a filter", AKI_AT(engine.limits.filter_depth_max));
  AddCount(keys, "limits.filter_nodes_max", "nodes of a filter", AKI_AT(engine.limits.filter_nodes_max));
  AddCount(keys, "limits.filter_values_max", "values in all lists of a filter",
           AKI_AT(engine.limits.filter_values_max));
  AddCount(keys, "limits.queries_per_batch_max", "queries of a batch-search",
           AKI_AT(engine.limits.queries_per_batch_max));
  AddCount(keys, "limits.scroll_limit_max", "rows of a scroll page", AKI_AT(engine.limits.scroll_limit_max));
  AddCount(keys, "limits.collection_name_bytes_max", "length of a collection's name",
           AKI_AT(engine.limits.collection_name_bytes_max));
  AddCount(keys, "limits.collections_max", "collections of a database", AKI_AT(engine.limits.collections_max));
  AddSize(keys, "limits.unflushed_bytes_max", "unflushed bytes beyond which writes get 429",
          AKI_AT(engine.limits.unflushed_bytes_max));
  AddSize(keys, "limits.wal_bytes_max", "log on the local disk beyond which writes get 429",
          AKI_AT(engine.limits.wal_bytes_max));
  AddCount(keys, "limits.timeout_ms_default", "timeout_ms of a request that gives none",
           AKI_AT(engine.limits.timeout_ms_default));
  AddCount(keys, "limits.timeout_ms_max", "largest timeout_ms", AKI_AT(engine.limits.timeout_ms_max));
  AddCount(keys, "limits.connections_max", "open connections", AKI_AT(engine.limits.connections_max));
  AddSize(keys, "limits.header_bytes_max", "headers of a request", AKI_AT(engine.limits.header_bytes_max));
}

#undef AKI_AT

}  // namespace

const std::vector<ConfigKey>& ConfigKeys() {
  static const Keys keys = [] {
    Keys all;
    AddServerKeys(all);
    AddEngineKeys(all);
    AddLimitKeys(all);
    return all;
  }();
  return keys;
}

}  // namespace akidb
