// Whether a bucket is what a database and its configuration need of it, beyond what the probe tries.
//
// Threads: one.
// Errors:  kFailedPrecondition: reasons "foreign_object", "no_versioning", "no_lock", "store_unfit"; those of S3Client.
#pragma once

#include "objstore/probe/verdict.h"
#include "objstore/s3/s3_bucket.h"

namespace akidb {

// Refuses a bucket with an object under a key below which keys of the database go on: MinIO would leave them out of
// its listings, and a database that cannot be listed looks empty. To be asked before anything is listed.
// A store that cannot be asked is not refused here: whoever asks it next says more clearly why.
// Cost: about 8 requests at once.
Status RefuseForeignObjects(OpContext& ctx, s3::S3Bucket& bucket);

// Refuses a bucket without what its options demand: versioning, object lock. Cost: 1 request for each that is demanded.
Status RequireOfBucket(OpContext& ctx, s3::S3Bucket& bucket);

// Refuses a store that was seen to do wrong what the options need of it.
Status RequireOfVerdict(const s3::S3Options& options, const StoreVerdict& verdict);

}  // namespace akidb
