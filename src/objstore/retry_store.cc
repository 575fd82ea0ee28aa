#include "objstore/retry_store.h"

#include <algorithm>

namespace akidb {
namespace {

const Status* ErrorOf(const Status& status) { return status.ok() ? nullptr : &status; }
template <class T>
const Status* ErrorOf(const Result<T>& result) {
  return result ? nullptr : &result.error();
}

Status WithError(const Status&, Status error) { return error; }
template <class T>
Result<T> WithError(const Result<T>&, Status error) {
  return std::unexpected(std::move(error));
}

// What a repetition after an unknown effect would do.
enum class Repeated : uint8_t { kHarmless, kLosesAgainstItself };

class RetryStore final : public ObjectStore {
 public:
  RetryStore(std::unique_ptr<ObjectStore> base, const RetryPolicy& policy, Random& random,
             std::function<void(Duration)> sleep)
      : base_(std::move(base)), policy_(policy), random_(random), sleep_(std::move(sleep)) {}

  std::string_view kind() const override { return base_->kind(); }

  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    return Run(ctx, Repeated::kHarmless, [&] { return base_->Get(ctx, key, size_max); });
  }
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    return Run(ctx, Repeated::kHarmless, [&] { return base_->GetRange(ctx, key, range, version_id, out); });
  }
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override {
    return Run(ctx, Repeated::kHarmless, [&] { return base_->Head(ctx, key); });
  }
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    const bool conditional = condition.kind != PutCondition::Kind::kNone;
    return Run(ctx, conditional ? Repeated::kLosesAgainstItself : Repeated::kHarmless,
               [&] { return base_->Put(ctx, key, body, condition); });
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override {
    return Run(ctx, Repeated::kHarmless, [&] { return base_->OpenWriter(ctx, key); });
  }
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    return Run(ctx, Repeated::kHarmless, [&] { return base_->List(ctx, prefix, start_after, keys_max); });
  }
  Status Delete(OpContext& ctx, const std::string& key) override {
    return Run(ctx, Repeated::kHarmless, [&] { return base_->Delete(ctx, key); });
  }
  Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) override {
    return Run(ctx, Repeated::kHarmless, [&] { return base_->DeleteVersion(ctx, key, version_id); });
  }

 private:
  template <class Call>
  auto Run(OpContext& ctx, Repeated repeated, const Call& call) -> decltype(call()) {
    bool effect_unknown = false;
    for (int attempt = 1;; ++attempt) {
      auto result = call();
      const Status* const error = ErrorOf(result);
      if (error == nullptr) return result;
      effect_unknown |= error->effect() == Effect::kUnknown;
      const bool repeat = IsTransient(*error) && !(effect_unknown && repeated == Repeated::kLosesAgainstItself) &&
                          attempt < policy_.attempts_max && Pause(ctx, attempt);
      if (repeat) continue;
      if (!effect_unknown) return result;
      return WithError(result, Status(*error).WithEffectUnknown());
    }
  }

  static bool IsTransient(const Status& error) {
    return error.retry() == Retry::kBackoff &&
           (error.code() == StatusCode::kUnavailable || error.code() == StatusCode::kDeadlineExceeded);
  }

  // False if the operation has no time left for the pause.
  bool Pause(OpContext& ctx, int attempt) {
    Duration longest = policy_.backoff_first;
    for (int i = 1; i < attempt && longest < policy_.backoff_max; ++i) longest *= 2;
    longest = std::max(std::min(longest, policy_.backoff_max), Duration(1));
    const Duration half = longest / 2;
    const Duration pause = half + Duration(random_.Below(static_cast<uint64_t>((longest - half).count()) + 1));
    if (!ctx.Check().ok() || ctx.deadline() - ctx.clock().Now() <= pause) return false;
    sleep_(pause);
    return ctx.Check().ok();
  }

  const std::unique_ptr<ObjectStore> base_;
  const RetryPolicy policy_;
  Random& random_;
  const std::function<void(Duration)> sleep_;
};

}  // namespace

std::unique_ptr<ObjectStore> NewRetryStore(std::unique_ptr<ObjectStore> base, const RetryPolicy& policy, Random& random,
                                           std::function<void(Duration)> sleep) {
  return std::make_unique<RetryStore>(std::move(base), policy, random, std::move(sleep));
}

}  // namespace akidb
