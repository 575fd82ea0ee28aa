// The table of keys. Each names a member once; parsing, printing and the environment follow from its kind.
#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "objstore/s3/uri.h"
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

// A value that is never printed, and may come from a file.
template <class At>
void AddSecret(Keys& keys, std::string name, std::string help, At at) {
  AddText(keys, std::move(name), std::move(help), at);
  keys.back().secrecy = Secrecy::kSecret;
}

// One of a few words.
template <class Enum, size_t kCount, class At>
void AddChoice(Keys& keys, std::string name, std::string help,
               const std::array<std::pair<std::string_view, Enum>, kCount>& choices, At at) {
  keys.push_back({std::move(name), std::move(help),
                  [choices, at](ServerConfig& config, std::string_view text) -> Status {
                    std::string expected;
                    for (const auto& [word, value] : choices) {
                      if (word == text) {
                        at(config) = value;
                        return OkStatus();
                      }
                      expected += (expected.empty() ? "" : ", ") + std::string(word);
                    }
                    return InvalidArgument("'" + std::string(text) + "' is not one of " + expected);
                  },
                  [choices, at](const ServerConfig& config) {
                    for (const auto& [word, value] : choices) {
                      if (value == at(config)) return std::string(word);
                    }
                    return std::string();
                  }});
}

void AddEndpoints(Keys& keys) {
  keys.push_back({"s3.endpoint",
                  "http://HOST:PORT or https://HOST:PORT; several, with commas between, are used in turn",
                  [](ServerConfig& config, std::string_view text) -> Status {
                    std::vector<std::string> endpoints;
                    while (!text.empty()) {
                      const size_t comma = std::min(text.find(','), text.size());
                      std::string_view one = text.substr(0, comma);
                      while (one.starts_with(' ')) one.remove_prefix(1);
                      while (one.ends_with(' ')) one.remove_suffix(1);
                      AKI_RETURN_IF_ERROR(s3::ParseEndpoint(one));
                      endpoints.emplace_back(one);
                      text.remove_prefix(std::min(comma + 1, text.size()));
                    }
                    config.s3.endpoints = std::move(endpoints);
                    return OkStatus();
                  },
                  [](const ServerConfig& config) {
                    std::string text;
                    for (const std::string& endpoint : config.s3.endpoints) {
                      text += (text.empty() ? "" : ",") + endpoint;
                    }
                    return text;
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
  AddText(
      keys, "server.advertise",
      "http://HOST:PORT or https://HOST:PORT where other nodes of the bucket reach this one; empty: where it listens",
      AKI_AT(advertise));
  AddSecret(keys, "server.forward_secret",
            "shared by the nodes of a bucket, which prove with it that a forwarded request is theirs",
            AKI_AT(forward_secret));
  AddText(keys, "server.ready_file", "a file that is written when the server is ready", AKI_AT(ready_file));
  AddLogLevel(keys);
  AddCount(keys, "server.io_threads", "threads that read and write sockets; 0: by processors", AKI_AT(io_threads));
  AddCount(keys, "server.worker_threads", "threads that execute requests; 0: by processors, on a bucket 16 at least",
           AKI_AT(worker_threads));
  AddCount(keys, "server.background_threads",
           "threads for flush and garbage collection; merges and indexes have their own; 0: 3, on a bucket 16",
           AKI_AT(background_threads));
  AddCount(keys, "server.index_threads", "threads that build one index; 0: half the processors", AKI_AT(index_threads));
  AddDuration(keys, "server.shutdown_timeout", "how long running requests may take when the server stops",
              AKI_AT(shutdown_timeout));
  AddDuration(keys, "server.slow_query", "searches that take longer are logged and counted", AKI_AT(slow_query));
  AddCount(keys, "server.recall_check_one_in",
           "of so many approximate searches one is compared with an exact one (akidb_search_recall); 0: none",
           AKI_AT(recall_check_one_in));
  AddText(keys, "storage.data_dir", "write-ahead log, lock and, by default, the store", AKI_AT(data_dir));
  AddText(keys, "storage.store",
          "file:DIR or s3://BUCKET/PREFIX; empty: s3.bucket if that is set, else file:DATA_DIR/store", AKI_AT(store));
  AddText(keys, "storage.node",
          "name of this node in manifests and leases, another for each node of a bucket; empty: made of the names of "
          "machine and data directory",
          AKI_AT(node));
}

void AddEngineKeys(Keys& keys) {
  AddSize(keys, "engine.wal_file_bytes", "size of one log file, preallocated", AKI_AT(engine.wal_file_bytes));
  AddSize(keys, "engine.seal_bytes", "growing bytes of a collection that trigger a flush", AKI_AT(engine.seal_bytes));
  AddDuration(keys, "engine.seal_age", "age of the oldest unflushed row that triggers a flush",
              AKI_AT(engine.seal_age));
  AddDuration(keys, "engine.trim_delay", "time between a manifest's write and its re-read before the log is trimmed",
              AKI_AT(engine.trim_delay));
  AddDuration(
      keys, "engine.home_confirm",
      "how long the home of a collection with ack=local on a bucket acknowledges without reading that it still is it",
      AKI_AT(engine.home_confirm));
  AddDuration(keys, "engine.gc_grace", "how long an unreferenced object is kept", AKI_AT(engine.gc_grace));
  AddDuration(keys, "engine.gc_interval", "time between two garbage collections", AKI_AT(engine.gc_interval));
  AddCount(keys, "engine.retain_versions", "newest versions that can be read with `at` without a snapshot",
           AKI_AT(engine.retain_versions));
  AddDuration(keys, "engine.retain_age", "how long a version that was replaced can be read with `at`",
              AKI_AT(engine.retain_age));
  AddCount(keys, "engine.index_rows_min", "segments with fewer rows are scanned, which is exact; others get an index",
           AKI_AT(engine.index_rows_min));
  AddCount(keys, "engine.merge_fanout", "segments of one size class that are merged together",
           AKI_AT(engine.merge_fanout));
  AddSize(keys, "engine.segment_bytes_max", "merges do not build larger segments", AKI_AT(engine.segment_bytes_max));
  AddRatio(keys, "engine.merge_deleted_ratio", "share of deleted rows that rewrites a segment alone",
           AKI_AT(engine.merge_deleted_ratio));
  AddSize(keys, "engine.payload_cache_bytes", "memory for decompressed payload blocks",
          AKI_AT(engine.payload_cache_bytes));
  AddSize(keys, "engine.column_cache_bytes", "memory for payload columns that filters use, and for what they found",
          AKI_AT(engine.column_cache_bytes));
}

constexpr std::array<std::pair<std::string_view, s3::AddressStyle>, 2> kAddressStyles = {
    {{"path", s3::AddressStyle::kPath}, {"virtual", s3::AddressStyle::kVirtual}}};
constexpr std::array<std::pair<std::string_view, s3::LockMode>, 3> kLockModes = {
    {{"none", s3::LockMode::kNone},
     {"governance", s3::LockMode::kGovernance},
     {"compliance", s3::LockMode::kCompliance}}};
constexpr std::array<std::pair<std::string_view, bool>, 2> kYesNo = {{{"no", false}, {"yes", true}}};

void AddS3Keys(Keys& keys) {
  AddEndpoints(keys);
  AddText(keys, "s3.region", "region that requests are signed for", AKI_AT(s3.region));
  AddText(keys, "s3.bucket", "bucket of a store whose URL names none", AKI_AT(s3.bucket));
  AddChoice(keys, "s3.address_style", "path: HOST/BUCKET/KEY, as MinIO has it; virtual: BUCKET.HOST/KEY",
            kAddressStyles, AKI_AT(s3.style));
  AddText(keys, "s3.ca_file", "PEM certificates that https endpoints are checked against; empty: the system's",
          AKI_AT(s3.dial.ca_file));
  AddSecret(keys, "s3.access_key", "access key", AKI_AT(s3.credentials.access_key));
  AddSecret(keys, "s3.secret_key", "secret key", AKI_AT(s3.credentials.secret_key));
  AddSecret(keys, "s3.session_token", "session token of short-lived keys", AKI_AT(s3.credentials.session_token));
  AddText(keys, "s3.credentials_file", "AWS credentials file, used if there is no access key; read again when refused",
          AKI_AT(s3.credentials.file));
  AddText(keys, "s3.profile", "profile in the credentials file", AKI_AT(s3.credentials.profile));
  AddText(keys, "s3.role_arn", "role to assume over STS with the keys above, or with the web identity",
          AKI_AT(s3.credentials.role_arn));
  AddText(keys, "s3.role_session_name", "name of the session of an assumed role",
          AKI_AT(s3.credentials.role_session_name));
  AddText(keys, "s3.web_identity_token_file", "file with a token for AssumeRoleWithWebIdentity",
          AKI_AT(s3.credentials.web_identity_token_file));
  AddText(keys, "s3.sts_endpoint", "where STS listens; empty: at s3.endpoint", AKI_AT(s3.credentials.sts_endpoint));
  AddDuration(keys, "s3.session_duration", "life of what STS issues; renewed before it ends",
              AKI_AT(s3.credentials.session_duration));
  AddDuration(keys, "s3.connect_timeout", "how long a connection may take to be made", AKI_AT(s3.dial.connect_timeout));
  AddDuration(keys, "s3.stall_timeout", "how long a connection may be silent inside a request",
              AKI_AT(s3.dial.stall_timeout));
  AddDuration(keys, "s3.dns_ttl", "how long a resolved address is used", AKI_AT(s3.dial.dns_ttl));
  AddSize(keys, "s3.part_bytes", "objects above this are uploaded in parts of it", AKI_AT(s3.part_bytes));
  AddCount(keys, "s3.parts_in_flight", "parts of one object that are uploaded at once; each is held in memory",
           AKI_AT(s3.parts_in_flight));
  AddText(keys, "s3.sse_kms_key", "key of the store's KMS that objects are encrypted with", AKI_AT(s3.sse_kms_key));
  AddChoice(keys, "s3.lock_mode", "Object Lock of objects written, but logs and leases: none, governance or compliance",
            kLockModes, AKI_AT(s3.lock.mode));
  AddDuration(keys, "s3.lock_retain", "how long that lock lasts", AKI_AT(s3.lock.retain));
  AddChoice(keys, "s3.lock_legal_hold", "yes: a legal hold too; needs s3.lock_mode", kYesNo,
            AKI_AT(s3.lock.legal_hold));
  AddChoice(keys, "s3.require_versioning", "yes: refuse to start on a bucket without versioning", kYesNo,
            AKI_AT(s3.require_versioning));
}

void AddCacheKeys(Keys& keys) {
  AddText(keys, "cache.dir", "blocks of a bucket's objects; may be deleted at any time; empty: DATA_DIR/cache",
          AKI_AT(cache_dir));
  AddSize(keys, "cache.bytes_max", "size of the cache on disk; 0: none", AKI_AT(cache_bytes_max));
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
  AddCount(keys, "limits.snapshots_max", "snapshots of one collection", AKI_AT(engine.limits.snapshots_max));
  AddSize(keys, "limits.unflushed_bytes_max", "unflushed bytes beyond which writes get 429",
          AKI_AT(engine.limits.unflushed_bytes_max));
  AddSize(keys, "limits.at_risk_bytes_max",
          "unflushed bytes of collections that are bound to this node beyond which their writes get 429",
          AKI_AT(engine.limits.at_risk_bytes_max));
  AddCount(keys, "limits.at_risk_age_ms_max", "likewise, of the age of the oldest of them",
           AKI_AT(engine.limits.at_risk_age_ms_max));
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
    AddCacheKeys(all);
    AddS3Keys(all);
    AddLimitKeys(all);
    return all;
  }();
  return keys;
}

}  // namespace akidb
