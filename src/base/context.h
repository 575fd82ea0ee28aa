// What one operation carries down the layers: deadline, cancellation, who asks, how urgent it is, and the request id.
//
// Threads: one operation, one thread at a time; Cancel() may come from any thread.
// Errors:  Check() says kCancelled or kDeadlineExceeded.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"

namespace akidb {

// Who goes first where requests queue for the object store, most urgent first.
enum class Priority : uint8_t { kQuery, kWrite, kBackground };
inline constexpr size_t kPriorityCount = 3;

// Whether a read may be answered from a local copy. `kStore` asks the store itself, and a copy that says otherwise is
// dropped: for proofs that the store still has an object, and for a caller who found the bytes to be bad.
enum class ReadSource : uint8_t { kAny, kStore };

class OpContext {
 public:
  explicit OpContext(Clock& clock) : clock_(&clock) {}

  Clock& clock() const { return *clock_; }
  MonotonicTime deadline() const { return deadline_; }
  void set_deadline(MonotonicTime deadline) { deadline_ = deadline; }
  void set_timeout(Duration timeout) { deadline_ = clock_->Now() + timeout; }

  const std::string& principal() const { return principal_; }
  void set_principal(std::string principal) { principal_ = std::move(principal); }
  const std::string& request_id() const { return request_id_; }
  void set_request_id(std::string id) { request_id_ = std::move(id); }

  Priority priority() const { return priority_; }
  void set_priority(Priority priority) { priority_ = priority; }
  ReadSource read_source() const { return read_source_; }
  void set_read_source(ReadSource source) { read_source_ = source; }

  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  // OK while the operation should go on. Long loops call it every few milliseconds of work.
  Status Check() const;

 private:
  Clock* clock_;
  MonotonicTime deadline_ = MonotonicTime::max();
  std::string principal_;
  std::string request_id_;
  Priority priority_ = Priority::kQuery;
  ReadSource read_source_ = ReadSource::kAny;
  std::atomic<bool> cancelled_{false};
};

// Operations that end together, once what they are for is gone. All functions from any thread.
class OpGroup {
 public:
  // While it lives, `ctx` is one of them.
  class Member {
   public:
    Member(OpGroup& group, OpContext& ctx);
    ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

   private:
    OpGroup& group_;
    OpContext& ctx_;
  };

  // Cancels those that are under way, and each that begins later.
  void Cancel();

 private:
  Mutex mutex_;
  bool cancelled_ AKI_GUARDED_BY(mutex_) = false;
  std::vector<OpContext*> members_ AKI_GUARDED_BY(mutex_);
};

// While it lives, reads of `ctx` ask the store itself.
class ReadFromStore {
 public:
  explicit ReadFromStore(OpContext& ctx) : ctx_(ctx), before_(ctx.read_source()) {
    ctx_.set_read_source(ReadSource::kStore);
  }
  ~ReadFromStore() { ctx_.set_read_source(before_); }
  ReadFromStore(const ReadFromStore&) = delete;
  ReadFromStore& operator=(const ReadFromStore&) = delete;

 private:
  OpContext& ctx_;
  const ReadSource before_;
};

}  // namespace akidb
