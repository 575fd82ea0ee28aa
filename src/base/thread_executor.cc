#include <algorithm>
#include <deque>
#include <exception>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/task.h"

namespace akidb {
namespace {

using std::chrono::seconds;

// A step that threw is a bug or memory that ran out; trying again at once would spin.
constexpr Duration kAfterException = seconds(1);
// Keeps the arithmetic of condition variables away from overflow; waking early costs nothing.
constexpr Duration kSleepMax = seconds(3600);

class ThreadExecutor final : public Executor {
 public:
  ThreadExecutor(Clock& clock, int threads) : clock_(clock) {
    AKI_CHECK(threads > 0);
    for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { Work(); });
  }

  ~ThreadExecutor() override {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
      work_.NotifyAll();
    }
    for (std::thread& worker : workers_) worker.join();
  }

  TaskId Add(std::shared_ptr<Task> task) override {
    const MutexLock lock(mutex_);
    const TaskId id = next_id_++;
    entries_[id].task = std::move(task);
    MakeReady(id);
    work_.NotifyOne();
    return id;
  }

  void Wake(TaskId id) override {
    const MutexLock lock(mutex_);
    const auto it = entries_.find(id);
    if (it == entries_.end()) return;
    if (it->second.state == State::kRunning) {
      it->second.woken = true;
    } else if (it->second.state == State::kWaiting) {
      CancelTimer(id, &it->second);
      MakeReady(id);
      work_.NotifyOne();
    }
  }

  void Remove(TaskId id) override {
    std::shared_ptr<Task> task;  // destroyed outside the lock: its destructor may call us
    const MutexLock lock(mutex_);
    while (true) {
      const auto it = entries_.find(id);
      if (it == entries_.end()) return;
      Entry& entry = it->second;
      if (entry.state != State::kRunning) {
        CancelTimer(id, &entry);
        if (entry.state == State::kReady) std::erase(ready_, id);
        task = std::move(entry.task);
        entries_.erase(it);
        step_ended_.NotifyAll();  // somebody else may wait to remove it too
        return;
      }
      AKI_CHECK(entry.runner != std::this_thread::get_id());
      entry.removed = true;
      step_ended_.Wait(mutex_);
    }
  }

 private:
  enum class State : uint8_t { kWaiting, kReady, kRunning };
  struct Entry {
    std::shared_ptr<Task> task;
    State state = State::kWaiting;
    bool woken = false;    // Wake came while running
    bool removed = false;  // somebody waits in Remove
    bool has_timer = false;
    MonotonicTime due{};
    std::thread::id runner;
  };

  void Work() {
    mutex_.Lock();
    while (!stopping_) {
      FireTimers();
      if (ready_.empty()) {
        WaitForWork();
        continue;
      }
      const TaskId id = ready_.front();
      ready_.pop_front();
      if (!ready_.empty() || TimerUnwatched()) work_.NotifyOne();
      Entry& entry = entries_.at(id);
      entry.state = State::kRunning;
      entry.runner = std::this_thread::get_id();
      Task& task = *entry.task;  // nobody erases the entry of a running task
      mutex_.Unlock();
      const NextStep next = RunStep(task);
      mutex_.Lock();
      std::shared_ptr<Task> done = Finish(id, next);
      step_ended_.NotifyAll();
      if (done == nullptr) continue;
      mutex_.Unlock();  // its destructor may call us
      done.reset();
      mutex_.Lock();
    }
    mutex_.Unlock();
  }

  NextStep RunStep(Task& task) const {
    OpContext ctx(clock_);
    ctx.set_priority(Priority::kBackground);  // a step on which somebody waits raises it
    try {
      return task.Step(ctx);
    } catch (const std::exception& e) {
      Log(LogLevel::kError, "a background step threw", {{"task", task.name()}, {"error", e.what()}});
      return NextStep::After(kAfterException);
    }
  }

  // Returns the task if it is done.
  std::shared_ptr<Task> Finish(TaskId id, const NextStep& next) AKI_REQUIRES(mutex_) {
    const auto it = entries_.find(id);
    Entry& entry = it->second;
    entry.state = State::kWaiting;
    if (entry.removed) return nullptr;  // Remove erases it
    if (next.kind == NextStep::Kind::kDone) {
      std::shared_ptr<Task> task = std::move(entry.task);
      entries_.erase(it);
      return task;
    }
    const bool woken = std::exchange(entry.woken, false);
    if (woken || next.kind == NextStep::Kind::kNow) {
      MakeReady(id);
    } else if (next.kind == NextStep::Kind::kAfter) {
      const MonotonicTime now = clock_.Now();
      if (next.delay < MonotonicTime::max() - now) {
        entry.has_timer = true;
        entry.due = now + next.delay;
        timers_.emplace(entry.due, id);
      }
    }
    return nullptr;
  }

  // Whoever is not a worker about to look for one itself notifies another.
  void MakeReady(TaskId id) AKI_REQUIRES(mutex_) {
    entries_.at(id).state = State::kReady;
    ready_.push_back(id);
  }

  void CancelTimer(TaskId id, Entry* entry) AKI_REQUIRES(mutex_) {
    if (entry->has_timer) timers_.erase({entry->due, id});
    entry->has_timer = false;
  }

  void FireTimers() AKI_REQUIRES(mutex_) {
    if (timers_.empty()) return;
    const MonotonicTime now = clock_.Now();
    while (!timers_.empty() && timers_.begin()->first <= now) {
      const TaskId id = timers_.begin()->second;
      CancelTimer(id, &entries_.at(id));
      MakeReady(id);
    }
  }

  // Whether all sleep beyond the next timer.
  bool TimerUnwatched() const AKI_REQUIRES(mutex_) { return !timers_.empty() && timers_.begin()->first < watched_; }

  void WaitForWork() AKI_REQUIRES(mutex_) {
    if (!TimerUnwatched()) return work_.Wait(mutex_);
    const MonotonicTime due = watched_ = timers_.begin()->first;
    work_.WaitFor(mutex_, std::min(due - clock_.Now(), kSleepMax));
    // A task that came first may have woken this worker; then whoever takes it sees that nobody watches.
    if (watched_ == due) watched_ = MonotonicTime::max();
  }

  Clock& clock_;
  Mutex mutex_;
  CondVar work_;
  CondVar step_ended_;
  TaskId next_id_ AKI_GUARDED_BY(mutex_) = 1;
  bool stopping_ AKI_GUARDED_BY(mutex_) = false;
  std::map<TaskId, Entry> entries_ AKI_GUARDED_BY(mutex_);
  std::deque<TaskId> ready_ AKI_GUARDED_BY(mutex_);
  std::set<std::pair<MonotonicTime, TaskId>> timers_ AKI_GUARDED_BY(mutex_);
  // When the first of the workers that sleep will wake by itself.
  MonotonicTime watched_ AKI_GUARDED_BY(mutex_) = MonotonicTime::max();
  std::vector<std::thread> workers_;  // last: they use all the others
};

}  // namespace

std::unique_ptr<Executor> NewThreadExecutor(Clock& clock, int threads) {
  return std::make_unique<ThreadExecutor>(clock, threads);
}

}  // namespace akidb
