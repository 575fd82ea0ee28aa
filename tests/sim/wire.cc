#include "wire.h"

namespace akidb::sim {

namespace {

// Long enough to be never, unless the bucket is told to deliver.
constexpr Duration kNever = std::chrono::hours(24 * 365);

Status NoAnswer(const WireRequest& request) {
  Status status = DeadlineExceeded("no answer for " + request.key);
  return request.write != nullptr ? std::move(status).WithEffectUnknown() : std::move(status);
}

template <class T>
T Failed(Status status) {
  if constexpr (std::is_same_v<T, Status>) {
    return status;
  } else {
    return std::unexpected(std::move(status));
  }
}

}  // namespace

template <class Call>
auto Wire::Pass(const WireRequest& request, const Call& call) -> decltype(call()) {
  using Answer = decltype(call());
  const Fate fate = outbound_ ? outbound_(request) : Fate::kSend;
  switch (fate) {
    case Fate::kRefuse: return Failed<Answer>(Unavailable("503 for " + request.key));
    case Fate::kLate:
      if (request.write != nullptr) bucket_->SendLate(*request.write, kNever);
      return Failed<Answer>(NoAnswer(request));
    case Fate::kLose: return Failed<Answer>(NoAnswer(request));
    case Fate::kSend:
    case Fate::kTwice:
    case Fate::kLoseAnswer: break;
  }
  Answer answer = call();
  if (fate == Fate::kTwice && request.write != nullptr) answer = call();
  if (inbound_) inbound_(request);
  if (fate == Fate::kLoseAnswer) return Failed<Answer>(NoAnswer(request));
  return answer;
}

Result<ObjectBody> Wire::Get(OpContext& ctx, const std::string& key, uint64_t size_max) {
  return Pass({StoreOp::kGet, key}, [&] { return base_->Get(ctx, key, size_max); });
}

Status Wire::GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                      char* out) {
  return Pass({StoreOp::kGetRange, key}, [&] { return base_->GetRange(ctx, key, range, version_id, out); });
}

Result<ObjectMeta> Wire::Head(OpContext& ctx, const std::string& key) {
  return Pass({StoreOp::kHead, key}, [&] { return base_->Head(ctx, key); });
}

Result<ObjectMeta> Wire::Put(OpContext& ctx, const std::string& key, std::string_view body,
                             const PutCondition& condition) {
  const BucketWrite write{BucketWrite::Kind::kPut, key, std::string(body), condition};
  return Pass({StoreOp::kPut, key, &write}, [&] { return base_->Put(ctx, key, body, condition); });
}

Result<std::unique_ptr<ObjectWriter>> Wire::OpenWriter(OpContext& /*ctx*/, const std::string& key) {
  AKI_RETURN_IF_ERROR(ValidateObjectKey(key));
  return NewGatheringWriter(*this, key);
}

Result<ListPage> Wire::List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                            uint32_t keys_max) {
  return Pass({StoreOp::kList, prefix}, [&] { return base_->List(ctx, prefix, start_after, keys_max); });
}

Status Wire::Delete(OpContext& ctx, const std::string& key) {
  const BucketWrite write{BucketWrite::Kind::kDelete, key, {}, {}};
  return Pass({StoreOp::kDelete, key, &write}, [&] { return base_->Delete(ctx, key); });
}

}  // namespace akidb::sim
