#include "server/store_metrics.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "base/json_writer.h"

namespace akidb {
namespace {

std::string OutcomeLabel(size_t code) {
  std::string name(StatusCodeName(static_cast<StatusCode>(code)));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

void WriteOperations(const StoreSnapshot& snapshot, PrometheusText* text) {
  text->Family("akidb_storage_operations_total", "counter", "Requests to the object store by outcome.");
  for (size_t op = 0; op < kStoreOpCount; ++op) {
    for (size_t code = 0; code < kStatusCodeCount; ++code) {
      const uint64_t count = snapshot[op].outcomes[code].count;
      if (count == 0 && code != 0) continue;
      text->Sample("akidb_storage_operations_total",
                   MetricLabel("operation", kStoreOpNames[op]) + "," + MetricLabel("outcome", OutcomeLabel(code)),
                   count);
    }
  }
}

void WriteLatencies(const StoreSnapshot& snapshot, PrometheusText* text) {
  constexpr std::string_view kName = "akidb_storage_latency_seconds";
  text->Family(kName, "histogram", "Time of requests to the object store, whatever their outcome.");
  for (size_t op = 0; op < kStoreOpCount; ++op) {
    const std::string label = MetricLabel("operation", kStoreOpNames[op]);
    uint64_t below = 0;
    for (size_t bucket = 0; bucket <= kStoreLatencyBounds.size(); ++bucket) {
      for (const auto& outcome : snapshot[op].outcomes) below += outcome.latency_buckets[bucket];
      std::string bound = "+Inf";
      if (bucket < kStoreLatencyBounds.size()) {
        bound.clear();
        AppendJsonNumber(kStoreLatencyBounds[bucket], &bound);
      }
      text->Sample(std::string(kName) + "_bucket", label + "," + MetricLabel("le", bound), below);
    }
    double seconds = 0;
    for (const auto& outcome : snapshot[op].outcomes) {
      seconds += std::chrono::duration<double>(outcome.latency_sum).count();
    }
    text->Sample(std::string(kName) + "_sum", label, seconds);
    text->Sample(std::string(kName) + "_count", label, below);
  }
}

}  // namespace

void WriteStoreMetrics(const StoreSnapshot& snapshot, PrometheusText* text) {
  WriteOperations(snapshot, text);
  WriteLatencies(snapshot, text);
  uint64_t read = 0;
  uint64_t written = 0;
  for (const StoreOpSnapshot& op : snapshot) {
    read += op.read_bytes;
    written += op.written_bytes;
  }
  text->Family("akidb_storage_bytes_total", "counter", "Bytes read from and written to the object store.");
  text->Sample("akidb_storage_bytes_total", MetricLabel("direction", "read"), read);
  text->Sample("akidb_storage_bytes_total", MetricLabel("direction", "written"), written);
}

}  // namespace akidb
