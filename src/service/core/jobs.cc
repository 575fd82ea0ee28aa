#include "service/core/jobs.h"

#include <array>
#include <exception>

namespace akidb {
namespace {

bool Ended(JobState state) { return state != JobState::kQueued && state != JobState::kRunning; }

}  // namespace

std::string_view JobStateName(JobState state) {
  constexpr std::array<std::string_view, 5> kNames = {"queued", "running", "succeeded", "failed", "cancelled"};
  return kNames[static_cast<size_t>(state)];
}

Result<JobInfo> Jobs::Start(std::string kind, std::string collection, std::move_only_function<Status(OpContext&)> work,
                            std::move_only_function<void(const JobInfo&)> done) {
  auto job = std::make_shared<Job>(clock_);
  job->info = {.id = random_.Hex(16),
               .kind = std::move(kind),
               .collection = std::move(collection),
               .created_at = FormatRfc3339(clock_.WallNow()),
               .finished_at = {},
               .state = JobState::kQueued,
               .error = {}};
  const JobInfo info = job->info;
  {
    MutexLock lock(mutex_);
    for (auto it = jobs_.end(); jobs_.size() >= count_max_ && it != jobs_.begin();) {
      --it;
      if (!Ended((*it)->info.state)) continue;
      by_id_.erase((*it)->info.id);
      it = jobs_.erase(it);
    }
    if (jobs_.size() >= count_max_) {
      return std::unexpected(
          ResourceExhausted(std::to_string(count_max_) + " jobs are queued or running; wait for one to end")
              .WithReason("too_many_jobs"));
    }
    jobs_.push_front(job);
    by_id_[info.id] = jobs_.begin();
  }
  queue_.Post([this, job, work = std::move(work), done = std::move(done)]() mutable {
    Status status = job->ctx.Check();
    if (status.ok()) {
      {
        MutexLock lock(mutex_);
        job->info.state = JobState::kRunning;
      }
      try {
        status = work(job->ctx);
      } catch (const std::exception& e) {
        status = Internal(std::string("the job failed: ") + e.what());
      }
    }
    const JobInfo final_info = Finish(job, std::move(status));
    if (done) done(final_info);
  });
  return info;
}

JobInfo Jobs::Finish(const std::shared_ptr<Job>& job, Status status) {
  MutexLock lock(mutex_);
  job->info.state = status.ok()                               ? JobState::kSucceeded
                    : status.code() == StatusCode::kCancelled ? JobState::kCancelled
                                                              : JobState::kFailed;
  job->info.error = std::move(status);
  job->info.finished_at = FormatRfc3339(clock_.WallNow());
  return job->info;
}

std::vector<JobInfo> Jobs::List() const {
  MutexLock lock(mutex_);
  std::vector<JobInfo> out;
  out.reserve(jobs_.size());
  for (const auto& job : jobs_) out.push_back(job->info);
  return out;
}

Result<JobInfo> Jobs::Get(std::string_view id) const {
  MutexLock lock(mutex_);
  const auto found = by_id_.find(std::string(id));
  if (found == by_id_.end())
    return std::unexpected(NotFound("there is no job with this id").WithReason("job_not_found"));
  return (*found->second)->info;
}

Result<JobInfo> Jobs::Cancel(std::string_view id) {
  MutexLock lock(mutex_);
  const auto found = by_id_.find(std::string(id));
  if (found == by_id_.end())
    return std::unexpected(NotFound("there is no job with this id").WithReason("job_not_found"));
  const std::shared_ptr<Job> job = *found->second;
  if (Ended(job->info.state)) {
    jobs_.erase(found->second);
    by_id_.erase(found);
  } else {
    job->ctx.Cancel();
  }
  return job->info;
}

}  // namespace akidb
