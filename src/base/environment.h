// Everything the engine may touch of the outside world, in one place that a simulation can replace.
//
// Threads: the members are thread-safe; the struct is copied at wiring and then constant.
// Errors:  none.
#pragma once

#include <functional>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/task.h"

namespace akidb {

struct Environment {
  Clock* clock = nullptr;
  Random* random = nullptr;
  FileSystem* fs = nullptr;
  Executor* executor = nullptr;
  // Ends the process; called when going on could break a promise (I4). Never returns normally: production exits with
  // code 70 at once, without flushing or destructors; a simulation throws.
  std::function<void(const Status&)> die;
};

}  // namespace akidb
