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

void WriteBreakerMetrics(const BreakerSnapshot& breaker, PrometheusText* text) {
  text->Family("akidb_circuit_breaker_state", "gauge", "Of the object store: 0 closed, 1 open, 2 half open.");
  text->Sample("akidb_circuit_breaker_state", "", static_cast<uint64_t>(breaker.state));
  text->Family("akidb_circuit_breaker_refused_total", "counter", "Requests that were not sent because it was open.");
  text->Sample("akidb_circuit_breaker_refused_total", "", breaker.refused);
}

void WriteLaneMetrics(const std::array<LaneSnapshot, kPriorityCount>& lanes, PrometheusText* text) {
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help, const auto& value_of) {
    text->Family(name, type, help);
    for (size_t i = 0; i < lanes.size(); ++i)
      text->Sample(name, MetricLabel("lane", kLaneNames[i]), value_of(lanes[i]));
  };
  each("akidb_storage_lane_in_flight", "gauge", "Requests on their way to the object store.",
       [](const LaneSnapshot& lane) { return static_cast<uint64_t>(lane.in_flight); });
  each("akidb_storage_lane_waiting", "gauge", "Requests that wait for others to end.",
       [](const LaneSnapshot& lane) { return static_cast<uint64_t>(lane.waiting); });
  each("akidb_storage_lane_wait_seconds_total", "counter", "Time that requests waited for others to end.",
       [](const LaneSnapshot& lane) { return std::chrono::duration<double>(lane.wait_sum).count(); });
}

void WriteHedgeMetrics(const HedgeSnapshot& hedge, PrometheusText* text) {
  const auto count = [&](std::string_view name, std::string_view help, uint64_t value) {
    text->Family(name, "counter", help);
    text->Sample(name, "", value);
  };
  count("akidb_storage_hedged_reads_total", "Late reads of the object store that were sent a second time.",
        hedge.hedged);
  count("akidb_storage_hedge_wins_total", "Second requests that were answered first.", hedge.won);
  count("akidb_storage_hedges_withheld_total", "Late reads that were not sent again, to spare the store.",
        hedge.withheld);
}

void WriteCacheMetrics(const BlockCacheStats& cache, PrometheusText* text) {
  const std::string tier = MetricLabel("tier", "disk");
  const auto count = [&](std::string_view name, std::string_view type, std::string_view help, uint64_t value) {
    text->Family(name, type, help);
    text->Sample(name, tier, value);
  };
  const uint64_t asked = cache.hits + cache.misses;
  text->Family("akidb_cache_hit_ratio", "gauge", "Share of blocks that were there when they were asked for.");
  text->Sample("akidb_cache_hit_ratio", tier, asked == 0 ? 0.0 : static_cast<double>(cache.hits) / asked);
  count("akidb_cache_hits_total", "counter", "Blocks read from the cache.", cache.hits);
  count("akidb_cache_misses_total", "counter", "Blocks fetched from the store.", cache.misses);
  count("akidb_cache_evictions_total", "counter", "Blocks that made room for others.", cache.evictions);
  count("akidb_cache_corruptions_total", "counter", "Blocks dropped because their checksum was wrong.",
        cache.corruptions);
  count("akidb_cache_size_bytes", "gauge", "Bytes of the cache's files.", cache.used_bytes);
  count("akidb_cache_size_bytes_max", "gauge", "What they may become.", cache.size_max);
}

}  // namespace akidb
