#include "engine/version_history.h"

#include <algorithm>
#include <unordered_set>

namespace akidb {

void VersionHistory::NoteHead(const std::shared_ptr<const ManifestHead>& head) {
  Learn(head->manifest, head->sha256);
  MutexLock lock(mutex_);
  if (!head_ || head_->manifest.version < head->manifest.version) head_ = head;
}

std::shared_ptr<const ManifestHead> VersionHistory::head() const {
  MutexLock lock(mutex_);
  return head_;
}

void VersionHistory::Learn(const Manifest& manifest, const std::string& sha256) {
  if (KnowsKeys(manifest.version)) return;
  const std::vector<std::string> keys = keys_of_(manifest);
  MutexLock lock(mutex_);
  Known& known = known_[manifest.version];
  if (known.knows_keys) return;
  known.version = {manifest.created_at, manifest.attempt_id, manifest.epoch, sha256, manifest.previous_sha256};
  known.knows_keys = true;
  known.keys.reserve(keys.size());
  for (const std::string& key : keys) {
    const auto it = keys_.try_emplace(key, 0).first;
    ++it->second;
    known.keys.push_back(&it->first);
  }
}

bool VersionHistory::KnowsKeys(ManifestVersion version) const {
  MutexLock lock(mutex_);
  const auto it = known_.find(version);
  return it != known_.end() && it->second.knows_keys;
}

void VersionHistory::DropKeys(Known* known) {
  for (const std::string* key : known->keys) {
    const auto entry = keys_.find(*key);
    if (--entry->second == 0) keys_.erase(entry);
  }
  known->keys = {};
  known->knows_keys = false;
}

std::optional<VersionHistory::Version> VersionHistory::Find(ManifestVersion version) const {
  MutexLock lock(mutex_);
  const auto it = known_.find(version);
  return it == known_.end() ? std::nullopt : std::optional(it->second.version);
}

std::set<std::string, std::less<>> VersionHistory::NamedBy(const std::vector<ManifestVersion>& versions) const {
  MutexLock lock(mutex_);
  std::set<std::string, std::less<>> named;
  for (const ManifestVersion version : versions) {
    for (const std::string* key : known_.at(version).keys) named.insert(*key);
  }
  return named;
}

bool VersionHistory::NamesOutside(const std::string& prefix, const std::vector<ManifestVersion>& versions) const {
  MutexLock lock(mutex_);
  return std::ranges::any_of(versions, [&](ManifestVersion version) AKI_REQUIRES(mutex_) {
    return std::ranges::any_of(known_.at(version).keys,
                               [&](const std::string* key) { return !key->starts_with(prefix); });
  });
}

bool VersionHistory::NamesMoreThan(const std::vector<ManifestVersion>& kept) const {
  MutexLock lock(mutex_);
  std::unordered_set<const std::string*> named;
  for (const ManifestVersion version : kept) {
    const auto it = known_.find(version);
    if (it != known_.end()) named.insert(it->second.keys.begin(), it->second.keys.end());
  }
  return named.size() < keys_.size();
}

void VersionHistory::ForgetKeys(ManifestVersion boundary, const std::vector<ManifestVersion>& kept) {
  MutexLock lock(mutex_);
  for (auto it = known_.begin(); it != known_.end() && it->first < boundary; ++it) {
    if (std::ranges::find(kept, it->first) == kept.end()) DropKeys(&it->second);
  }
}

void VersionHistory::Forget(ManifestVersion boundary, const std::vector<ManifestVersion>& kept) {
  MutexLock lock(mutex_);
  for (auto it = known_.begin(); it != known_.end() && it->first < boundary;) {
    if (std::ranges::find(kept, it->first) != kept.end()) {
      ++it;
      continue;
    }
    DropKeys(&it->second);
    it = known_.erase(it);
  }
}

size_t VersionHistory::size() const {
  MutexLock lock(mutex_);
  return known_.size();
}

}  // namespace akidb
