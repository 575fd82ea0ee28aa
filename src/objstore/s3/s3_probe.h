// What the probe of stores needs of S3 beyond an ObjectStore, and a look for objects that make a store lie.
//
// Threads: thread-safe.
// Errors:  those of S3Client.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "objstore/probe/probe_extensions.h"
#include "objstore/s3/s3_bucket.h"

namespace akidb::s3 {

// A body that was damaged on its way, and object lock in governance mode, where the bucket has it. (What is locked in
// compliance mode nobody could clean up.) Scratch versions that may not be removed free themselves after an hour.
std::unique_ptr<ProbeExtensions> NewS3ProbeExtensions(std::shared_ptr<S3Bucket> bucket);

// The keys of the bucket below which the keys of the store go on: the store's prefix, each beginning of it that ends
// before a '/', and each of `folders`, which lie below the prefix.
// An object under one of them is not ours; MinIO leaves everything below it out of listings, and still returns it by
// name.
std::vector<std::string> KeysAbove(const S3Bucket& bucket, const std::vector<std::string>& folders);

// Whether there is an object under this key of the bucket. False where we may not look.
// Cost: 1 request, 2 where HEAD is not allowed.
Result<bool> IsObject(OpContext& ctx, S3Bucket& bucket, const std::string& full_key);

}  // namespace akidb::s3
