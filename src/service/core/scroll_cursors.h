// Scrolls in progress: each pins one snapshot until it ends, is not used for the time to live, or is pushed out.
// A page token is "<cursor>.<hex of the last id>", so that a repeated request gets the same page again.
//
// Threads: thread-safe.
// Errors:  Find: kFailedPrecondition (reason "cursor_expired"); kInvalidArgument for what is no token.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/status.h"
#include "engine/read_point.h"
#include "engine/snapshot.h"
#include "filter/filter.h"

namespace akidb {

struct ScrollCursor {
  CollectionId collection;
  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<const Filter> filter;
  std::optional<ReadPoint> at{};  // as the first page asked for
};

class ScrollCursors {
 public:
  ScrollCursors(Clock& clock, Random& random, Duration time_to_live, size_t count_max)
      : clock_(clock), random_(random), time_to_live_(time_to_live), count_max_(count_max) {}

  // Returns the cursor's name.
  std::string Add(ScrollCursor cursor);
  struct Page {
    std::string name;
    std::string after_id;
    ScrollCursor cursor;
  };
  // Counts as a use.
  Result<Page> Find(std::string_view token);
  void Remove(const std::string& name);
  // Drops what nobody used for the time to live.
  void Purge();
  size_t size() const;

  static std::string Token(std::string_view name, std::string_view after_id);

 private:
  struct Entry {
    std::string name;
    ScrollCursor cursor;
    MonotonicTime used;
  };
  // Takes the expired entries out, so that their snapshots are released without the lock.
  std::list<Entry> TakeExpired() AKI_REQUIRES(mutex_);

  Clock& clock_;
  Random& random_;
  const Duration time_to_live_;
  const size_t count_max_;
  mutable Mutex mutex_;
  std::list<Entry> entries_ AKI_GUARDED_BY(mutex_);  // least recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_name_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
