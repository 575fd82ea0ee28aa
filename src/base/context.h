// What one operation carries down the layers: deadline, cancellation, who asks, and the request id.
//
// Threads: one operation, one thread at a time; Cancel() may come from any thread.
// Errors:  Check() says kCancelled or kDeadlineExceeded.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/status.h"

namespace akidb {

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

  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  // OK while the operation should go on. Long loops call it every few milliseconds of work.
  Status Check() const;

 private:
  Clock* clock_;
  MonotonicTime deadline_ = MonotonicTime::max();
  std::string principal_;
  std::string request_id_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace akidb
