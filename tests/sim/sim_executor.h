// Runs background tasks one step at a time, in an order that the seed decides, on the virtual clock.
//
// Threads: one.
// Errors:  none; exceptions of a step (SimCrash, SimDied) pass through.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "base/task.h"
#include "sim_world.h"

namespace akidb::sim {

class SimExecutor final : public Executor {
 public:
  explicit SimExecutor(World& world) : SimExecutor(world, world.clock()) {}
  // On a clock of its own.
  SimExecutor(World& world, Clock& clock) : world_(&world), clock_(&clock) {}

  TaskId Add(std::shared_ptr<Task> task) override;
  void Wake(TaskId id) override;
  void Remove(TaskId id) override;

  // Runs one step of a task that is due, chosen by `dice`; false if none is.
  bool StepOne(Dice& dice);
  // When the next waiting task becomes due; nullopt if all wait for a wake.
  std::optional<MonotonicTime> NextDue() const;
  size_t task_count() const { return tasks_.size(); }

 private:
  struct Entry {
    std::shared_ptr<Task> task;
    MonotonicTime due;
    bool woken_in_step = false;
  };

  World* world_;
  Clock* clock_;
  TaskId next_id_ = 1;
  TaskId running_ = 0;
  std::map<TaskId, Entry> tasks_;
};

}  // namespace akidb::sim
