// The names of a database: which collections exist, under which id, with which settings. A version chain of deltas with
// checkpoints, so that creating a collection writes a few hundred bytes however many there are.
//
// Threads:    thread-safe; changes are serialised and durable when they return OK.
// Errors:     kAlreadyExists (reason "collection_exists"), kNotFound (reason "collection_not_found"), those of
//             VersionChain. After an unknown outcome the next change resolves it first.
// Cost:       Open: one listing, the last checkpoint and the deltas after it. A change: 1 PUT, and a checkpoint each
//             time the deltas outnumber the entries of the last one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.h"
#include "base/mutex.h"
#include "format/manifest_format.h"
#include "manifest/version_chain.h"

namespace akidb {

class Catalog {
 public:
  static Result<std::unique_ptr<Catalog>> Open(OpContext& ctx, ObjectStore& store, const Environment& env);

  std::optional<CatalogEntry> Find(std::string_view name);
  std::optional<CatalogEntry> FindById(CollectionId id);
  std::vector<CatalogEntry> List();  // by name
  size_t size();

  // An id that no collection of this catalog had or will have.
  CollectionId MintId();
  Status Add(OpContext& ctx, const CatalogEntry& entry);
  Status Change(OpContext& ctx, const CatalogEntry& entry);
  Status Drop(OpContext& ctx, CollectionId id);

  // Dropped collections whose objects may still be there.
  std::vector<CollectionId> Dropped();

 private:
  Catalog(ObjectStore& store, const Environment& env);
  Status LoadAll(OpContext& ctx) AKI_REQUIRES(mutex_);
  Status Apply(const CatalogVersion& version, std::string_view bytes) AKI_REQUIRES(mutex_);
  Status ResolvePending(OpContext& ctx) AKI_REQUIRES(mutex_);
  // Commits what `make` builds from the current state; `make` runs again after a lost race.
  Status Commit(OpContext& ctx, const std::function<Status(CatalogVersion*)>& make) AKI_REQUIRES(mutex_);
  Status CheckpointIfDue(OpContext& ctx) AKI_REQUIRES(mutex_);

  Environment env_;
  Mutex mutex_;
  VersionChain chain_ AKI_GUARDED_BY(mutex_);
  ManifestVersion version_ AKI_GUARDED_BY(mutex_);
  std::string sha256_ AKI_GUARDED_BY(mutex_);
  ManifestVersion last_checkpoint_ AKI_GUARDED_BY(mutex_);
  size_t checkpoint_entries_ AKI_GUARDED_BY(mutex_) = 0;
  CollectionId next_id_ AKI_GUARDED_BY(mutex_) = CollectionId(1);
  std::map<CollectionId, CatalogEntry> entries_ AKI_GUARDED_BY(mutex_);
  std::map<std::string, CollectionId, std::less<>> by_name_ AKI_GUARDED_BY(mutex_);
  std::set<CollectionId> dropped_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
