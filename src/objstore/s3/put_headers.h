// The headers that writes share: conditions, checksums, encryption and protection.
//
// Threads: pure functions.
// Errors:  kInvalidArgument for an etag that is none.
#pragma once

#include <string>

#include "objstore/object_store.h"
#include "objstore/s3/digest.h"
#include "objstore/s3/s3_options.h"
#include "objstore/s3/sigv4.h"

namespace akidb::s3 {

// If-None-Match or If-Match.
Status AddCondition(const PutCondition& condition, NameValues* headers);
// x-amz-checksum-sha256: kept with the object, so that later reads can check it.
void AddChecksum(const Digest& sha256, NameValues* headers);
// SSE-KMS and Object Lock of `key`, as the options say; `now` is the store's time.
void AddProtection(const S3Options& options, std::string_view key, WallTime now, NameValues* headers);

// What the headers of an answer say about an object. kFailedPrecondition (reason "not_s3") if it has no etag.
Result<ObjectMeta> MetaOf(const HttpHead& head, const std::string& key, uint64_t size_bytes);

}  // namespace akidb::s3
