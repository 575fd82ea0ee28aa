#include "objstore/s3/s3_probe.h"

#include "objstore/s3/digest.h"
#include "objstore/s3/http_date.h"
#include "objstore/s3/put_headers.h"
#include "objstore/s3/s3_admin.h"

namespace akidb::s3 {
namespace {

// Longer than any clock that requests are accepted from may be off.
constexpr Duration kLockFor = std::chrono::hours(1);

class S3ProbeExtensions final : public ProbeExtensions {
 public:
  explicit S3ProbeExtensions(std::shared_ptr<S3Bucket> bucket) : bucket_(std::move(bucket)) {}

  // Sent as every PUT of ours is, but for a bit that flips on the way.
  Status PutWithWrongChecksum(OpContext& ctx, const std::string& key, std::string_view body) override {
    std::string damaged(body);
    damaged.front() = static_cast<char>(damaged.front() ^ 1);
    const Status status = internal::ToStatus(Put(ctx, key, damaged, Sha256Of(body), {}));
    // For a client it is worth repeating; here it is the verdict.
    if (status.reason() == "damaged_in_transit") return InvalidArgument(std::string(status.message()));
    return status;
  }

  Result<std::string> PutUnlocked(OpContext& ctx, const std::string& key, std::string_view body) override {
    return Put(ctx, key, body, Sha256Of(body), {});
  }

  Result<std::string> PutLocked(OpContext& ctx, const std::string& key, std::string_view body) override {
    AKI_ASSIGN_OR_RETURN(const ObjectLockXml lock, GetObjectLock(ctx, *bucket_));
    if (!lock.enabled) return std::unexpected(Unimplemented("the bucket has no object lock"));
    return Put(ctx, key, body, Sha256Of(body),
               {{"x-amz-object-lock-mode", std::string(LockModeName(LockMode::kGovernance))},
                {"x-amz-object-lock-retain-until-date", FormatIsoDate(bucket_->client().Now(ctx) + kLockFor)}});
  }

  Status ShortenLock(OpContext& ctx, const std::string& key, const std::string& version_id) override {
    return SetRetention(ctx, *bucket_, key, version_id,
                        {LockMode::kGovernance, bucket_->client().Now(ctx) + kLockFor / 2});
  }

  Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) override {
    return s3::DeleteVersion(ctx, *bucket_, key, version_id);
  }

  Status RemoveLocked(OpContext& ctx, const std::string& key, const std::string& version_id) override {
    return s3::DeleteVersion(ctx, *bucket_, key, version_id, Governance::kBypass);
  }

  Status PurgeVersions(OpContext& ctx, const std::string& prefix) override {
    return DeleteAllVersions(ctx, *bucket_, prefix);
  }

 private:
  // The version's id.
  Result<std::string> Put(OpContext& ctx, const std::string& key, std::string_view body, const Digest& sha256,
                          NameValues headers) {
    AKI_RETURN_IF_ERROR(bucket_->ValidateKey(key));
    const std::string full_key = bucket_->FullKey(key);
    S3Request request{"PUT", bucket_->ObjectPath(full_key)};
    request.headers = std::move(headers);
    AddChecksum(sha256, &request.headers);
    request.payload_sha256 = Hex(AsBytes(sha256));
    request.body = body;
    request.access = Access::kWrite;
    std::string version_id;
    AKI_RETURN_IF_ERROR(bucket_->client().Send(ctx, request, bucket_->What("PUT", full_key),
                                               [&](OpContext&, const HttpHead& head, AnswerBody&) -> Status {
                                                 version_id = head.Header("x-amz-version-id");
                                                 return OkStatus();
                                               }));
    return version_id;
  }

  const std::shared_ptr<S3Bucket> bucket_;
};

}  // namespace

std::unique_ptr<ProbeExtensions> NewS3ProbeExtensions(std::shared_ptr<S3Bucket> bucket) {
  return std::make_unique<S3ProbeExtensions>(std::move(bucket));
}

std::vector<std::string> KeysAbove(const S3Bucket& bucket, const std::vector<std::string>& folders) {
  std::vector<std::string> keys;
  const std::string& prefix = bucket.options().prefix;
  for (size_t slash = prefix.find('/'); slash != std::string::npos; slash = prefix.find('/', slash + 1)) {
    keys.push_back(prefix.substr(0, slash));
  }
  if (!prefix.empty()) keys.push_back(prefix);
  for (const std::string& folder : folders) keys.push_back(bucket.FullKey(folder));
  return keys;
}

Result<bool> IsObject(OpContext& ctx, S3Bucket& bucket, const std::string& full_key) {
  const S3Request head{"HEAD", bucket.ObjectPath(full_key)};
  const Status status = bucket.client().Send(ctx, head, bucket.What("HEAD", full_key),
                                             [](OpContext&, const HttpHead&, AnswerBody&) { return OkStatus(); });
  if (status.ok()) return true;
  if (status.code() == StatusCode::kNotFound) return false;
  if (status.code() != StatusCode::kPermissionDenied) return std::unexpected(status);
  // Rights are often given for what lies below the prefix only, and for listing the bucket.
  S3Request list{"GET", bucket.BucketPath()};
  list.query = {{"list-type", "2"}, {"encoding-type", "url"}, {"max-keys", "1"}, {"prefix", full_key}};
  bool found = false;
  const Status listed = bucket.client().Send(
      ctx, list, bucket.What("LIST", full_key), [&](OpContext& read_ctx, const HttpHead&, AnswerBody& body) -> Status {
        AKI_ASSIGN_OR_RETURN(const std::string xml, body.ReadAll(read_ctx, kXmlBytesMax));
        AKI_ASSIGN_OR_RETURN(const ListXml page, ParseListXml(xml));
        // In byte order the key itself comes before all that it begins.
        found = !page.objects.empty() && page.objects.front().key == full_key;
        return OkStatus();
      });
  if (listed.ok()) return found;
  if (listed.code() == StatusCode::kPermissionDenied) return false;
  return std::unexpected(listed);
}

}  // namespace akidb::s3
