// A store that passes every call on, for fakes that change one.
//
// Threads: thread-safe if the store below is.
// Errors:  those of the store below.
#pragma once

#include <memory>

#include "objstore/object_store.h"

namespace akidb {

class ForwardingStore : public ObjectStore {
 public:
  explicit ForwardingStore(std::shared_ptr<ObjectStore> base) : base_(std::move(base)) {}

  std::string_view kind() const override { return base_->kind(); }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    return base_->Get(ctx, key, size_max);
  }
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    return base_->GetRange(ctx, key, range, version_id, out);
  }
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override { return base_->Head(ctx, key); }
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    return base_->Put(ctx, key, body, condition);
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override {
    return base_->OpenWriter(ctx, key);
  }
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    return base_->List(ctx, prefix, start_after, keys_max);
  }
  Status Delete(OpContext& ctx, const std::string& key) override { return base_->Delete(ctx, key); }
  Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) override {
    return base_->DeleteVersion(ctx, key, version_id);
  }

 protected:
  ObjectStore& base() { return *base_; }

 private:
  const std::shared_ptr<ObjectStore> base_;
};

}  // namespace akidb
