// A bucket as a directory: keys are files below a root, with the conditions and the durability of a real store.
// It exists so that a laptop, a test or an edge box needs no object store, and so that a directory can be copied to a
// bucket and back: files hold exactly the objects' bytes.
//
// Threads:    thread-safe. One process owns the directory (the caller holds a lock); conditions are decided inside it.
// Errors:     those of ObjectStore. A full disk is kResourceExhausted with nothing changed. A key that goes through, or
//             is, another key's directory is kFailedPrecondition, reason "key_conflict". A failed fsync calls `die`; if
//             that returns, the status has effect unknown and the store must not be used any more (I4).
// Durability: 1. bytes are synced before they get their name; 2. OK comes after the directory is synced; 3. names that
//             an earlier process left un-synced are synced before this one shows or builds on them.
// Cost:       Put: write, fdatasync, link or rename, one directory fsync; one more the first time a directory is used.
//             A Put under IfEtagIs and a Head read the object, because an etag is a hash of the content and is stored
//             nowhere: files stay plain and cannot disagree with it. List gives no etags, and only Put and Commit know
//             modified_at.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/file_system.h"
#include "base/random.h"
#include "objstore/object_store.h"

namespace akidb {

// Opens (creates) the directory `root` and removes what interrupted writes left in it.
Result<std::unique_ptr<ObjectStore>> OpenLocalFsStore(OpContext& ctx, FileSystem& fs, Random& random, Clock& clock,
                                                      const std::string& root, std::function<void(const Status&)> die);

}  // namespace akidb
