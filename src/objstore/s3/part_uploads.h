// Parts of one object on their way to the store: a few at a time, the others in a queue.
// It exists so that who makes the parts goes on making them: only copies, which cost memory, wait for room.
//
// Threads: Add, Finish and Stop belong to one thread; the parts are sent by up to `at_once` threads of its own.
// Errors:  those of the parts, of the first that failed; the caller's kDeadlineExceeded and kCancelled.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/context.h"
#include "base/mutex.h"
#include "base/status.h"
#include "objstore/s3/part_bytes.h"

namespace akidb::s3 {

class PartUploads {
 public:
  // Sends part `number`, from 1 on, and returns its etag. Called in threads of its own, for several parts at once.
  using Send = std::function<Result<std::string>(OpContext&, uint32_t number, PartBytes& bytes)>;

  PartUploads(Clock& clock, uint32_t at_once, Send send);
  ~PartUploads();
  PartUploads(const PartUploads&) = delete;
  PartUploads& operator=(const PartUploads&) = delete;

  // Queues the next part; waits while `at_once` parts hold copies.
  Status Add(OpContext& ctx, PartBytes bytes) AKI_EXCLUDES(mutex_);
  // Waits for all of them; their etags in order.
  Result<std::vector<std::string>> Finish(OpContext& ctx) AKI_EXCLUDES(mutex_);
  // Forgets those that wait, cancels the others and waits for their threads. Nothing may be added after it.
  void Stop() AKI_EXCLUDES(mutex_);

 private:
  struct Part {
    Part(Clock& clock, uint32_t number_in, PartBytes bytes_in)
        : ctx(clock), number(number_in), bytes(std::move(bytes_in)) {}
    bool copied() const { return !bytes.copied().empty(); }
    OpContext ctx;  // its own: a context belongs to one thread
    const uint32_t number;
    PartBytes bytes;
  };

  void Work() AKI_EXCLUDES(mutex_);
  // The next one to send, once there is one; null: there will be none.
  std::unique_ptr<Part> Next() AKI_EXCLUDES(mutex_);
  void Note(const Part& part, Result<std::string> etag) AKI_EXCLUDES(mutex_);
  // Until `done`, or a part failed, or the caller's time is over.
  template <class Done>
  Status WaitUntil(OpContext& ctx, Done done) AKI_REQUIRES(mutex_);

  Clock& clock_;
  const uint32_t at_once_;
  const Send send_;
  uint32_t added_ = 0;
  std::vector<std::thread> threads_;

  Mutex mutex_;
  CondVar added_or_stopped_;
  CondVar finished_;
  std::deque<std::unique_ptr<Part>> waiting_ AKI_GUARDED_BY(mutex_);
  std::vector<Part*> sent_ AKI_GUARDED_BY(mutex_);  // that is being done
  uint32_t idle_threads_ AKI_GUARDED_BY(mutex_) = 0;
  uint32_t copies_ AKI_GUARDED_BY(mutex_) = 0;  // parts that hold one
  bool stopped_ AKI_GUARDED_BY(mutex_) = false;
  Status failed_ AKI_GUARDED_BY(mutex_);
  std::vector<std::string> etags_ AKI_GUARDED_BY(mutex_);  // of the parts that are up, by number
};

}  // namespace akidb::s3
