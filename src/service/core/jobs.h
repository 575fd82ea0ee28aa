// Long work that clients can watch and cancel: flushes and merges. Finished jobs are kept until newer ones push them
// out.
//
// Threads: thread-safe.
// Errors:  Start: kResourceExhausted (reason "too_many_jobs"). Get, Cancel: kNotFound (reason "job_not_found").
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/context.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/status.h"
#include "service/core/work_queue.h"

namespace akidb {

enum class JobState : uint8_t { kQueued, kRunning, kSucceeded, kFailed, kCancelled };
std::string_view JobStateName(JobState state);

struct JobInfo {
  std::string id;
  std::string kind;  // "flush" "merge"
  std::string collection;
  std::string created_at;
  std::string finished_at;  // empty until it ends
  JobState state = JobState::kQueued;
  Status error;
};

class Jobs {
 public:
  Jobs(Clock& clock, Random& random, WorkQueue& queue, size_t count_max)
      : clock_(clock), random_(random), queue_(queue), count_max_(count_max) {}

  // Queues `work`; `done` runs after it with the job's final state.
  Result<JobInfo> Start(std::string kind, std::string collection, std::move_only_function<Status(OpContext&)> work,
                        std::move_only_function<void(const JobInfo&)> done);
  std::vector<JobInfo> List() const;  // newest first
  Result<JobInfo> Get(std::string_view id) const;
  // Asks a queued or running job to stop; one that ended is forgotten.
  Result<JobInfo> Cancel(std::string_view id);

 private:
  struct Job {
    explicit Job(Clock& clock) : ctx(clock) {}
    JobInfo info;
    OpContext ctx;
  };
  using JobList = std::list<std::shared_ptr<Job>>;
  JobInfo Finish(const std::shared_ptr<Job>& job, Status status);

  Clock& clock_;
  Random& random_;
  WorkQueue& queue_;
  const size_t count_max_;
  mutable Mutex mutex_;
  JobList jobs_ AKI_GUARDED_BY(mutex_);  // newest first
  std::unordered_map<std::string, JobList::iterator> by_id_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
