#include "manifest/catalog.h"

#include <algorithm>

#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr size_t kDeltasBeforeCheckpointMin = 64;
constexpr int kCatalogRebasesMax = 100;

Status NoSuchCollection(std::string_view what) {
  return NotFound("collection " + std::string(what) + " does not exist").WithReason("collection_not_found");
}

Status NoSuchAlias(std::string_view alias) {
  return NotFound("alias " + std::string(alias) + " does not exist").WithReason("alias_not_found");
}

Status CheckNameIsFree(const CatalogState& state, std::string_view name) {
  if (state.by_name.contains(name)) {
    return AlreadyExists("collection " + std::string(name) + " already exists").WithReason("collection_exists");
  }
  if (const auto it = state.aliases.find(name); it != state.aliases.end()) {
    return AlreadyExists(std::string(name) + " is an alias of collection " + state.entries.at(it->second).spec.name)
        .WithReason("alias_exists");
  }
  return OkStatus();
}

Result<CatalogEntry> CollectionNamed(const CatalogState& state, std::string_view name) {
  if (auto entry = state.Find(name)) return std::move(*entry);
  return std::unexpected(NoSuchCollection(name));
}

}  // namespace

Catalog::Catalog(ObjectStore& store, const Environment& env)
    : env_(env), chain_(store, std::string(kCatalogPrefix), CatalogKey, [](std::string_view bytes) {
        return internal::ToStatus(DecodeCatalogVersion(bytes));
      }) {}

Result<std::unique_ptr<Catalog>> Catalog::Open(OpContext& ctx, ObjectStore& store, const Environment& env) {
  std::unique_ptr<Catalog> catalog(new Catalog(store, env));
  MutexLock lock(catalog->commit_mutex_);
  AKI_RETURN_IF_ERROR(catalog->LoadAll(ctx));
  return catalog;
}

Status Catalog::LoadAll(OpContext& ctx) {
  AKI_ASSIGN_OR_RETURN(const ManifestVersion head, chain_.FindHead(ctx));
  if (head.value() == 0) {
    // A store that denies what it has looks the same. Who creates the first version, or is told that it exists, knows.
    AKI_RETURN_IF_ERROR(Commit(
        ctx, [](const CatalogState& state, CatalogVersion*) -> Result<bool> { return state.version.value() == 0; }));
    return internal::ToStatus(RefreshLocked(ctx, Absence::kChecked));
  }
  AKI_ASSIGN_OR_RETURN(const std::string head_bytes, chain_.Read(ctx, head));
  AKI_ASSIGN_OR_RETURN(const CatalogVersion newest, DecodeCatalogVersion(head_bytes));
  const ManifestVersion first = newest.checkpoint ? head : std::max(newest.last_checkpoint, ManifestVersion(1));
  for (ManifestVersion v = first; v <= head; v = v.Next()) {
    AKI_ASSIGN_OR_RETURN(const std::string bytes, chain_.Read(ctx, v));
    AKI_ASSIGN_OR_RETURN(const CatalogVersion version, DecodeCatalogVersion(bytes));
    if (version.version != v)
      return DataLoss(CatalogKey(v) + " holds version " + std::to_string(version.version.value()));
    AKI_RETURN_IF_ERROR(Apply(version, bytes));
  }
  return OkStatus();
}

Status Catalog::Apply(const CatalogVersion& version, std::string_view bytes) {
  MutexLock lock(state_mutex_);
  return state_.Apply(version, bytes);
}

Status Catalog::ResolvePending(OpContext& ctx) {
  if (!chain_.pending()) return OkStatus();
  const ManifestVersion version = chain_.pending_version();
  std::string bytes = chain_.pending_bytes();
  AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain_.Resolve(ctx));
  if (verdict == Verdict::kLost) {
    AKI_ASSIGN_OR_RETURN(bytes, chain_.Read(ctx, version));
  }
  AKI_ASSIGN_OR_RETURN(const CatalogVersion decoded, DecodeCatalogVersion(bytes));
  return Apply(decoded, bytes);
}

Result<bool> Catalog::RefreshLocked(OpContext& ctx, Absence absence) {
  bool found = chain_.pending();
  AKI_RETURN_IF_ERROR(ResolvePending(ctx));
  while (true) {
    ManifestVersion known;
    {
      MutexLock lock(state_mutex_);
      known = state_.version;
    }
    const auto bytes = chain_.ReadIfThere(ctx, known.Next());
    if (!bytes || !*bytes) {
      // A 403 says as little as a 404.
      if (absence == Absence::kChecked) AKI_RETURN_IF_ERROR(internal::ToStatus(chain_.Read(ctx, known)));
      if (!bytes) return std::unexpected(bytes.error());
      return found;
    }
    AKI_ASSIGN_OR_RETURN(const CatalogVersion version, DecodeCatalogVersion(**bytes));
    AKI_RETURN_IF_ERROR(Apply(version, **bytes));
    found = true;
  }
}

Result<bool> Catalog::Refresh(OpContext& ctx) {
  MutexLock lock(commit_mutex_);
  return RefreshLocked(ctx, Absence::kHint);
}

Result<bool> Catalog::CheckedRefresh(OpContext& ctx) {
  MutexLock lock(commit_mutex_);
  return RefreshLocked(ctx, Absence::kChecked);
}

// The time up to which misses are paid for runs ahead of the clock by one interval a miss, but no further than the
// misses that may come at once.
bool Catalog::TakeMiss() {
  MutexLock lock(state_mutex_);
  const MonotonicTime now = env_.clock->Now();
  const MonotonicTime paid = std::max(misses_paid_until_, now) + kMissInterval;
  if (paid > now + kMissesAtOnce * kMissInterval) return false;
  misses_paid_until_ = paid;
  return true;
}

Result<std::optional<CatalogEntry>> Catalog::ResolveFresh(OpContext& ctx, std::string_view name_or_alias) {
  if (auto entry = Resolve(name_or_alias)) return entry;
  Status refreshed;
  if (TakeMiss()) {
    // Whoever asks already, or changes the catalog, meets the news on the way: until then nothing is known.
    MutexLock commit_lock(commit_mutex_);
    if (auto entry = Resolve(name_or_alias)) return entry;
    refreshed = internal::ToStatus(RefreshLocked(ctx, Absence::kChecked));
    MutexLock lock(state_mutex_);
    last_check_ = refreshed;
  } else {
    MutexLock lock(state_mutex_);
    refreshed = last_check_;
  }
  if (auto entry = Resolve(name_or_alias)) return entry;
  if (refreshed.ok()) return std::nullopt;
  return std::unexpected(std::move(refreshed).Annotate("collection " + std::string(name_or_alias) + " is not known"));
}

Status Catalog::Commit(OpContext& ctx, const Make& make) {
  AKI_RETURN_IF_ERROR(ResolvePending(ctx));
  for (int rebase = 0; rebase < kCatalogRebasesMax; ++rebase) {
    CatalogVersion next;
    {
      MutexLock lock(state_mutex_);
      AKI_ASSIGN_OR_RETURN(const bool changes, make(state_, &next));
      if (!changes) return OkStatus();
      next.version = state_.version.Next();
      next.previous_sha256 = state_.sha256;
      next.last_checkpoint = state_.last_checkpoint;
      next.next_collection_id = state_.next_id;
    }
    next.attempt_id = env_.random->Hex(16);
    next.created_at = FormatRfc3339(env_.clock->WallNow());
    std::string bytes = EncodeCatalogVersion(next);
    AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain_.Create(ctx, next.version, bytes));
    if (verdict == Verdict::kWon) return Apply(next, bytes);
    AKI_ASSIGN_OR_RETURN(bytes, chain_.Read(ctx, next.version));
    AKI_ASSIGN_OR_RETURN(const CatalogVersion winner, DecodeCatalogVersion(bytes));
    AKI_RETURN_IF_ERROR(Apply(winner, bytes));
  }
  return Aborted("catalog: other committers won " + std::to_string(kCatalogRebasesMax) + " times in a row");
}

Status Catalog::Change(OpContext& ctx, const Make& make) {
  MutexLock lock(commit_mutex_);
  bool unchanged = false;
  const Make watched = [&](const CatalogState& state, CatalogVersion* next) {
    Result<bool> made = make(state, next);
    unchanged = !made || !*made;
    return made;
  };
  Status status = Commit(ctx, watched);
  // "It is so already" and "it cannot be" are both about what was known.
  if (unchanged) {
    AKI_ASSIGN_OR_RETURN(const bool news, RefreshLocked(ctx, Absence::kChecked));
    if (news) status = Commit(ctx, make);
  }
  AKI_RETURN_IF_ERROR(status);
  CheckpointIfDue(ctx).IgnoreError("the delta is committed; the next change tries the checkpoint again");
  return OkStatus();
}

Status Catalog::CheckpointIfDue(OpContext& ctx) {
  return Commit(ctx, [](const CatalogState& state, CatalogVersion* next) {
    const uint64_t deltas = state.version.value() - state.last_checkpoint.value();
    if (deltas < std::max(kDeltasBeforeCheckpointMin, state.checkpoint_entries)) return false;
    state.FillCheckpoint(next);
    return true;
  });
}

std::optional<CatalogEntry> Catalog::Find(std::string_view name) {
  MutexLock lock(state_mutex_);
  return state_.Find(name);
}

std::optional<CatalogEntry> Catalog::Resolve(std::string_view name_or_alias) {
  MutexLock lock(state_mutex_);
  return state_.Resolve(name_or_alias);
}

std::optional<CatalogEntry> Catalog::FindById(CollectionId id) {
  MutexLock lock(state_mutex_);
  return state_.FindById(id);
}

std::vector<CatalogEntry> Catalog::List() {
  MutexLock lock(state_mutex_);
  std::vector<CatalogEntry> out;
  out.reserve(state_.by_name.size());
  for (const auto& [name, id] : state_.by_name) out.push_back(state_.entries.at(id));
  return out;
}

std::vector<AliasTarget> Catalog::Aliases() {
  MutexLock lock(state_mutex_);
  std::vector<AliasTarget> out;
  out.reserve(state_.aliases.size());
  for (const auto& [alias, id] : state_.aliases) {
    if (const auto entry = state_.FindById(id)) out.push_back({alias, entry->spec.name});
  }
  return out;
}

std::vector<std::string> Catalog::AliasesOf(CollectionId id) {
  MutexLock lock(state_mutex_);
  return state_.AliasesOf(id);
}

size_t Catalog::size() {
  MutexLock lock(state_mutex_);
  return state_.entries.size();
}

Status Catalog::CheckFree(OpContext& ctx, std::string_view name) {
  const auto taken = [&] {
    MutexLock lock(state_mutex_);
    return CheckNameIsFree(state_, name);
  };
  if (taken().ok()) return OkStatus();
  AKI_RETURN_IF_ERROR(internal::ToStatus(CheckedRefresh(ctx)));
  return taken();
}

CollectionId Catalog::MintId() {
  MutexLock lock(state_mutex_);
  const CollectionId id = state_.next_id;
  state_.next_id = id.Next();
  return id;
}

std::vector<CollectionId> Catalog::Dropped() {
  MutexLock lock(state_mutex_);
  return {state_.dropped.begin(), state_.dropped.end()};
}

Status Catalog::Add(OpContext& ctx, const CatalogEntry& entry) {
  return Change(ctx, [&](const CatalogState& state, CatalogVersion* next) -> Result<bool> {
    AKI_RETURN_IF_ERROR(CheckNameIsFree(state, entry.spec.name));
    if (state.entries.contains(entry.id) || state.dropped.contains(entry.id)) {
      return std::unexpected(AlreadyExists("collection id " + std::to_string(entry.id.value()) + " was used before"));
    }
    next->put.push_back(entry);
    return true;
  });
}

Result<CatalogEntry> Catalog::Update(OpContext& ctx, CollectionId id, const EditSpec& edit) {
  CatalogEntry updated;
  AKI_RETURN_IF_ERROR(Change(ctx, [&](const CatalogState& state, CatalogVersion* next) -> Result<bool> {
    const auto entry = state.FindById(id);
    if (!entry) return std::unexpected(NoSuchCollection(std::to_string(id.value())));
    updated = *entry;
    AKI_ASSIGN_OR_RETURN(updated.spec, edit(entry->spec));
    if (updated == *entry) return false;
    next->put.push_back(updated);
    return true;
  }));
  return updated;
}

Status Catalog::Drop(OpContext& ctx, CollectionId id) {
  return Change(ctx, [&](const CatalogState& state, CatalogVersion* next) -> Result<bool> {
    // A drop that was begun is completed by whoever meets it.
    if (state.dropped.contains(id)) return false;
    const auto entry = state.FindById(id);
    if (!entry) return std::unexpected(NoSuchCollection(std::to_string(id.value())));
    AKI_RETURN_IF_ERROR(CheckNoAliases(entry->spec.name, state.AliasesOf(id)));
    next->dropped.push_back(id);
    return true;
  });
}

Status Catalog::Abandon(OpContext& ctx, CollectionId id) {
  return Change(ctx, [&](const CatalogState& state, CatalogVersion* next) -> Result<bool> {
    if (state.entries.contains(id) || state.dropped.contains(id)) return false;
    next->dropped.push_back(id);
    return true;
  });
}

Status Catalog::SetAlias(OpContext& ctx, std::string_view alias, std::string_view collection) {
  AKI_RETURN_IF_ERROR(ValidateName("alias", alias));
  return Change(ctx, [&](const CatalogState& state, CatalogVersion* next) -> Result<bool> {
    AKI_ASSIGN_OR_RETURN(const CatalogEntry entry, CollectionNamed(state, collection));
    const auto current = state.aliases.find(alias);
    if (current == state.aliases.end()) {
      AKI_RETURN_IF_ERROR(CheckNameIsFree(state, alias));
    } else if (current->second == entry.id) {
      return false;
    }
    next->aliases_put.push_back({std::string(alias), entry.id});
    return true;
  });
}

Status Catalog::DropAlias(OpContext& ctx, std::string_view alias) {
  return Change(ctx, [&](const CatalogState& state, CatalogVersion* next) -> Result<bool> {
    if (!state.aliases.contains(alias)) return std::unexpected(NoSuchAlias(alias));
    next->aliases_dropped.emplace_back(alias);
    return true;
  });
}

Status Catalog::SwitchAlias(OpContext& ctx, std::string_view alias, std::string_view from, std::string_view to) {
  return Change(ctx, [&](const CatalogState& state, CatalogVersion* next) -> Result<bool> {
    const auto current = state.aliases.find(alias);
    if (current == state.aliases.end()) return std::unexpected(NoSuchAlias(alias));
    AKI_ASSIGN_OR_RETURN(const CatalogEntry target, CollectionNamed(state, to));
    const std::string& now = state.entries.at(current->second).spec.name;
    if (now != from) {
      return std::unexpected(
          FailedPrecondition("alias " + std::string(alias) + " points to " + now + ", not to " + std::string(from))
              .WithReason("alias_moved"));
    }
    if (current->second == target.id) return false;
    next->aliases_put.push_back({std::string(alias), target.id});
    return true;
  });
}

Status Catalog::MarkPurged(OpContext& ctx, const std::vector<CollectionId>& ids) {
  return Change(ctx, [&](const CatalogState& state, CatalogVersion* next) -> Result<bool> {
    for (const CollectionId id : std::set(ids.begin(), ids.end())) {
      if (state.dropped.contains(id)) next->purged.push_back(id);
    }
    return !next->purged.empty();
  });
}

Status CheckNoAliases(std::string_view collection, const std::vector<std::string>& aliases) {
  if (aliases.empty()) return OkStatus();
  std::string names;
  for (const std::string& alias : aliases) names += (names.empty() ? "" : ", ") + alias;
  return FailedPrecondition("collection " + std::string(collection) + " is what " +
                            (aliases.size() == 1 ? "alias " : "the aliases ") + names + " point" +
                            (aliases.size() == 1 ? "s" : "") + " to; move or delete " +
                            (aliases.size() == 1 ? "it" : "them") + " first")
      .WithReason("collection_has_aliases");
}

}  // namespace akidb
