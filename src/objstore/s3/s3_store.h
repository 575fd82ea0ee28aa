// A bucket of an S3 store, and a prefix in it, as an ObjectStore.
//
// Threads:    thread-safe. Blocks on sockets, never beyond ctx.deadline() by more than a tenth of a second.
// Errors:     those of ObjectStore; README.md has the table of answers. kFailedPrecondition: reasons "not_s3",
//             "wrong_region", "tls_untrusted", "foreign_redirect". kUnavailable with reason "no_such_bucket": a store
//             without quorum says so too, so it is never taken for absence.
// Durability: that of the store. Every body carries its SHA-256, and the store refuses one that does not fit.
// Cost:       one request a call; GetRange of an empty range, or one past 2^62, is a HEAD. A writer above one part:
//             one request a part, and two.
#pragma once

#include <memory>

#include "objstore/object_store.h"
#include "objstore/s3/s3_bucket.h"

namespace akidb::s3 {

// `sleep` pauses between the tries of one part.
std::unique_ptr<ObjectStore> NewS3Store(std::shared_ptr<S3Bucket> bucket, std::function<void(Duration)> sleep);

}  // namespace akidb::s3
