// The verdict between starts.
#include <optional>

#include "objstore/probe/store_probe.h"

namespace akidb {
namespace {

// Nullopt if there is none, if it is of other checks or another store, or if it does not hold any more.
Result<std::optional<StoreVerdict>> RecheckVerdict(OpContext& ctx, ObjectStore& store) {
  const std::string key(kVerdictKey);
  const Result<ObjectBody> body = store.Get(ctx, key, kVerdictBytesMax);
  if (!body) {
    // A 404 may be a lie, but the worst that follows from it is a probe.
    const StatusCode code = body.error().code();
    if (code == StatusCode::kNotFound || code == StatusCode::kResourceExhausted) return std::nullopt;
    return std::unexpected(body.error());
  }
  Result<StoreVerdict> verdict = DecodeStoreVerdict(body->bytes);
  if (!verdict || verdict->store != store.kind()) return std::nullopt;
  if (!verdict->several_nodes()) return *std::move(verdict);
  // It was seen to refuse a second create. If it takes one today, the same bytes are there afterwards.
  const Result<ObjectMeta> again = store.Put(ctx, key, body->bytes, PutCondition::IfAbsent());
  if (again) return std::nullopt;
  if (again.error().code() == StatusCode::kAborted) return *std::move(verdict);
  return std::unexpected(again.error());
}

}  // namespace

Result<StoreVerdict> EnsureStoreVerdict(OpContext& ctx, ObjectStore& store, Random& random,
                                        const StoreProbeOptions& options) {
  AKI_ASSIGN_OR_RETURN(std::optional<StoreVerdict> held, RecheckVerdict(ctx, store));
  if (held) return *std::move(held);
  AKI_ASSIGN_OR_RETURN(StoreVerdict verdict, ProbeStore(ctx, store, random, options));
  AKI_RETURN_IF_ERROR(store.Put(ctx, std::string(kVerdictKey), EncodeStoreVerdict(verdict), PutCondition::None()));
  return verdict;
}

}  // namespace akidb
