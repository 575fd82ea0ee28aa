// The numbers of the object store in the words of Prometheus.
//
// Threads: pure function.
// Errors:  none.
#pragma once

#include "objstore/metrics_store.h"
#include "service/core/metrics.h"

namespace akidb {

// akidb_storage_operations_total{operation,outcome}, akidb_storage_latency_seconds{operation},
// akidb_storage_bytes_total{direction}.
void WriteStoreMetrics(const StoreSnapshot& snapshot, PrometheusText* text);

}  // namespace akidb
