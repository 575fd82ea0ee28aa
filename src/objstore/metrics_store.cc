#include "objstore/metrics_store.h"

#include <algorithm>

#include "objstore/kept_bytes.h"

namespace akidb {
namespace {

StatusCode CodeOf(const Status& status) { return status.code(); }
template <class T>
StatusCode CodeOf(const Result<T>& result) {
  return result ? StatusCode::kOk : result.error().code();
}

}  // namespace

MetricsStore::MetricsStore(std::unique_ptr<ObjectStore> base, Clock& clock) : base_(std::move(base)), clock_(clock) {}

template <class Call>
auto MetricsStore::Timed(StoreOp op, const Call& call) -> decltype(call()) {
  const MonotonicTime start = clock_.Now();
  auto result = call();
  Count(op, CodeOf(result), clock_.Now() - start);
  return result;
}

void MetricsStore::Count(StoreOp op, StatusCode outcome, Duration latency) {
  OutcomeCounters& counted = counters(op).outcomes[static_cast<size_t>(outcome)];
  const double seconds = std::chrono::duration<double>(latency).count();
  const auto bucket = std::ranges::lower_bound(kStoreLatencyBounds, seconds) - kStoreLatencyBounds.begin();
  counted.latency_buckets[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  counted.latency_sum_ns.fetch_add(static_cast<uint64_t>(latency.count()), std::memory_order_relaxed);
}

StoreSnapshot MetricsStore::Snapshot() const {
  StoreSnapshot snapshot;
  for (size_t op = 0; op < kStoreOpCount; ++op) {
    const OpCounters& from = counters_[op];
    StoreOpSnapshot& to = snapshot[op];
    to.read_bytes = from.read_bytes.load(std::memory_order_relaxed);
    to.written_bytes = from.written_bytes.load(std::memory_order_relaxed);
    for (size_t code = 0; code < kStatusCodeCount; ++code) {
      StoreOpSnapshot::Outcome& outcome = to.outcomes[code];
      outcome.latency_sum =
          Duration(static_cast<int64_t>(from.outcomes[code].latency_sum_ns.load(std::memory_order_relaxed)));
      for (size_t bucket = 0; bucket < outcome.latency_buckets.size(); ++bucket) {
        outcome.latency_buckets[bucket] = from.outcomes[code].latency_buckets[bucket].load(std::memory_order_relaxed);
        outcome.count += outcome.latency_buckets[bucket];
      }
    }
  }
  return snapshot;
}

class MetricsStore::Writer final : public ObjectWriter, public KeptBytesWriter {
 public:
  Writer(MetricsStore& store, std::unique_ptr<ObjectWriter> base) : store_(store), base_(std::move(base)) {}

  Status Append(OpContext& ctx, std::string_view bytes) override {
    return Counted(bytes, [&] { return base_->Append(ctx, bytes); });
  }
  Status AppendKept(OpContext& ctx, const KeptBytes& kept) override {
    return Counted(kept.bytes, [&] { return akidb::AppendKept(ctx, *base_, kept); });
  }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    return store_.Timed(StoreOp::kCommit, [&] { return base_->Commit(ctx, condition); });
  }

 private:
  template <class Append>
  Status Counted(std::string_view bytes, const Append& append) {
    Status status = store_.Timed(StoreOp::kAppend, append);
    if (status.ok()) store_.counters(StoreOp::kAppend).written_bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
    return status;
  }

  MetricsStore& store_;
  const std::unique_ptr<ObjectWriter> base_;
};

Result<ObjectBody> MetricsStore::Get(OpContext& ctx, const std::string& key, uint64_t size_max) {
  auto body = Timed(StoreOp::kGet, [&] { return base_->Get(ctx, key, size_max); });
  if (body) counters(StoreOp::kGet).read_bytes.fetch_add(body->bytes.size(), std::memory_order_relaxed);
  return body;
}

Status MetricsStore::GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                              char* out) {
  Status status = Timed(StoreOp::kGetRange, [&] { return base_->GetRange(ctx, key, range, version_id, out); });
  if (status.ok()) counters(StoreOp::kGetRange).read_bytes.fetch_add(range.size(), std::memory_order_relaxed);
  return status;
}

Result<ObjectMeta> MetricsStore::Head(OpContext& ctx, const std::string& key) {
  return Timed(StoreOp::kHead, [&] { return base_->Head(ctx, key); });
}

Result<ObjectMeta> MetricsStore::Put(OpContext& ctx, const std::string& key, std::string_view body,
                                     const PutCondition& condition) {
  auto meta = Timed(StoreOp::kPut, [&] { return base_->Put(ctx, key, body, condition); });
  if (meta) counters(StoreOp::kPut).written_bytes.fetch_add(body.size(), std::memory_order_relaxed);
  return meta;
}

Result<std::unique_ptr<ObjectWriter>> MetricsStore::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer,
                       Timed(StoreOp::kOpenWriter, [&] { return base_->OpenWriter(ctx, key); }));
  return std::make_unique<Writer>(*this, std::move(writer));
}

Result<ListPage> MetricsStore::List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                                    uint32_t keys_max) {
  return Timed(StoreOp::kList, [&] { return base_->List(ctx, prefix, start_after, keys_max); });
}

Status MetricsStore::Delete(OpContext& ctx, const std::string& key) {
  return Timed(StoreOp::kDelete, [&] { return base_->Delete(ctx, key); });
}

Status MetricsStore::DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) {
  return Timed(StoreOp::kDelete, [&] { return base_->DeleteVersion(ctx, key, version_id); });
}

}  // namespace akidb
