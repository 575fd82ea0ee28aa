// What a node on a shared store owes to its own log, beside writing to it: which disk it lies on, whose records nobody
// has taken up yet, and whose were taken away by a rebind and are still to be put aside.
//
// Threads: thread-safe.
// Errors:  none.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/mutex.h"

namespace akidb {

class NodeLog {
 public:
  // Of the data directory; empty while the node has no log, so that nothing is bound to it.
  std::string disk() const {
    MutexLock lock(mutex_);
    return disk_;
  }
  void SetDisk(std::string disk) {
    MutexLock lock(mutex_);
    disk_ = std::move(disk);
  }

  // The log has records of this collection from `first` on that could not be replayed. Nobody reads it until they are.
  void NoteUnreplayed(CollectionId id, Lsn first) {
    MutexLock lock(mutex_);
    unreplayed_.try_emplace(id, first);
  }
  bool IsUnreplayed(CollectionId id) const {
    MutexLock lock(mutex_);
    return unreplayed_.contains(id);
  }
  void NoteReplayed(CollectionId id) {
    MutexLock lock(mutex_);
    unreplayed_.erase(id);
  }

  // The log may have records of this collection that a rebind took away.
  void NoteLost(CollectionId id) {
    MutexLock lock(mutex_);
    unreplayed_.erase(id);
    lost_.insert(id);
  }
  std::vector<CollectionId> Lost() const {
    MutexLock lock(mutex_);
    return {lost_.begin(), lost_.end()};
  }
  void NoteDiscarded(CollectionId id) {
    MutexLock lock(mutex_);
    lost_.erase(id);
  }

  // Records above it are still needed.
  Lsn TrimBound() const {
    MutexLock lock(mutex_);
    if (!lost_.empty()) return Lsn(0);
    Lsn bound = Lsn::Max();
    for (const auto& [id, first] : unreplayed_) bound = std::min(bound, Lsn(first.value() - 1));
    return bound;
  }

 private:
  mutable Mutex mutex_;
  std::string disk_ AKI_GUARDED_BY(mutex_);
  std::map<CollectionId, Lsn> unreplayed_ AKI_GUARDED_BY(mutex_);
  std::set<CollectionId> lost_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
