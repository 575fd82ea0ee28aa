// The names of a database: which collections exist, under which id, with which settings, and their aliases. A version
// chain of deltas with checkpoints, so that creating a collection writes a few hundred bytes however many there are.
//
// Threads:    thread-safe; changes are serialised and durable when they return OK. Whoever only looks never waits for
//             the store.
// Errors:     kAlreadyExists (reason "collection_exists" or "alias_exists"), kNotFound (reason "collection_not_found"
//             or "alias_not_found"), kFailedPrecondition (reason "collection_has_aliases" or "alias_moved"), those of
//             VersionChain. After an unknown outcome the next change resolves it first. kUnavailable where a store
//             without quorum denies what is there: it is not taken for absence (I11).
// Cost:       Open: one listing, the last checkpoint and the deltas after it; 1 PUT and 2 GET in a store that has no
//             catalog yet. A change: 1 PUT, 1 GET more for each version that another node added, and a checkpoint each
//             time the deltas outnumber the entries of the last one. Refresh: 1 GET, and 1 more for each version found;
//             saying no to a caller: 1 GET more.
// Invariants: 1. An open catalog has a version, so that "nothing new" can be told from "nothing can be read".
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.h"
#include "base/mutex.h"
#include "format/manifest_format.h"
#include "manifest/catalog_state.h"
#include "manifest/version_chain.h"

namespace akidb {

// Why a collection with these aliases cannot be dropped; OK without any.
Status CheckNoAliases(std::string_view collection, const std::vector<std::string>& aliases);

class Catalog {
 public:
  static Result<std::unique_ptr<Catalog>> Open(OpContext& ctx, ObjectStore& store, const Environment& env);

  // By its own name.
  std::optional<CatalogEntry> Find(std::string_view name);
  // By its own name or an alias.
  std::optional<CatalogEntry> Resolve(std::string_view name_or_alias);
  // Likewise, and asks the store before it says no: kMissesAtOnce times in a row, then once in kMissInterval. Whoever
  // comes in between gets what was known, or the error of the last time. Waits for a change or question under way.
  Result<std::optional<CatalogEntry>> ResolveFresh(OpContext& ctx, std::string_view name_or_alias);
  std::optional<CatalogEntry> FindById(CollectionId id);
  std::vector<CatalogEntry> List();    // by name
  std::vector<AliasTarget> Aliases();  // by alias
  std::vector<std::string> AliasesOf(CollectionId id);
  size_t size();

  // Learns what other nodes changed; true if they did. A hint (I11): what it does not find may be there.
  Result<bool> Refresh(OpContext& ctx);

  // OK if no collection and no alias has the name, also after asking for news; kAlreadyExists otherwise.
  Status CheckFree(OpContext& ctx, std::string_view name);
  // An id that no collection of this catalog had or will have. Another node may have taken it: creating decides.
  CollectionId MintId();
  Status Add(OpContext& ctx, const CatalogEntry& entry);
  // Makes of the settings what `edit` says, which is run again when another node was faster, and must not call the
  // catalog. Returns the new entry.
  using EditSpec = std::function<Result<CollectionSpec>(const CollectionSpec& newest)>;
  Result<CatalogEntry> Update(OpContext& ctx, CollectionId id, const EditSpec& edit);
  // Refused while an alias points to it. What was dropped already is OK.
  Status Drop(OpContext& ctx, CollectionId id);

  // Calls an id dropped that no collection has yet: Add refuses it from now on. Nothing happens if one has it.
  Status Abandon(OpContext& ctx, CollectionId id);

  // Creates the alias or points it elsewhere. `collection` is a collection's own name.
  Status SetAlias(OpContext& ctx, std::string_view alias, std::string_view collection);
  Status DropAlias(OpContext& ctx, std::string_view alias);
  // Points the alias from one collection to another, if it still points to the first.
  Status SwitchAlias(OpContext& ctx, std::string_view alias, std::string_view from, std::string_view to);

  // Dropped collections whose objects may still be there.
  std::vector<CollectionId> Dropped();
  // Forgets those of `ids` that were dropped and of which nothing is left but what keeps names from being free: fences
  // and the tombstones of manifests. Version 1 is one of them: it alone stops a stalled creator from taking the id.
  Status MarkPurged(OpContext& ctx, const std::vector<CollectionId>& ids);

  static constexpr int kMissesAtOnce = 10;
  static constexpr Duration kMissInterval = std::chrono::milliseconds(100);

 private:
  // Fills in what changes and says whether anything does; runs again on newer states.
  using Make = std::function<Result<bool>(const CatalogState&, CatalogVersion*)>;

  Catalog(ObjectStore& store, const Environment& env);
  Status LoadAll(OpContext& ctx) AKI_REQUIRES(commit_mutex_);
  Status Apply(const CatalogVersion& version, std::string_view bytes) AKI_REQUIRES(commit_mutex_);
  Status ResolvePending(OpContext& ctx) AKI_REQUIRES(commit_mutex_);
  // What it takes to say that there is no newer version: a look, or a look of a store that still shows the newest known
  // one.
  enum class Absence : uint8_t { kHint, kChecked };
  Result<bool> RefreshLocked(OpContext& ctx, Absence absence) AKI_REQUIRES(commit_mutex_);
  Result<bool> CheckedRefresh(OpContext& ctx) AKI_EXCLUDES(commit_mutex_);
  Status Commit(OpContext& ctx, const Make& make) AKI_REQUIRES(commit_mutex_);
  // A commit of what a caller asked for: a refusal, or that nothing changes, is said only after the store was asked for
  // news.
  Status Change(OpContext& ctx, const Make& make);
  Status CheckpointIfDue(OpContext& ctx) AKI_REQUIRES(commit_mutex_);
  bool TakeMiss();

  Environment env_;
  Mutex commit_mutex_;  // held over store calls
  VersionChain chain_ AKI_GUARDED_BY(commit_mutex_);
  Mutex state_mutex_;  // held for a few instructions, after commit_mutex_ if both
  CatalogState state_ AKI_GUARDED_BY(state_mutex_);
  Status last_check_ AKI_GUARDED_BY(state_mutex_);  // of whether anything is new
  MonotonicTime misses_paid_until_ AKI_GUARDED_BY(state_mutex_){};
};

}  // namespace akidb
