// Background work as steps: a Task does one bounded piece of work a call and says when it wants the next.
// It exists so that production threads and a seeded single-thread scheduler can drive the very same code.
//
// Threads: an executor never runs two steps of one task at once. Wake may come from any thread.
// Errors:  a step reports errors itself (log, metrics, back-off); it never throws.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/context.h"

namespace akidb {

// When a task wants to run again.
struct NextStep {
  enum class Kind : uint8_t { kNow, kAfter, kOnWake, kDone };
  Kind kind = Kind::kOnWake;
  Duration delay{};

  static NextStep Now() { return {Kind::kNow, {}}; }
  static NextStep After(Duration delay) { return {Kind::kAfter, delay}; }  // or on wake, whichever is first
  static NextStep OnWake() { return {Kind::kOnWake, {}}; }
  static NextStep Done() { return {Kind::kDone, {}}; }
};

class Task {
 public:
  virtual ~Task() = default;
  virtual std::string_view name() const = 0;
  virtual NextStep Step(OpContext& ctx) = 0;
};

// Names a task inside its executor.
using TaskId = uint64_t;

class Executor {
 public:
  virtual ~Executor() = default;
  // The first step runs as soon as a thread is free. Returns a name that is never reused.
  virtual TaskId Add(std::shared_ptr<Task> task) = 0;
  // Makes a waiting task run soon; a running one runs once more. Unknown ids are ignored.
  virtual void Wake(TaskId id) = 0;
  // After it returns no step of the task runs or will run. Must not be called from the task's own step.
  virtual void Remove(TaskId id) = 0;
};

// `threads` worker threads. Destroying it waits for running steps and drops the rest.
std::unique_ptr<Executor> NewThreadExecutor(Clock& clock, int threads);

}  // namespace akidb
