// A bucket in memory with versions, checksums and object lock; the truth for liars to bend.
//
// Threads: thread-safe.
// Errors:  those of ObjectStore and ProbeExtensions.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/mutex.h"
#include "objstore/forwarding_store_testing.h"
#include "objstore/memory/memory_store.h"
#include "objstore/probe/probe_extensions.h"

namespace akidb {

class VersionedStore : public ForwardingStore, public ProbeExtensions {
 public:
  VersionedStore() : ForwardingStore(NewMemoryStore(RealClock())) {}

  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    AKI_ASSIGN_OR_RETURN(ObjectMeta meta, ForwardingStore::Put(ctx, key, body, condition));
    const MutexLock lock(mutex_);
    meta.version_id = "v" + std::to_string(++count_);
    versions_[{key, meta.version_id}] = body;
    current_[key] = meta.version_id;
    return meta;
  }
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override {
    AKI_ASSIGN_OR_RETURN(ObjectMeta meta, ForwardingStore::Head(ctx, key));
    const MutexLock lock(mutex_);
    meta.version_id = current_[key];
    return meta;
  }
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    if (version_id.empty()) return ForwardingStore::GetRange(ctx, key, range, version_id, out);
    const MutexLock lock(mutex_);
    const auto it = versions_.find({key, version_id});
    if (it == versions_.end()) return NotFound("no such version");
    it->second.copy(out, range.size(), range.begin);
    return OkStatus();
  }

  Status PutWithWrongChecksum(OpContext&, const std::string&, std::string_view) override {
    return InvalidArgument("checksum mismatch");
  }
  Result<std::string> PutUnlocked(OpContext& ctx, const std::string& key, std::string_view body) override {
    AKI_ASSIGN_OR_RETURN(const ObjectMeta meta, Put(ctx, key, body, PutCondition::None()));
    return meta.version_id;
  }
  Result<std::string> PutLocked(OpContext& ctx, const std::string& key, std::string_view body) override {
    AKI_ASSIGN_OR_RETURN(const ObjectMeta meta, Put(ctx, key, body, PutCondition::None()));
    const MutexLock lock(mutex_);
    locked_.insert(meta.version_id);
    return meta.version_id;
  }
  Status ShortenLock(OpContext&, const std::string&, const std::string&) override { return PermissionDenied("locked"); }
  Status RemoveLocked(OpContext&, const std::string& key, const std::string& version_id) override {
    const MutexLock lock(mutex_);
    locked_.erase(version_id);
    versions_.erase({key, version_id});
    return OkStatus();
  }
  Status Delete(OpContext& ctx, const std::string& key) override {
    AKI_RETURN_IF_ERROR(ForwardingStore::Delete(ctx, key));
    const MutexLock lock(mutex_);
    versions_[{key, "marker" + std::to_string(++count_)}];
    current_.erase(key);
    return OkStatus();
  }
  Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) override {
    const MutexLock lock(mutex_);
    if (locked_.contains(version_id)) return PermissionDenied("locked");
    versions_.erase({key, version_id});
    const auto current = current_.find(key);
    if (current == current_.end() || current->second != version_id) return OkStatus();
    current_.erase(current);
    return ForwardingStore::Delete(ctx, key);
  }
  Status PurgeVersions(OpContext& ctx, const std::string& prefix) override {
    AKI_ASSIGN_OR_RETURN(const ListPage page, ForwardingStore::List(ctx, prefix, "", kListKeysMax));
    for (const ObjectMeta& object : page.objects) AKI_RETURN_IF_ERROR(ForwardingStore::Delete(ctx, object.key));
    const MutexLock lock(mutex_);
    for (auto it = versions_.begin(); it != versions_.end();) {
      const bool goes = it->first.first.starts_with(prefix) && !locked_.contains(it->first.second);
      it = goes ? versions_.erase(it) : std::next(it);
    }
    return OkStatus();
  }

  // Delete markers included.
  size_t version_count() {
    const MutexLock lock(mutex_);
    return versions_.size();
  }

 protected:
  void ForgetVersionsOf(const std::string& key) {
    const MutexLock lock(mutex_);
    std::erase_if(versions_, [&](const auto& entry) { return entry.first.first == key; });
  }

 private:
  Mutex mutex_;
  uint64_t count_ AKI_GUARDED_BY(mutex_) = 0;
  std::map<std::pair<std::string, std::string>, std::string> versions_ AKI_GUARDED_BY(mutex_);
  std::map<std::string, std::string> current_ AKI_GUARDED_BY(mutex_);  // key -> version
  std::set<std::string> locked_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
