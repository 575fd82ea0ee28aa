#include <array>
#include <charconv>

#include "service/core/answers.h"
#include "service/core/handlers.h"
#include "service/core/openapi.h"
#include "service/core/service.h"

namespace akidb {
namespace {

// Resident bytes of this process, 0 where the system does not say.
uint64_t ResidentBytes(FileSystem& fs) {
  constexpr uint64_t kPageBytes = 4096;
  const Result<std::unique_ptr<File>> file = fs.Open("/proc/self/statm", OpenMode::kRead);
  if (!file) return 0;
  std::array<char, 128> text{};
  const Result<size_t> size = (*file)->ReadAt(0, text.size(), text.data());
  if (!size) return 0;
  const std::string_view line(text.data(), *size);
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return 0;
  uint64_t pages = 0;
  std::from_chars(line.data() + space + 1, line.data() + line.size(), pages);
  return pages * kPageBytes;
}

}  // namespace

Status HealthLive(Service&, const CallPtr& call) {
  call->Reply(200, R"({"status":"live"})");
  return OkStatus();
}

Status HealthReady(Service& service, const CallPtr& call) {
  // Checks may ask the store, so they do not hold an I/O thread.
  service.queue().Post([&service, call] {
    call->Guard([&]() -> Status {
      std::string dependencies;
      JsonWriter writer(&dependencies);
      writer.BeginObject();
      bool ready = true;
      const auto report = [&](std::string_view name, const Status& status) {
        ready = ready && status.ok();
        writer.Key(name).BeginObject().Key("status").Value(status.ok() ? "ok" : "failed");
        if (!status.ok()) writer.Key("detail").Value(status.message());
        writer.EndObject();
      };
      report("server", service.draining() ? Unavailable("the server is shutting down") : OkStatus());
      const Limits& limits = service.limits();
      const uint64_t log_bytes = service.database().wal_stats().live_bytes;
      report("log", log_bytes < limits.wal_bytes_max
                        ? OkStatus()
                        : Unavailable("the write-ahead log has " + std::to_string(log_bytes) +
                                      " bytes; wal_bytes_max is " + std::to_string(limits.wal_bytes_max)));
      for (const HealthCheck& check : service.options().health_checks) report(check.name, check.check());
      writer.EndObject();
      std::string json;
      JsonWriter answer(&json);
      answer.BeginObject()
          .Key("status")
          .Value(ready ? "ready" : "not_ready")
          .Key("dependencies")
          .Raw(dependencies)
          .EndObject();
      call->Reply(ready ? 200 : 503, std::move(json));
      return OkStatus();
    });
  });
  return OkStatus();
}

Status ShowLimits(Service& service, const CallPtr& call) {
  const Limits& limits = service.limits();
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject();
  writer.Key("vector_dim_max").Value(limits.vector_dim_max);
  writer.Key("top_k_max").Value(limits.top_k_max);
  writer.Key("vectors_per_request_max").Value(limits.vectors_per_request_max);
  writer.Key("request_bytes_max").Value(limits.request_bytes_max);
  writer.Key("payload_bytes_max").Value(limits.payload_bytes_max);
  writer.Key("payload_depth_max").Value(limits.payload_depth_max);
  writer.Key("id_bytes_max").Value(limits.id_bytes_max);
  writer.Key("filter_depth_max").Value(limits.filter_depth_max);
  writer.Key("filter_nodes_max").Value(limits.filter_nodes_max);
  writer.Key("filter_values_max").Value(limits.filter_values_max);
  writer.Key("queries_per_batch_max").Value(limits.queries_per_batch_max);
  writer.Key("scroll_limit_max").Value(limits.scroll_limit_max);
  writer.Key("collection_name_bytes_max").Value(limits.collection_name_bytes_max);
  writer.Key("collections_max").Value(limits.collections_max);
  writer.Key("snapshots_max").Value(limits.snapshots_max);
  writer.Key("unflushed_bytes_max").Value(limits.unflushed_bytes_max);
  writer.Key("at_risk_bytes_max").Value(limits.at_risk_bytes_max);
  writer.Key("at_risk_age_ms_max").Value(limits.at_risk_age_ms_max);
  writer.Key("wal_bytes_max").Value(limits.wal_bytes_max);
  writer.Key("timeout_ms_default").Value(limits.timeout_ms_default);
  writer.Key("timeout_ms_max").Value(limits.timeout_ms_max);
  writer.Key("connections_max").Value(limits.connections_max);
  writer.Key("header_bytes_max").Value(limits.header_bytes_max);
  writer.EndObject();
  call->Reply(200, std::move(json));
  return OkStatus();
}

Status ShowMetrics(Service& service, const CallPtr& call) {
  service.cursors().Purge();
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = service.metrics().Text();
  call->Answer(std::move(response));
  return OkStatus();
}

Status ShowVersion(Service& service, const CallPtr& call) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject();
  writer.Key("name").Value("akidb");
  writer.Key("version").Value(service.options().version);
  writer.Key("commit").Value(service.options().commit);
  writer.EndObject();
  call->Reply(200, std::move(json));
  return OkStatus();
}

Status ShowOpenApi(Service&, const CallPtr& call) {
  call->Reply(200, std::string(OpenApiJson()));
  return OkStatus();
}

void Service::CollectEngine(PrometheusText& text) {
  uint64_t rows = 0;
  uint64_t growing = 0;
  uint64_t segments = 0;
  uint64_t memory = 0;
  uint64_t snapshots = 0;
  Duration age{};
  const std::vector<std::shared_ptr<Collection>> loaded = database_.Loaded();
  for (const auto& collection : loaded) {
    const CollectionStats stats = collection->stats();
    rows += stats.live_rows;
    growing += stats.growing_rows;
    segments += stats.segment_count;
    memory += stats.memory_bytes;
    snapshots += stats.snapshot_count;
    // On a bucket the log is there too, unless the collection is bound to this node.
    if (collection->ack() == AckLevel::kLocal) age = std::max(age, stats.unflushed_age);
  }
  const WalStats wal = database_.wal_stats();
  const auto number = [](uint64_t n) { return static_cast<double>(n); };
  text.Single("akidb_collections_loaded", "gauge", "Collections open in memory.", number(loaded.size()));
  text.Single("akidb_index_vectors_total", "gauge", "Live vectors of all loaded collections.", number(rows));
  text.Single("akidb_growing_vectors", "gauge", "Rows not yet in a segment.", number(growing));
  text.Single("akidb_segments", "gauge", "Segments that the manifests of loaded collections name.", number(segments));
  text.Single("akidb_snapshots", "gauge", "Snapshots of loaded collections.", number(snapshots));
  text.Single("akidb_collections_memory_bytes", "gauge", "Memory of loaded collections.", number(memory));
  text.Family("akidb_wal_operations_total", "counter", "Operations of the write-ahead log.");
  text.Sample("akidb_wal_operations_total", MetricLabel("operation", "append"), wal.records_appended);
  text.Sample("akidb_wal_operations_total", MetricLabel("operation", "sync"), wal.groups_synced);
  text.Sample("akidb_wal_operations_total", MetricLabel("operation", "replay"), wal.replayed_records);
  text.Single("akidb_wal_appended_bytes_total", "counter", "Bytes appended to the write-ahead log.",
              number(wal.bytes_appended));
  text.Single("akidb_wal_size_bytes", "gauge", "Bytes of the write-ahead log not yet trimmed.", number(wal.live_bytes));
  text.Single("akidb_at_risk_bytes", "gauge", "Acknowledged bytes that only the local log holds.",
              number(database_.at_risk_bytes()));
  text.Single("akidb_at_risk_age_seconds", "gauge", "Age of the oldest write that only the local log holds.",
              std::chrono::duration<double>(std::max(age, database_.at_risk_age())).count());
  text.Single("akidb_local_records_discarded_total", "counter",
              "Acknowledged log records that were lost when their collection was rebound to another node.",
              number(database_.discarded_records()));
  if (NodeLeases* nodes = database_.nodes()) {
    const NodeLeaseStats lease = nodes->stats();
    text.Single("akidb_takeovers_total", "counter", "How often this node became the writer of a collection.",
                number(database_.takeovers()));
    text.Single("akidb_lease_heartbeats_total", "counter", "Leases that this node wrote.", number(lease.heartbeats));
    text.Single("akidb_lease_age_seconds", "gauge", "Since this node's last heartbeat; 0 without one.",
                std::chrono::duration<double>(lease.own_age).count());
    text.Single("akidb_peer_lease_age_seconds", "gauge",
                "How long the stillest lease of the writers that requests go to has not moved.",
                std::chrono::duration<double>(lease.oldest_peer).count());
  }
  text.Single("akidb_scroll_cursors", "gauge", "Scrolls in progress.", number(cursors_.size()));
  if (const uint64_t resident = env_.fs != nullptr ? ResidentBytes(*env_.fs) : 0; resident > 0) {
    text.Single("akidb_memory_resident_bytes", "gauge", "Resident memory of the process.", number(resident));
  }
}

}  // namespace akidb
