// Counts what goes through an object store, by call and outcome, and how long it took.
// It exists so that cost (requests, bytes) and health of a bucket are read at one place, whatever the store.
//
// Threads: thread-safe if the store below is. A snapshot is not a single instant: each number is exact, sums may be
//          apart by calls in flight.
// Errors:  those of the store below.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "objstore/object_store.h"
#include "objstore/store_op.h"

namespace akidb {

// Upper bounds of the latency buckets, in seconds; one more bucket takes the rest.
inline constexpr std::array<double, 16> kStoreLatencyBounds = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0};
inline constexpr size_t kStatusCodeCount = 17;

struct StoreOpSnapshot {
  // One call with one outcome.
  struct Outcome {
    uint64_t count = 0;
    Duration latency_sum{};
    std::array<uint64_t, kStoreLatencyBounds.size() + 1> latency_buckets{};  // not cumulative
  };
  std::array<Outcome, kStatusCodeCount> outcomes;  // by StatusCode
  uint64_t read_bytes = 0;                         // of successful calls
  uint64_t written_bytes = 0;
};

// By StoreOp.
using StoreSnapshot = std::array<StoreOpSnapshot, kStoreOpCount>;

class MetricsStore final : public ObjectStore {
 public:
  MetricsStore(std::unique_ptr<ObjectStore> base, Clock& clock);

  StoreSnapshot Snapshot() const;

  std::string_view kind() const override { return base_->kind(); }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override;
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override;
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override;
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override;
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override;
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override;
  Status Delete(OpContext& ctx, const std::string& key) override;
  Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) override;

 private:
  class Writer;
  struct OutcomeCounters {
    std::atomic<uint64_t> latency_sum_ns = 0;
    std::array<std::atomic<uint64_t>, kStoreLatencyBounds.size() + 1> latency_buckets{};
  };
  struct OpCounters {
    std::array<OutcomeCounters, kStatusCodeCount> outcomes;
    std::atomic<uint64_t> read_bytes = 0;
    std::atomic<uint64_t> written_bytes = 0;
  };

  template <class Call>
  auto Timed(StoreOp op, const Call& call) -> decltype(call());
  void Count(StoreOp op, StatusCode outcome, Duration latency);
  OpCounters& counters(StoreOp op) { return counters_[Index(op)]; }

  const std::unique_ptr<ObjectStore> base_;
  Clock& clock_;
  std::array<OpCounters, kStoreOpCount> counters_;
};

}  // namespace akidb
