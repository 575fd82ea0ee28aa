// Some of the queries that a collection answered here, each of the later ones as likely as the next, for measuring its
// indexes with. They are held in memory alone and written nowhere.
//
// Threads: thread-safe.
// Errors:  none.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"

namespace akidb {

class SeenQueries {
 public:
  static constexpr uint64_t kKept = 192;  // what tells recalls apart that are a few hundredths from each other
  // What is kept is of about so many of the last ones.
  static constexpr uint64_t kOutOf = 64 * kKept;

  explicit SeenQueries(uint64_t seed) : seed_(seed) {}

  // Equal sequences leave equal samples. All queries have as many elements as the first.
  void Note(std::span<const float> query) {
    const uint64_t number = seen_.fetch_add(1, std::memory_order_relaxed);
    const uint64_t place = number < kKept ? number : Draw(number) % std::min(number + 1, kOutOf);
    if (place >= kKept) return;
    MutexLock lock(mutex_);
    // One that came later may be here first.
    const size_t end = (place + 1) * query.size();
    if (values_.size() < end) values_.resize(end);
    std::ranges::copy(query, values_.begin() + static_cast<std::ptrdiff_t>(place * query.size()));
  }

  // All that were noted.
  uint64_t seen() const { return seen_.load(std::memory_order_relaxed); }
  // One after the other; kKept of them once as many were noted.
  std::vector<float> Sample() const {
    MutexLock lock(mutex_);
    return values_;
  }
  uint64_t memory_bytes() const {
    MutexLock lock(mutex_);
    return values_.capacity() * sizeof(float);
  }

 private:
  uint64_t Draw(uint64_t number) const {
    char bytes[sizeof(number)];
    std::memcpy(bytes, &number, sizeof(number));
    return Xxh3(std::string_view(bytes, sizeof(bytes)), seed_);
  }

  const uint64_t seed_;
  std::atomic<uint64_t> seen_{0};
  mutable Mutex mutex_;
  std::vector<float> values_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
