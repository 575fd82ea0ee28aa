// A store that remembers the bytes of the object it was given last, so that a segment is opened from what was written
// instead of being asked for again: a flush sends its bytes once and reads none.
//
// Threads:    one thread until Forget; thread-safe afterwards.
// Errors:     those of the store below.
// Durability: that the store has these bytes too is found when they are read back, before the log lets go of the rows.
// Memory:     the object again, but for what its writer keeps, until Forget, unless it is too large.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "objstore/object_store.h"

namespace akidb {

class WrittenBytes final : public ObjectStore {
 public:
  // Flushes are below it; what is larger was merged, and nobody waits for it.
  static constexpr size_t kBytesMax = 256u << 20;
  explicit WrittenBytes(std::shared_ptr<ObjectStore> store, size_t bytes_max = kBytesMax)
      : store_(std::move(store)), bytes_max_(bytes_max) {}

  // Whether reads of the object that was written need no request.
  bool remembers() const { return !key_.empty(); }
  // The bytes are not needed any more. Whoever reads the object without naming a version gets the one that was written.
  void Forget();

  std::string_view kind() const override { return store_->kind(); }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    return store_->Get(ctx, key, size_max);
  }
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override;
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override { return store_->Head(ctx, key); }
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    return store_->Put(ctx, key, body, condition);
  }
  // Remembers what is appended to the writer that was opened last, up to `bytes_max`.
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override;
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    return store_->List(ctx, prefix, start_after, keys_max);
  }
  Status Delete(OpContext& ctx, const std::string& key) override { return store_->Delete(ctx, key); }

 private:
  class Writer;
  static constexpr size_t kChunkBytes = 1u << 20;
  // A piece of the object: a copy, or what its owner keeps.
  struct Chunk {
    uint64_t begin;
    std::string copy;
    std::string_view kept;
    std::shared_ptr<const void> owner;
    std::string_view bytes() const { return owner ? kept : std::string_view(copy); }
  };
  // Whether there was room.
  bool MakeRoom(size_t bytes);
  void Remember(std::string_view bytes);
  void RememberKept(std::string_view bytes, std::shared_ptr<const void> owner);

  const std::shared_ptr<ObjectStore> store_;
  const size_t bytes_max_;
  std::string written_key_;
  std::string version_id_;     // of what was committed under it
  std::string key_;            // empty: nothing is remembered
  std::vector<Chunk> chunks_;  // side by side
  size_t size_bytes_ = 0;
};

}  // namespace akidb
