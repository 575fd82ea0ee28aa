#include "sim_bucket.h"

#include <algorithm>

namespace akidb::sim {

namespace {

Status TimedOut(const std::string& key) { return DeadlineExceeded("no answer for " + key).WithEffectUnknown(); }

}  // namespace

SimBucket::SimBucket(World& world, const SimBucket& other, uint64_t stream)
    : world_(&world),
      dice_(world.seed(), stream),
      faults_(other.faults_),
      writes_(other.writes_),
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

Result<ObjectMeta> SimBucket::Apply(const Request& request) {
  const auto it = objects_.find(request.key);
  if (request.kind == Request::Kind::kDelete) {
    if (it != objects_.end()) objects_.erase(it);
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
  Object& object = objects_[request.key];
  object.bytes = request.body;
  object.etag = "\"" + std::to_string(++writes_) + "\"";
  object.modified_at = world_->clock().WallNow();
  object.read_back = false;
  return MetaOf(request.key, object);
}

void SimBucket::Deliver() {
  const MonotonicTime now = world_->clock().Now();
  for (size_t i = 0; i < on_the_wire_.size();) {
    if (on_the_wire_[i].arrives > now) {
      ++i;
      continue;
    }
    const Request request = std::move(on_the_wire_[i]);
    on_the_wire_.erase(on_the_wire_.begin() + static_cast<std::ptrdiff_t>(i));
    const bool applied = Apply(request).has_value();
    world_->coverage().Count(applied ? "bucket.late_applied" : "bucket.late_refused");
    world_->trace().Line("late " + request.key + (applied ? " applied" : " refused"));
  }
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
    return Send(ctx, "put", {SimBucket::Request::Kind::kPut, key, std::string(body), condition, {}});
  }

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override;

  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    AKI_RETURN_IF_ERROR(Begin(ctx, "list", prefix));
    ListPage page;
    auto it = std::max(prefix, start_after) == prefix ? bucket_->objects_.lower_bound(prefix)
                                                      : bucket_->objects_.upper_bound(start_after);
    if (it != bucket_->objects_.end() && it->first == start_after) ++it;
    for (; it != bucket_->objects_.end() && it->first.starts_with(prefix); ++it) {
      if (page.objects.size() == std::clamp<uint32_t>(keys_max, 1, 1000)) {
        page.truncated = true;
        break;
      }
      page.objects.push_back(SimBucket::MetaOf(it->first, it->second));
    }
    return page;
  }

  Status Delete(OpContext& ctx, const std::string& key) override {
    return internal::ToStatus(Send(ctx, "delete", {SimBucket::Request::Kind::kDelete, key, {}, {}, {}}));
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
  Status Meet(OpContext& ctx, const std::string& key) {
    bucket_->ForgetSomething();
    if (bucket_->Fault(bucket_->faults_.slow_ppm, "fault.slow")) {
      bucket_->world_->clock().Advance(std::chrono::milliseconds(bucket_->dice_.Between(1, 5000)));
      bucket_->Deliver();
      AKI_RETURN_IF_ERROR(ctx.Check());
    }
    if (bucket_->Fault(bucket_->faults_.unavailable_ppm, "fault.unavailable")) return Unavailable("503 for " + key);
    return OkStatus();
  }

  Result<SimBucket::Object*> Read(OpContext& ctx, std::string_view what, const std::string& key) {
    AKI_RETURN_IF_ERROR(Begin(ctx, what, key));
    const auto it = bucket_->objects_.find(key);
    if (it == bucket_->objects_.end()) return std::unexpected(NotFound(key + " does not exist"));
    return &it->second;
  }

  Result<ObjectMeta> Send(OpContext& ctx, std::string_view what, SimBucket::Request request) {
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
      if (bucket_->Fault(faults.lost_request_ppm, "fault.lost_request")) return std::unexpected(TimedOut(key));
      if (bucket_->Fault(faults.late_request_ppm, "fault.late_request")) {
        SendLate(std::move(request));
        return std::unexpected(TimedOut(key));
      }
    }
    Result<ObjectMeta> answer = bucket_->Apply(request);
    if (phase == CrashPhase::kAfter) bucket_->world_->CrashNow(*life_);
    if (bucket_->Fault(faults.lost_answer_ppm, "fault.lost_answer")) return std::unexpected(TimedOut(key));
    return answer;
  }
  void SendLate(SimBucket::Request request) {
    request.arrives = bucket_->world_->clock().Now() + std::chrono::milliseconds(bucket_->dice_.Between(1, 60'000));
    bucket_->on_the_wire_.push_back(std::move(request));
  }

  SimBucket* bucket_;
  std::shared_ptr<Life> life_;
};

// Gathers the body; one PUT at the end.
class BucketWriter final : public ObjectWriter {
 public:
  BucketWriter(BucketClient* client, std::string key) : client_(client), key_(std::move(key)) {}
  Status Append(OpContext& ctx, std::string_view bytes) override {
    body_.append(bytes);
    return ctx.Check();
  }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    return client_->Put(ctx, key_, body_, condition);
  }

 private:
  BucketClient* client_;
  std::string key_;
  std::string body_;
};

Result<std::unique_ptr<ObjectWriter>> BucketClient::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_RETURN_IF_ERROR(ValidateObjectKey(key));
  AKI_RETURN_IF_ERROR(Begin(ctx, "writer", key));
  return std::make_unique<BucketWriter>(this, key);
}

std::shared_ptr<ObjectStore> SimBucket::Connect(std::shared_ptr<Life> life) {
  return std::make_shared<BucketClient>(this, std::move(life));
}

}  // namespace akidb::sim
