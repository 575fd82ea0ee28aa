// The numbers of the object store in the words of Prometheus.
//
// Threads: pure function.
// Errors:  none.
#pragma once

#include <array>

#include "cache/block_cache.h"
#include "objstore/breaker_store.h"
#include "objstore/hedge_store.h"
#include "objstore/lane_store.h"
#include "objstore/metrics_store.h"
#include "service/core/metrics.h"

namespace akidb {

// akidb_storage_operations_total{operation,outcome}, akidb_storage_latency_seconds{operation},
// akidb_storage_bytes_total{direction}.
void WriteStoreMetrics(const StoreSnapshot& snapshot, PrometheusText* text);
// akidb_circuit_breaker_state, akidb_circuit_breaker_refused_total.
void WriteBreakerMetrics(const BreakerSnapshot& breaker, PrometheusText* text);
// akidb_storage_lane_*{lane}: requests in flight and waiting, and how long they waited.
void WriteLaneMetrics(const std::array<LaneSnapshot, kPriorityCount>& lanes, PrometheusText* text);
// akidb_storage_hedge*_total.
void WriteHedgeMetrics(const HedgeSnapshot& hedge, PrometheusText* text);
// akidb_cache_*{tier="disk"}; akidb_cache_hit_ratio over the life of the process.
void WriteCacheMetrics(const BlockCacheStats& cache, PrometheusText* text);

}  // namespace akidb
