// Background work: aborts multipart uploads below a store's prefix whose writers are gone. A process that dies while it
// uploads leaves parts that no listing of objects shows and the store keeps, and bills, for ever.
//
// Several nodes may sweep one bucket: aborting twice is aborting once.
//
// Threads: Step from one thread at a time.
// Errors:  none; what failed is logged and tried again at the next turn.
// Cost:    1 request a thousand uploads of the bucket and turn, and 1 for each that is aborted.
#pragma once

#include <memory>

#include "base/task.h"
#include "objstore/s3/s3_bucket.h"

namespace akidb::s3 {

struct UploadSweepOptions {
  // Longer than any upload takes: one that is still under way when it is aborted fails, and is begun again.
  Duration age = std::chrono::hours(24);
  Duration first = std::chrono::minutes(1);  // after the start, which has better things to do
  Duration interval = std::chrono::hours(1);
};

std::shared_ptr<Task> NewUploadSweep(std::shared_ptr<S3Bucket> bucket, const UploadSweepOptions& options);

}  // namespace akidb::s3
