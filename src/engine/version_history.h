// What a process knows of the versions of one collection's manifest: when each was committed, what a tombstone of it
// must say, and which objects it names. Versions never change, so each is read once at most; those that this process
// committed are not read at all.
//
// Threads:    thread-safe.
// Errors:     none.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "manifest/manifest_committer.h"

namespace akidb {

class VersionHistory {
 public:
  // Names the store's key of an object, and of a deletion vector, that a manifest of this collection names.
  using KeysOf = std::function<std::vector<std::string>(const Manifest&)>;
  explicit VersionHistory(KeysOf keys_of) : keys_of_(std::move(keys_of)) {}

  struct Version {
    std::string created_at;
    std::string attempt_id;
    Epoch epoch;
    std::string sha256;
    std::string previous_sha256;  // what it names its predecessor
  };

  // A head that was read or committed.
  void NoteHead(const std::shared_ptr<const ManifestHead>& head);
  // The newest head noted; null before the first.
  std::shared_ptr<const ManifestHead> head() const;

  void Learn(const Manifest& manifest, const std::string& sha256);
  std::optional<Version> Find(ManifestVersion version) const;
  bool KnowsKeys(ManifestVersion version) const;
  // Keys that at least one of `versions` names. Requires: KnowsKeys of each.
  std::set<std::string, std::less<>> NamedBy(const std::vector<ManifestVersion>& versions) const;
  // Whether one of `versions` names an object outside `prefix`. Requires KnowsKeys of each.
  bool NamesOutside(const std::string& prefix, const std::vector<ManifestVersion>& versions) const;
  // Whether a version that was learned names an object that none of `kept` names.
  bool NamesMoreThan(const std::vector<ManifestVersion>& kept) const;
  // Gives up which objects are named by versions below `boundary` that are not among `kept`.
  void ForgetKeys(ManifestVersion boundary, const std::vector<ManifestVersion>& kept);
  // Gives up all that is known of versions below `boundary` that are not among `kept`.
  void Forget(ManifestVersion boundary, const std::vector<ManifestVersion>& kept);
  size_t size() const;

 private:
  struct Known {
    Version version;
    bool knows_keys = false;
    std::vector<const std::string*> keys;  // into keys_
  };
  void DropKeys(Known* known) AKI_REQUIRES(mutex_);

  const KeysOf keys_of_;
  mutable Mutex mutex_;
  std::shared_ptr<const ManifestHead> head_ AKI_GUARDED_BY(mutex_);
  std::map<ManifestVersion, Known> known_ AKI_GUARDED_BY(mutex_);
  std::map<std::string, uint32_t, std::less<>> keys_ AKI_GUARDED_BY(mutex_);  // and how many known versions name it
};

}  // namespace akidb
