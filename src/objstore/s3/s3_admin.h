// What is done to a bucket rather than in it: making it, its versioning, its locks, its leftovers.
// `akidb store check` and tests use it; nothing that serves requests does.
//
// Threads: thread-safe functions.
// Errors:  those of S3Client. kAlreadyExists: the bucket is there. Deleting or shortening a locked version is
//          kPermissionDenied (AWS) or kFailedPrecondition (MinIO).
// Cost:    one request a call unless it says otherwise.
#pragma once

#include <cstdint>
#include <string>

#include "objstore/s3/s3_bucket.h"

namespace akidb::s3 {

struct BucketSettings {
  bool versioning = false;
  bool object_lock = false;  // implies versioning; can only be had at creation
};
// One request, and one more to switch versioning on.
Status CreateBucket(OpContext& ctx, S3Bucket& bucket, const BucketSettings& settings);

// False if it is missing (or the store, without quorum, says so).
Result<bool> BucketExists(OpContext& ctx, S3Bucket& bucket);

enum class Versioning : uint8_t { kNever, kEnabled, kSuspended };
Result<Versioning> GetVersioning(OpContext& ctx, S3Bucket& bucket);
Status SetVersioning(OpContext& ctx, S3Bucket& bucket, Versioning versioning);

// `enabled` is false where the bucket has no lock configuration.
Result<ObjectLockXml> GetObjectLock(OpContext& ctx, S3Bucket& bucket);
// The retention that versions get which ask for none; kNone removes it.
Status SetDefaultRetention(OpContext& ctx, S3Bucket& bucket, LockMode mode, uint32_t days);

// Of one version of an object. kNone where there is no retention.
Result<RetentionXml> GetRetention(OpContext& ctx, S3Bucket& bucket, const std::string& key,
                                  const std::string& version_id);
Status SetRetention(OpContext& ctx, S3Bucket& bucket, const std::string& key, const std::string& version_id,
                    const RetentionXml& retention);
Result<bool> GetLegalHold(OpContext& ctx, S3Bucket& bucket, const std::string& key, const std::string& version_id);
enum class LegalHold : uint8_t { kOff, kOn };
Status SetLegalHold(OpContext& ctx, S3Bucket& bucket, const std::string& key, const std::string& version_id,
                    LegalHold hold);

// Removes one version for good (an ObjectStore's Delete only hides the key where there are versions).
enum class Governance : uint8_t { kRespect, kBypass };  // who may bypass it can remove what is locked in that mode
Status DeleteVersion(OpContext& ctx, S3Bucket& bucket, const std::string& key, const std::string& version_id,
                     Governance governance = Governance::kRespect);

// Removes every version and delete marker below `prefix` (of keys, not of the bucket). One request a thousand, and one
// for each that is removed. Goes on after one that cannot be removed; the first error is returned.
Status DeleteAllVersions(OpContext& ctx, S3Bucket& bucket, const std::string& prefix);

// Aborts multipart uploads below the prefix that began more than `age` ago: their writers are gone, and a store keeps
// parts for ever. Returns how many. One request a thousand uploads
// of the bucket, and one for each that is aborted.
Result<uint64_t> AbortStaleUploads(OpContext& ctx, S3Bucket& bucket, Duration age);

}  // namespace akidb::s3
