#include "objstore/memory/memory_store.h"

#include <cstring>
#include <map>

#include "base/mutex.h"
#include "objstore/store_errors.h"

namespace akidb {
namespace {

class MemoryStore final : public ObjectStore {
 public:
  explicit MemoryStore(Clock& clock) : clock_(clock) {}

  std::string_view kind() const override { return "memory"; }

  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    AKI_ASSIGN_OR_RETURN(const Object object, Find(ctx, key));
    if (object.bytes->size() > size_max) return std::unexpected(ObjectTooLarge(key, object.bytes->size(), size_max));
    return ObjectBody{object.meta, *object.bytes};
  }

  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& /*version_id*/,
                  char* out) override {
    AKI_ASSIGN_OR_RETURN(const Object object, Find(ctx, key));
    AKI_RETURN_IF_ERROR(CheckObjectRange(key, range, object.bytes->size()));
    object.bytes->copy(out, range.size(), range.begin);
    return OkStatus();
  }

  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override {
    AKI_ASSIGN_OR_RETURN(const Object object, Find(ctx, key));
    return object.meta;
  }

  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_RETURN_IF_ERROR(ValidateObjectKey(key));
    auto bytes = std::make_shared<const std::string>(body);
    const MutexLock lock(mutex_);
    const auto it = objects_.find(key);
    if (condition.kind == PutCondition::Kind::kIfAbsent && it != objects_.end()) {
      return std::unexpected(ConditionLost(key, "exists already"));
    }
    if (condition.kind == PutCondition::Kind::kIfEtagIs) {
      if (it == objects_.end()) return std::unexpected(ObjectNotFound(key));
      if (it->second.meta.etag != condition.etag) return std::unexpected(ConditionLost(key, "has another etag"));
    }
    Object& object = objects_[key];
    object.bytes = std::move(bytes);
    object.meta = {.key = key,
                   .size_bytes = body.size(),
                   .etag = std::to_string(++writes_),
                   .version_id = {},
                   .modified_at = clock_.WallNow()};
    return object.meta;
  }

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override;

  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_RETURN_IF_ERROR(ValidateListing(prefix, start_after, keys_max));
    ListPage page;
    const MutexLock lock(mutex_);
    auto it = start_after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(start_after);
    for (; it != objects_.end() && it->first.starts_with(prefix); ++it) {
      if (page.objects.size() == keys_max) {
        page.truncated = true;
        break;
      }
      page.objects.push_back(it->second.meta);
    }
    return page;
  }

  Status Delete(OpContext& ctx, const std::string& key) override {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_RETURN_IF_ERROR(ValidateObjectKey(key));
    const MutexLock lock(mutex_);
    objects_.erase(key);
    return OkStatus();
  }

 private:
  struct Object {
    ObjectMeta meta;
    std::shared_ptr<const std::string> bytes;  // shared, so that readers copy outside the lock
  };

  Result<Object> Find(OpContext& ctx, const std::string& key) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_RETURN_IF_ERROR(ValidateObjectKey(key));
    const MutexLock lock(mutex_);
    const auto it = objects_.find(key);
    if (it == objects_.end()) return std::unexpected(ObjectNotFound(key));
    return it->second;
  }

  Clock& clock_;
  Mutex mutex_;
  std::map<std::string, Object> objects_ AKI_GUARDED_BY(mutex_);
  uint64_t writes_ AKI_GUARDED_BY(mutex_) = 0;
};

class MemoryWriter final : public ObjectWriter {
 public:
  MemoryWriter(MemoryStore& store, std::string key) : store_(store), key_(std::move(key)) {}

  Status Append(OpContext& ctx, std::string_view bytes) override {
    AKI_RETURN_IF_ERROR(ctx.Check());
    bytes_ += bytes;
    return OkStatus();
  }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    return store_.Put(ctx, key_, bytes_, condition);
  }

 private:
  MemoryStore& store_;
  const std::string key_;
  std::string bytes_;
};

Result<std::unique_ptr<ObjectWriter>> MemoryStore::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  AKI_RETURN_IF_ERROR(ValidateObjectKey(key));
  return std::make_unique<MemoryWriter>(*this, key);
}

}  // namespace

std::unique_ptr<ObjectStore> NewMemoryStore(Clock& clock) { return std::make_unique<MemoryStore>(clock); }

}  // namespace akidb
