// One object in one PUT, or streamed in parts when it is larger than one.
//
// Threads: a writer belongs to one thread; it has some of its own for the parts (part_uploads.h).
// Errors:  those of ObjectStore. A part that failed for a moment is tried again; the writer then reports at the next
//          Append or at Commit.
// Cost:    nothing until the first part is full. Memory: parts_in_flight + 1 parts, beside what others keep.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "objstore/object_store.h"
#include "objstore/s3/digest.h"
#include "objstore/s3/s3_bucket.h"

namespace akidb::s3 {

// One conditional PUT of `body` followed by `body_rest`: all leaves in one burst, because the store holds the key's
// lock while it reads. The store refuses bytes with another SHA-256.
Result<ObjectMeta> PutObject(OpContext& ctx, S3Bucket& bucket, const std::string& key, std::string_view body,
                             std::string_view body_rest, const Digest& sha256, const PutCondition& condition);

// Destroying the writer before Commit has answered OK aborts the upload: one request, at most five seconds.
std::unique_ptr<ObjectWriter> NewMultipartWriter(std::shared_ptr<S3Bucket> bucket, std::string key, Clock& clock,
                                                 std::function<void(Duration)> sleep);

}  // namespace akidb::s3
