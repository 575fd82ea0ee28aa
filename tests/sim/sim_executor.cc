#include "sim_executor.h"

#include <vector>

#include "base/check.h"

namespace akidb::sim {

TaskId SimExecutor::Add(std::shared_ptr<Task> task) {
  const TaskId id = next_id_++;
  tasks_[id] = {std::move(task), clock_->Now()};
  return id;
}

void SimExecutor::Wake(TaskId id) {
  const auto it = tasks_.find(id);
  if (it == tasks_.end()) return;
  it->second.due = clock_->Now();
  it->second.woken_in_step = id == running_;
}

void SimExecutor::Remove(TaskId id) {
  AKI_CHECK(id != running_);
  tasks_.erase(id);
}

bool SimExecutor::StepOne(Dice& dice) {
  const MonotonicTime now = clock_->Now();
  std::vector<TaskId> due;
  for (const auto& [id, entry] : tasks_) {
    if (entry.due <= now) due.push_back(id);
  }
  if (due.empty()) return false;
  const TaskId id = due[dice.Below(due.size())];
  const std::shared_ptr<Task> task = tasks_[id].task;
  world_->trace().Line("step " + std::string(task->name()));
  world_->coverage().Count("step." + std::string(task->name()));
  tasks_[id].woken_in_step = false;
  struct Running {
    TaskId* slot;
    ~Running() { *slot = 0; }
  } running{&running_};
  running_ = id;
  OpContext ctx(*clock_);
  const NextStep next = task->Step(ctx);
  const auto it = tasks_.find(id);
  if (it == tasks_.end()) return true;
  Entry& entry = it->second;
  switch (next.kind) {
    case NextStep::Kind::kDone: tasks_.erase(it); return true;
    case NextStep::Kind::kNow: entry.due = clock_->Now(); break;
    case NextStep::Kind::kAfter: entry.due = clock_->Now() + next.delay; break;
    case NextStep::Kind::kOnWake: entry.due = MonotonicTime::max(); break;
  }
  if (entry.woken_in_step) entry.due = clock_->Now();
  return true;
}

std::optional<MonotonicTime> SimExecutor::NextDue() const {
  MonotonicTime next = MonotonicTime::max();
  for (const auto& [id, entry] : tasks_) next = std::min(next, entry.due);
  if (next == MonotonicTime::max()) return std::nullopt;
  return next;
}

}  // namespace akidb::sim
