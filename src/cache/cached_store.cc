#include "cache/cached_store.h"

#include "format/object_keys.h"
#include "objstore/kept_bytes.h"
#include "objstore/store_errors.h"

namespace akidb {
namespace {

constexpr ByteRange kAll{0, UINT64_MAX};

// The store looked and does not have these bytes; a store that is away has said nothing about them.
bool IsAnswer(const Status& status) {
  return status.code() == StatusCode::kNotFound || status.code() == StatusCode::kOutOfRange ||
         status.code() == StatusCode::kDataLoss;
}

class CachedStore final : public ObjectStore {
 public:
  CachedStore(std::unique_ptr<ObjectStore> base, std::shared_ptr<BlockCache> cache,
              std::function<bool(std::string_view key)> cacheable)
      : base_(std::move(base)), cache_(std::move(cache)), cacheable_(std::move(cacheable)) {}

  std::string_view kind() const override { return base_->kind(); }

  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    if (!cacheable_(key)) return base_->Get(ctx, key, size_max);
    const BlockCache::Object object{key, {}};
    if (ctx.read_source() == ReadSource::kStore) {
      Result<ObjectBody> body = base_->Get(ctx, key, size_max);
      if (body) {
        cache_->Reconcile(object, {0, body->bytes.size()}, body->bytes.data());
      } else if (IsAnswer(body.error())) {
        cache_->Drop(object, kAll);
      }
      return body;
    }
    AKI_RETURN_IF_ERROR(ctx.Check());
    if (std::optional<ObjectBody> cached = cache_->FindWhole(object)) {
      if (cached->bytes.size() > size_max) return std::unexpected(ObjectTooLarge(key, cached->bytes.size(), size_max));
      return *std::move(cached);
    }
    Result<ObjectBody> body = base_->Get(ctx, key, size_max);
    if (body) cache_->AddWhole(object, *body);
    return body;
  }

  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    const bool readable = range.begin < range.end && range.end / kCacheBlockBytes < UINT32_MAX;
    if (!readable || !cacheable_(key)) return base_->GetRange(ctx, key, range, version_id, out);
    const BlockCache::Object object{key, version_id};
    if (ctx.read_source() == ReadSource::kStore) {
      Status status = base_->GetRange(ctx, key, range, version_id, out);
      if (status.ok()) {
        cache_->Reconcile(object, range, out);
      } else if (IsAnswer(status)) {
        cache_->Drop(object, range);
      }
      return status;
    }
    return cache_->Read(ctx, *base_, object, range, out);
  }

  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override { return base_->Head(ctx, key); }

  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    Result<ObjectMeta> meta = base_->Put(ctx, key, body, condition);
    Changed(key);
    return meta;
  }

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override;

  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    return base_->List(ctx, prefix, start_after, keys_max);
  }

  Status Delete(OpContext& ctx, const std::string& key) override {
    Status status = base_->Delete(ctx, key);
    Changed(key);
    return status;
  }

  Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) override {
    Status status = base_->DeleteVersion(ctx, key, version_id);
    Changed(key);
    if (cacheable_(key)) cache_->Drop({key, version_id}, kAll);
    return status;
  }

  // After a write, whatever came of it: nobody may be told what was before. Old versions stay: they are what they were.
  void Changed(const std::string& key) {
    if (cacheable_(key)) cache_->Drop({key, {}}, kAll);
  }

 private:
  const std::unique_ptr<ObjectStore> base_;
  const std::shared_ptr<BlockCache> cache_;
  const std::function<bool(std::string_view key)> cacheable_;
};

class CachedWriter final : public ObjectWriter, public KeptBytesWriter {
 public:
  CachedWriter(CachedStore& store, std::string key, std::unique_ptr<ObjectWriter> base)
      : store_(store), key_(std::move(key)), base_(std::move(base)) {}

  Status Append(OpContext& ctx, std::string_view bytes) override { return base_->Append(ctx, bytes); }
  Status AppendKept(OpContext& ctx, const KeptBytes& kept) override { return akidb::AppendKept(ctx, *base_, kept); }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    Result<ObjectMeta> meta = base_->Commit(ctx, condition);
    store_.Changed(key_);
    return meta;
  }

 private:
  CachedStore& store_;
  const std::string key_;
  const std::unique_ptr<ObjectWriter> base_;
};

Result<std::unique_ptr<ObjectWriter>> CachedStore::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer, base_->OpenWriter(ctx, key));
  return std::make_unique<CachedWriter>(*this, key, std::move(writer));
}

// "<anything>/<folder>/<minted id><ending>"
bool HasMintedName(std::string_view key, std::string_view folder, std::string_view ending) {
  if (!key.ends_with(ending)) return false;
  key.remove_suffix(ending.size());
  const size_t slash = key.rfind('/');
  return slash != std::string_view::npos && key.substr(0, slash).ends_with(folder) &&
         ObjectIdStart(key.substr(slash + 1)).has_value();
}

}  // namespace

bool IsImmutableObjectKey(std::string_view key) {
  return HasMintedName(key, "/segments", ".seg") || HasMintedName(key, "/deletes", ".del") ||
         HasMintedName(key, "/indexes", ".idx") || HasMintedName(key, "/bases", ".json");
}

std::unique_ptr<ObjectStore> NewCachedStore(std::unique_ptr<ObjectStore> base, std::shared_ptr<BlockCache> cache,
                                            std::function<bool(std::string_view key)> cacheable) {
  return std::make_unique<CachedStore>(std::move(base), std::move(cache), std::move(cacheable));
}

}  // namespace akidb
