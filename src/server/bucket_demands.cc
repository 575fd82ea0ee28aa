#include "server/bucket_demands.h"

#include <functional>

#include "format/object_keys.h"
#include "objstore/probe/store_probe.h"
#include "objstore/s3/s3_admin.h"
#include "objstore/s3/s3_probe.h"
#include "server/store_url.h"

namespace akidb {
namespace {

// "a/b/" as "a", "a/b".
void AddBeginnings(std::string_view prefix, std::vector<std::string>* folders) {
  for (size_t slash = prefix.find('/'); slash != std::string_view::npos; slash = prefix.find('/', slash + 1)) {
    folders->emplace_back(prefix.substr(0, slash));
  }
}

// Those that every database has. A collection's own folders are named by a number that only we give out.
std::vector<std::string> Folders() {
  std::vector<std::string> folders;
  for (const std::string_view prefix : {kCatalogPrefix, kNodesPrefix, kProbePrefix}) AddBeginnings(prefix, &folders);
  AddBeginnings(CollectionPrefix(CollectionId(1)), &folders);
  folders.pop_back();  // the collection
  return folders;
}

}  // namespace

Status RefuseForeignObjects(OpContext& ctx, s3::S3Bucket& bucket) {
  const std::vector<std::string> keys = s3::KeysAbove(bucket, Folders());
  std::vector<char> found(keys.size(), 0);
  std::vector<std::function<void()>> looks;
  for (size_t i = 0; i < keys.size(); ++i) {
    looks.emplace_back([&, i] {
      OpContext own(ctx.clock());
      own.set_deadline(ctx.deadline());
      found[i] = s3::IsObject(own, bucket, keys[i]).value_or(false) ? 1 : 0;
    });
  }
  RunTogether(looks);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (found[i] == 0) continue;
    return FailedPrecondition("object '" + keys[i] + "' in bucket '" + bucket.options().bucket +
                              "' is not AkiDB's, and lies where keys of the database go on: some stores leave "
                              "everything below it out of listings. Remove it, or use another prefix")
        .WithReason("foreign_object");
  }
  return OkStatus();
}

Status RequireOfBucket(OpContext& ctx, s3::S3Bucket& bucket) {
  const s3::S3Options& options = bucket.options();
  if (options.require_versioning) {
    AKI_ASSIGN_OR_RETURN(const s3::Versioning versioning, s3::GetVersioning(ctx, bucket));
    if (versioning != s3::Versioning::kEnabled) {
      return FailedPrecondition("s3.require_versioning is yes, but versioning of bucket '" + options.bucket + "' is " +
                                (versioning == s3::Versioning::kSuspended ? "suspended" : "off"))
          .WithReason("no_versioning");
    }
  }
  if (options.lock.mode == s3::LockMode::kNone) return OkStatus();
  AKI_ASSIGN_OR_RETURN(const s3::ObjectLockXml lock, s3::GetObjectLock(ctx, bucket));
  if (lock.enabled) return OkStatus();
  return FailedPrecondition("s3.lock_mode is set, but bucket '" + options.bucket +
                            "' has no Object Lock, which can only be had when a bucket is created")
      .WithReason("no_lock");
}

Status RequireOfVerdict(const s3::S3Options& options, const StoreVerdict& verdict) {
  AKI_RETURN_IF_ERROR(RequireForOneNode(verdict));
  AKI_RETURN_IF_ERROR(RequireForSeveralNodes(verdict));
  // That the lock could not be tried with these credentials is no failure.
  const bool locks = options.lock.mode != s3::LockMode::kNone;
  return locks && !verdict.Failed(StoreNeed::kLock).empty() ? RequireForLock(verdict) : OkStatus();
}

}  // namespace akidb
