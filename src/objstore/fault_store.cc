#include "objstore/fault_store.h"

#include <algorithm>

#include "objstore/kept_bytes.h"

namespace akidb {
namespace {

bool IsWrite(StoreOp op) {
  return op == StoreOp::kPut || op == StoreOp::kAppend || op == StoreOp::kCommit || op == StoreOp::kDelete;
}

Status Injected(StoreOp op, Fault fault) {
  std::string message = "injected fault: the ";
  if (fault == Fault::kRefuse) return Unavailable(message + "store is busy").WithReason("injected_fault");
  message += fault == Fault::kLoseRequest ? "request of " : "answer to ";
  Status status =
      Unavailable(message + std::string(kStoreOpNames[Index(op)]) + " was lost").WithReason("injected_fault");
  return IsWrite(op) ? std::move(status).WithEffectUnknown() : status;
}

// Uniform in [0, 1).
double Unit(Random& random) { return static_cast<double>(random.Next() >> 11) * 0x1p-53; }

Fault Choose(const FaultRates& rates, double draw) {
  if ((draw -= rates.refuse) < 0) return Fault::kRefuse;
  if ((draw -= rates.lose_request) < 0) return Fault::kLoseRequest;
  if ((draw -= rates.lose_answer) < 0) return Fault::kLoseAnswer;
  return draw < rates.truncate ? Fault::kTruncate : Fault::kNone;
}

}  // namespace

FaultPlan FaultPlan::Everywhere(const FaultRates& rates) {
  FaultPlan plan;
  plan.rates.fill(rates);
  return plan;
}

FaultStore::FaultStore(std::shared_ptr<ObjectStore> base, const FaultPlan& plan, Random& random,
                       std::function<void(Duration)> delay)
    : base_(std::move(base)), random_(random), delay_(std::move(delay)), plan_(plan) {}

void FaultStore::SetPlan(const FaultPlan& plan) {
  const MutexLock lock(mutex_);
  plan_ = plan;
}

void FaultStore::Script(StoreOp op, uint64_t nth, Fault fault) {
  const MutexLock lock(mutex_);
  script_.push_back({op, calls_[Index(op)] + nth, fault});
}

uint64_t FaultStore::calls(StoreOp op) const {
  const MutexLock lock(mutex_);
  return calls_[Index(op)];
}

Fault FaultStore::Draw(StoreOp op) {
  Fault fault = Fault::kNone;
  Duration delay{};
  {
    const MutexLock lock(mutex_);
    const uint64_t call = ++calls_[Index(op)];
    fault = Choose(plan_.rates[Index(op)], Unit(random_));
    if (Unit(random_) < plan_.delay_rate && plan_.delay_max > Duration(0)) {
      delay = Duration(1 + random_.Below(static_cast<uint64_t>(plan_.delay_max.count())));
    }
    const auto scripted =
        std::ranges::find_if(script_, [&](const Scripted& s) { return s.op == op && s.call == call; });
    if (scripted != script_.end()) {
      fault = scripted->fault;
      script_.erase(scripted);
    }
  }
  if (delay > Duration(0)) delay_(delay);
  return fault;
}

// `call` is told the fault, for those that only it can apply.
template <class Call>
auto FaultStore::Disturb(StoreOp op, const Call& call) -> decltype(call(Fault::kNone)) {
  const Fault fault = Draw(op);
  if (fault == Fault::kRefuse || fault == Fault::kLoseRequest) return internal::AsReturn(Injected(op, fault));
  auto result = call(fault);
  if (fault == Fault::kLoseAnswer) return internal::AsReturn(Injected(op, fault));
  return result;
}

class FaultStore::Writer final : public ObjectWriter, public KeptBytesWriter {
 public:
  Writer(FaultStore& store, std::unique_ptr<ObjectWriter> base) : store_(store), base_(std::move(base)) {}

  Status Append(OpContext& ctx, std::string_view bytes) override {
    return store_.Disturb(StoreOp::kAppend, [&](Fault) { return base_->Append(ctx, bytes); });
  }
  Status AppendKept(OpContext& ctx, const KeptBytes& kept) override {
    return store_.Disturb(StoreOp::kAppend, [&](Fault) { return akidb::AppendKept(ctx, *base_, kept); });
  }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    return store_.Disturb(StoreOp::kCommit, [&](Fault) { return base_->Commit(ctx, condition); });
  }

 private:
  FaultStore& store_;
  const std::unique_ptr<ObjectWriter> base_;
};

Result<ObjectBody> FaultStore::Get(OpContext& ctx, const std::string& key, uint64_t size_max) {
  return Disturb(StoreOp::kGet, [&](Fault fault) {
    Result<ObjectBody> body = base_->Get(ctx, key, size_max);
    if (body && fault == Fault::kTruncate) body->bytes.resize(body->bytes.size() / 2);
    return body;
  });
}

Status FaultStore::GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                            char* out) {
  return Disturb(StoreOp::kGetRange, [&](Fault fault) {
    Status status = base_->GetRange(ctx, key, range, version_id, out);
    if (status.ok() && fault == Fault::kTruncate) std::fill(out + range.size() / 2, out + range.size(), '\0');
    return status;
  });
}

Result<ObjectMeta> FaultStore::Head(OpContext& ctx, const std::string& key) {
  return Disturb(StoreOp::kHead, [&](Fault) { return base_->Head(ctx, key); });
}

Result<ObjectMeta> FaultStore::Put(OpContext& ctx, const std::string& key, std::string_view body,
                                   const PutCondition& condition) {
  return Disturb(StoreOp::kPut, [&](Fault) { return base_->Put(ctx, key, body, condition); });
}

Result<std::unique_ptr<ObjectWriter>> FaultStore::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer,
                       Disturb(StoreOp::kOpenWriter, [&](Fault) { return base_->OpenWriter(ctx, key); }));
  return std::make_unique<Writer>(*this, std::move(writer));
}

Result<ListPage> FaultStore::List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                                  uint32_t keys_max) {
  return Disturb(StoreOp::kList, [&](Fault) { return base_->List(ctx, prefix, start_after, keys_max); });
}

Status FaultStore::Delete(OpContext& ctx, const std::string& key) {
  return Disturb(StoreOp::kDelete, [&](Fault) { return base_->Delete(ctx, key); });
}

Status FaultStore::DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) {
  return Disturb(StoreOp::kDelete, [&](Fault) { return base_->DeleteVersion(ctx, key, version_id); });
}

}  // namespace akidb
