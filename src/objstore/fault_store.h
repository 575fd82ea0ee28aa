// An object store that misbehaves as real ones do, by a seed or by a script.
// It exists so that every answer a caller must survive can be given on purpose.
//
// Threads: thread-safe if the store below is; a seed replays only a single-threaded history.
// Errors:  those of the store below, and kUnavailable, reason "injected_fault".
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/random.h"
#include "objstore/object_store.h"
#include "objstore/store_op.h"

namespace akidb {

enum class Fault : uint8_t {
  kNone,
  kRefuse,       // 503 before anything happened: effect none
  kLoseRequest,  // nothing happened, but the caller cannot know: effect unknown of a write
  kLoseAnswer,   // it happened, but the caller cannot know: effect unknown of a write
  kTruncate,     // Get returns the first half of the bytes as if it were all; GetRange leaves zeros behind it
};

// How often each fault strikes a call, each of [0, 1], together at most 1.
struct FaultRates {
  double refuse = 0;
  double lose_request = 0;
  double lose_answer = 0;
  double truncate = 0;
};

struct FaultPlan {
  std::array<FaultRates, kStoreOpCount> rates;  // by StoreOp
  double delay_rate = 0;
  Duration delay_max{};  // a delay is drawn uniformly from (0, delay_max]

  static FaultPlan Nothing() { return {}; }
  // The same rates for every call.
  static FaultPlan Everywhere(const FaultRates& rates);
};

class FaultStore final : public ObjectStore {
 public:
  // `delay` passes the time of a slow call.
  FaultStore(std::shared_ptr<ObjectStore> base, const FaultPlan& plan, Random& random,
             std::function<void(Duration)> delay);

  void SetPlan(const FaultPlan& plan) AKI_EXCLUDES(mutex_);
  // The `nth` next call of `op` (1 is the very next) meets `fault`, whatever the plan says.
  void Script(StoreOp op, uint64_t nth, Fault fault) AKI_EXCLUDES(mutex_);
  // Calls of `op` so far, disturbed or not.
  uint64_t calls(StoreOp op) const AKI_EXCLUDES(mutex_);

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
  struct Scripted {
    StoreOp op;
    uint64_t call;  // counted from the first call of all
    Fault fault;
  };

  // Counts the call, passes its delay and says what happens to it.
  Fault Draw(StoreOp op) AKI_EXCLUDES(mutex_);
  template <class Call>
  auto Disturb(StoreOp op, const Call& call) -> decltype(call(Fault::kNone));

  const std::shared_ptr<ObjectStore> base_;
  Random& random_;
  const std::function<void(Duration)> delay_;
  mutable Mutex mutex_;
  FaultPlan plan_ AKI_GUARDED_BY(mutex_);
  std::vector<Scripted> script_ AKI_GUARDED_BY(mutex_);
  std::array<uint64_t, kStoreOpCount> calls_ AKI_GUARDED_BY(mutex_){};
};

}  // namespace akidb
