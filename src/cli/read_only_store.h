// One file seen as an object store that holds only it, for commands that look at a stored object wherever it lies.
// It exists because opening a directory as a store cleans up in it, which must not happen under a running server.
//
// Threads: thread-safe.
// Errors:  reads: those of the file; writes: kFailedPrecondition.
#pragma once

#include <memory>
#include <string>

#include "base/file_system.h"
#include "objstore/object_store.h"

namespace akidb {

// The object's key is the file's name without its directories.
Result<std::shared_ptr<ObjectStore>> OpenReadOnlyStore(FileSystem& fs, const std::string& path);
std::string FileNameOf(const std::string& path);

}  // namespace akidb
