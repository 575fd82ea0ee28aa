// Every limit has its name here; GET /limits and the metrics export them, the configuration may lower or raise the
// marked ones at start-up.
//
// Threads: constants, and a struct copied at wiring.
// Errors:  none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace akidb {

struct Limits {
  uint32_t vector_dim_max = 16384;
  uint32_t top_k_max = 10000;  // offset + top_k
  uint32_t vectors_per_request_max = 10000;
  uint64_t request_bytes_max = 32ull << 20;
  uint32_t payload_bytes_max = 256u << 10;
  uint32_t payload_depth_max = 64;
  uint32_t id_bytes_max = 512;
  uint32_t filter_depth_max = 32;
  uint32_t filter_nodes_max = 1000;
  uint32_t filter_values_max = 10000;  // values in any / has_id lists, all leaves together
  uint32_t queries_per_batch_max = 1000;
  uint32_t scroll_limit_max = 10000;
  uint32_t collection_name_bytes_max = 255;
  uint32_t collections_max = 100000;
  uint32_t snapshots_max = 1000;              // of one collection
  uint64_t unflushed_bytes_max = 1ull << 30;  // back-pressure: 429 beyond it
  uint64_t at_risk_bytes_max = 256ull << 20;  // likewise, of what only a node's disk has (ack=local on a bucket)
  uint32_t at_risk_age_ms_max = 300'000;      // likewise, of the oldest of it
  uint64_t wal_bytes_max = 16ull << 30;       // un-trimmed log on the local disk
  uint32_t timeout_ms_default = 10000;
  uint32_t timeout_ms_max = 600000;
  uint32_t connections_max = 4096;
  uint32_t header_bytes_max = 16u << 10;
};

}  // namespace akidb
