// A bucket in memory: the reference for what the others must do, for tests and simulation.
//
// Threads: thread-safe.
// Errors:  those of ObjectStore that need neither disk nor network.
#pragma once

#include <memory>

#include "objstore/object_store.h"

namespace akidb {

// `clock` dates the objects.
std::unique_ptr<ObjectStore> NewMemoryStore(Clock& clock);

}  // namespace akidb
