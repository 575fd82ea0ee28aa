// The numbers of the object store in the words of Prometheus.
//
// Threads: pure function.
// Errors:  none.
#pragma once

#include "cache/block_cache.h"
#include "objstore/breaker_store.h"
#include "objstore/metrics_store.h"
#include "service/core/metrics.h"

namespace akidb {

// akidb_storage_operations_total{operation,outcome}, akidb_storage_latency_seconds{operation},
// akidb_storage_bytes_total{direction}.
void WriteStoreMetrics(const StoreSnapshot& snapshot, PrometheusText* text);
// akidb_circuit_breaker_state, akidb_circuit_breaker_refused_total.
void WriteBreakerMetrics(const BreakerSnapshot& breaker, PrometheusText* text);
// akidb_cache_*{tier="disk"}; akidb_cache_hit_ratio over the life of the process.
void WriteCacheMetrics(const BlockCacheStats& cache, PrometheusText* text);

}  // namespace akidb
