#include "sim_bucket.h"

#include <algorithm>
#include <utility>

namespace akidb::sim {

namespace {

// More than a commit asks again for, so that its outcome stays unknown.
constexpr uint64_t kSilentRequestsMax = 60;

Status TimedOut(const std::string& key) { return DeadlineExceeded("no answer for " + key).WithEffectUnknown(); }

}  // namespace

uint32_t SilencePpm(uint64_t seed) {
  Dice dice(seed, 83);
  return dice.Chance(250'000) ? static_cast<uint32_t>(dice.Between(1, 300'000)) : 0;
}

SimBucket::SimBucket(World& world, const SimBucket& other, uint64_t stream)
    : world_(&world),
      dice_(world.seed(), stream),
      faults_(other.faults_),
      writes_(other.writes_),
      silent_(other.silent_),
      objects_(other.objects_),
      on_the_wire_(other.on_the_wire_) {}

ObjectMeta SimBucket::MetaOf(const std::string& key, const Object& object) {
  ObjectMeta meta;
  meta.key = key;
  meta.size_bytes = object.bytes.size();
  meta.etag = object.etag;
  meta.modified_at = object.modified_at;
  return meta;
}

bool SimBucket::Fault(uint32_t ppm, std::string_view what) {
  if (!dice_.Chance(ppm)) return false;
  ++faults_injected_;
  world_->coverage().Count(what);
  world_->trace().Line(what);
  return true;
}

const std::string* SimBucket::Find(const std::string& key) const {
  const auto it = objects_.find(key);
  return it == objects_.end() ? nullptr : &it->second.bytes;
}

void SimBucket::ForEach(const std::function<void(const std::string& key, const std::string& body)>& visit) const {
  for (const auto& [key, object] : objects_) visit(key, object.bytes);
}

Result<ObjectMeta> SimBucket::Apply(const BucketWrite& request) {
  const auto it = objects_.find(request.key);
  if (request.kind == BucketWrite::Kind::kDelete) {
    if (it == objects_.end()) return ObjectMeta{};
    if (watcher_ != nullptr) watcher_->Deleting(request.key, it->second.bytes);
    objects_.erase(it);
    return ObjectMeta{};
  }
  const bool conditional = request.condition.kind != PutCondition::Kind::kNone;
  if (conditional && !Fault(faults_.ignore_condition_ppm, "lie.ignore_condition")) {
    if (request.condition.kind == PutCondition::Kind::kIfAbsent && it != objects_.end()) {
      return std::unexpected(Aborted(request.key + " exists").WithReason("condition_lost"));
    }
    if (request.condition.kind == PutCondition::Kind::kIfEtagIs) {
      if (it == objects_.end()) return std::unexpected(NotFound(request.key + " does not exist"));
      if (it->second.etag != request.condition.etag) {
        return std::unexpected(Aborted(request.key + " has changed").WithReason("condition_lost"));
      }
    }
  }
  if (watcher_ != nullptr) watcher_->Putting(request.key, Find(request.key), request.body);
  Object& object = objects_[request.key];
  object.bytes = request.body;
  object.written_at = world_->clock().Now();
  object.hidden = Fault(faults_.hide_ppm, "lie.hide");
  object.etag = "\"" + std::to_string(++writes_) + "\"";
  object.modified_at = world_->clock().WallNow();
  object.read_back = false;
  return MetaOf(request.key, object);
}

void SimBucket::SendLate(BucketWrite write, Duration delay) {
  write.arrives = world_->clock().Now() + delay;
  on_the_wire_.push_back(std::move(write));
}

bool SimBucket::Arrive(const BucketWrite& write) {
  const bool applied = faults_.quorum == Quorum::kFull && Apply(write).has_value();
  world_->coverage().Count(applied ? "bucket.late_applied" : "bucket.late_refused");
  world_->trace().Line("late " + write.key + (applied ? " applied" : " refused"));
  return applied;
}

void SimBucket::Deliver() {
  const MonotonicTime now = world_->clock().Now();
  for (size_t i = 0; i < on_the_wire_.size();) {
    if (on_the_wire_[i].arrives > now) {
      ++i;
      continue;
    }
    const BucketWrite write = std::move(on_the_wire_[i]);
    on_the_wire_.erase(on_the_wire_.begin() + static_cast<std::ptrdiff_t>(i));
    Arrive(write);
  }
}

int SimBucket::DeliverAll() {
  int granted = 0;
  for (const BucketWrite& write : std::exchange(on_the_wire_, {})) granted += Arrive(write) ? 1 : 0;
  return granted;
}

void SimBucket::Forget(const std::string& key) {
  world_->trace().Line("forgotten " + key);
  objects_.erase(key);
}

void SimBucket::ForgetSomething() {
  std::vector<std::string> candidates;
  for (const auto& [key, object] : objects_) {
    if (object.read_back) candidates.push_back(key);
  }
  if (candidates.empty() || !Fault(faults_.forget_ppm, "lie.forget")) return;
  objects_.erase(candidates[dice_.Below(candidates.size())]);
}

class BucketClient final : public ObjectStore {
 public:
  BucketClient(SimBucket* bucket, std::shared_ptr<Life> life) : bucket_(bucket), life_(std::move(life)) {}

  std::string_view kind() const override { return "simulated"; }

  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    AKI_ASSIGN_OR_RETURN(SimBucket::Object* const object, Read(ctx, "get", key));
    if (object->bytes.size() > size_max) {
      return std::unexpected(ResourceExhausted(key + " is larger than " + std::to_string(size_max) + " bytes"));
    }
    if (bucket_->Fault(bucket_->faults_.broken_body_ppm, "fault.broken_body")) {
      return std::unexpected(Unavailable("the body of " + key + " broke off"));
    }
    object->read_back = true;
    return ObjectBody{SimBucket::MetaOf(key, *object), object->bytes};
  }

  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& /*version_id*/,
                  char* out) override {
    AKI_ASSIGN_OR_RETURN(SimBucket::Object* const object, Read(ctx, "range", key));
    if (range.begin > range.end || range.end > object->bytes.size()) {
      return Status(StatusCode::kOutOfRange, "range ends past " + key);
    }
    if (bucket_->Fault(bucket_->faults_.broken_body_ppm, "fault.broken_body")) {
      object->bytes.copy(out, bucket_->dice_.Below(range.size() + 1), range.begin);
      return Unavailable("the body of " + key + " broke off");
    }
    object->bytes.copy(out, range.size(), range.begin);
    object->read_back = true;
    return OkStatus();
  }

  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override {
    AKI_ASSIGN_OR_RETURN(SimBucket::Object* const object, Read(ctx, "head", key));
    object->read_back = true;
    return SimBucket::MetaOf(key, *object);
  }

  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    AKI_RETURN_IF_ERROR(ValidateObjectKey(key));
    return Send(ctx, "put", {BucketWrite::Kind::kPut, key, std::string(body), condition, {}});
  }

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override;

  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    AKI_RETURN_IF_ERROR(Begin(ctx, "list", prefix));
    ListPage page;
    // Without a quorum a listing is still answered, with what the drives that are left know.
    if (bucket_->faults_.quorum == Quorum::kNone && bucket_->dice_.Coin()) return page;
    MonotonicTime known = bucket_->world_->clock().Now();
    if (const Duration lag = bucket_->faults_.list_lag_max; lag > Duration())
      known -= Duration(static_cast<int64_t>(bucket_->dice_.Below(static_cast<uint64_t>(lag.count()))));
    auto it = std::max(prefix, start_after) == prefix ? bucket_->objects_.lower_bound(prefix)
                                                      : bucket_->objects_.upper_bound(start_after);
    if (it != bucket_->objects_.end() && it->first == start_after) ++it;
    for (; it != bucket_->objects_.end() && it->first.starts_with(prefix); ++it) {
      if (it->second.hidden || it->second.written_at > known) continue;
      if (page.objects.size() == std::clamp<uint32_t>(keys_max, 1, 1000)) {
        page.truncated = true;
        break;
      }
      page.objects.push_back(SimBucket::MetaOf(it->first, it->second));
    }
    return page;
  }

  Status Delete(OpContext& ctx, const std::string& key) override {
    return internal::ToStatus(Send(ctx, "delete", {BucketWrite::Kind::kDelete, key, {}, {}, {}}));
  }

 private:
  // What every request meets before the server looks at it.
  Status Begin(OpContext& ctx, std::string_view what, const std::string& key) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    bucket_->Deliver();
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, bucket_->world_->BeginIo(*life_, what, key));
    if (phase != CrashPhase::kNone) bucket_->world_->CrashNow(*life_);
    return Meet(ctx, key);
  }
  // What too few drives answer.
  Status MissQuorum(std::string_view what, const std::string& key) {
    const Quorum quorum = bucket_->faults_.quorum;
    const bool write = what == "put" || what == "delete";
    if (quorum == Quorum::kFull || what == "list" || (quorum == Quorum::kReadOnly && !write)) return OkStatus();
    bucket_->world_->coverage().Count(write ? "fault.no_write_quorum" : "fault.no_read_quorum");
    if (write) return Unavailable("503 SlowDownWrite for " + key);
    switch (bucket_->dice_.Below(4)) {
      case 0: return NotFound("404 NoSuchKey for " + key);
      case 1: return NotFound("404 NoSuchBucket for " + key);
      case 2: return Status(StatusCode::kPermissionDenied, "403 for " + key);
      default: return Unavailable("503 SlowDownRead for " + key);
    }
  }
  Status Meet(OpContext& ctx, const std::string& key) {
    bucket_->ForgetSomething();
    if (bucket_->Fault(bucket_->faults_.slow_ppm, "fault.slow")) {
      bucket_->world_->clock().Advance(std::chrono::milliseconds(bucket_->dice_.Between(1, 5000)));
      bucket_->Deliver();
      AKI_RETURN_IF_ERROR(ctx.Check());
    }
    if (bucket_->faults_.silence_ppm != 0 && bucket_->silent_ > 0) {
      --bucket_->silent_;
      return Unavailable("503 for " + key);
    }
    if (bucket_->Fault(bucket_->faults_.unavailable_ppm, "fault.unavailable")) return Unavailable("503 for " + key);
    return OkStatus();
  }

  Result<SimBucket::Object*> Read(OpContext& ctx, std::string_view what, const std::string& key) {
    AKI_RETURN_IF_ERROR(Begin(ctx, what, key));
    AKI_RETURN_IF_ERROR(MissQuorum(what, key));
    const auto it = bucket_->objects_.find(key);
    if (it == bucket_->objects_.end()) return std::unexpected(NotFound(key + " does not exist"));
    return &it->second;
  }

  Result<ObjectMeta> Send(OpContext& ctx, std::string_view what, BucketWrite request) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    bucket_->Deliver();
    AKI_ASSIGN_OR_RETURN(const CrashPhase phase, bucket_->world_->BeginIo(*life_, what, request.key));
    const std::string key = request.key;
    const BucketFaults& faults = bucket_->faults_;
    if (phase == CrashPhase::kMiddle) {
      // The sender is gone; its request arrives or not, now or later.
      if (faults.late_request_ppm != 0 && bucket_->dice_.Coin()) SendLate(std::move(request));
      bucket_->world_->CrashNow(*life_);
    }
    if (phase == CrashPhase::kNone) {
      AKI_RETURN_IF_ERROR(Meet(ctx, key));
      AKI_RETURN_IF_ERROR(MissQuorum(what, key));
      if (bucket_->Fault(faults.lost_request_ppm, "fault.lost_request")) return std::unexpected(TimedOut(key));
      if (bucket_->Fault(faults.late_request_ppm, "fault.late_request")) {
        SendLate(std::move(request));
        return std::unexpected(TimedOut(key));
      }
    }
    Result<ObjectMeta> answer = bucket_->Apply(request);
    if (bucket_->Fault(faults.twice_ppm, "fault.twice")) answer = bucket_->Apply(request);
    if (phase == CrashPhase::kAfter) bucket_->world_->CrashNow(*life_);
    if (faults.silence_ppm != 0 && bucket_->Fault(faults.silence_ppm, "fault.silence")) {
      bucket_->silent_ = bucket_->dice_.Between(1, kSilentRequestsMax);
      return std::unexpected(TimedOut(key));
    }
    if (bucket_->Fault(faults.lost_answer_ppm, "fault.lost_answer")) return std::unexpected(TimedOut(key));
    return answer;
  }
  void SendLate(BucketWrite write) {
    const auto most = static_cast<uint64_t>(bucket_->faults_.late_max / std::chrono::milliseconds(1));
    bucket_->SendLate(std::move(write), std::chrono::milliseconds(bucket_->dice_.Between(1, most)));
  }

  SimBucket* bucket_;
  std::shared_ptr<Life> life_;
};

class GatheringWriter final : public ObjectWriter {
 public:
  GatheringWriter(ObjectStore* store, std::string key) : store_(store), key_(std::move(key)) {}
  Status Append(OpContext& ctx, std::string_view bytes) override {
    body_.append(bytes);
    return ctx.Check();
  }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    return store_->Put(ctx, key_, body_, condition);
  }

 private:
  ObjectStore* store_;
  std::string key_;
  std::string body_;
};

std::unique_ptr<ObjectWriter> NewGatheringWriter(ObjectStore& store, std::string key) {
  return std::make_unique<GatheringWriter>(&store, std::move(key));
}

Result<std::unique_ptr<ObjectWriter>> BucketClient::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_RETURN_IF_ERROR(ValidateObjectKey(key));
  AKI_RETURN_IF_ERROR(Begin(ctx, "writer", key));
  return NewGatheringWriter(*this, key);
}

std::shared_ptr<ObjectStore> SimBucket::Connect(std::shared_ptr<Life> life) {
  return std::make_shared<BucketClient>(this, std::move(life));
}

}  // namespace akidb::sim
