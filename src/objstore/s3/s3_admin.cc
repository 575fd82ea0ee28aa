#include "objstore/s3/s3_admin.h"

#include "objstore/s3/digest.h"
#include "objstore/s3/http_date.h"

namespace akidb::s3 {
namespace {

constexpr uint64_t kAnswerBytesMax = 1u << 20;
constexpr std::string_view kNamespace = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

// Sends a request whose answer does not matter, or is text.
Result<std::string> Call(OpContext& ctx, S3Bucket& bucket, const S3Request& request, std::string_view full_key) {
  std::string what(request.method);
  if (!request.query.empty()) what += " ?" + request.query.front().first;
  std::string answer;
  AKI_RETURN_IF_ERROR(bucket.client().Send(ctx, request, bucket.What(what, full_key),
                                           [&](OpContext& read_ctx, const HttpHead&, AnswerBody& body) -> Status {
                                             AKI_ASSIGN_OR_RETURN(answer, body.ReadAll(read_ctx, kAnswerBytesMax));
                                             return OkStatus();
                                           }));
  return answer;
}

// Reads a setting of the bucket, or of an object when there is a key.
Result<std::string> GetSetting(OpContext& ctx, S3Bucket& bucket, const std::string& name, const std::string& key,
                               const std::string& version_id) {
  const std::string full_key = key.empty() ? "" : bucket.FullKey(key);
  S3Request request{"GET", key.empty() ? bucket.BucketPath() : bucket.ObjectPath(full_key)};
  request.query = {{name, ""}};
  if (!version_id.empty()) request.query.emplace_back("versionId", version_id);
  return Call(ctx, bucket, request, full_key);
}

Status PutSetting(OpContext& ctx, S3Bucket& bucket, const std::string& name, const std::string& key,
                  const std::string& version_id, const std::string& xml) {
  const std::string full_key = key.empty() ? "" : bucket.FullKey(key);
  S3Request request{"PUT", key.empty() ? bucket.BucketPath() : bucket.ObjectPath(full_key)};
  request.query = {{name, ""}};
  if (!version_id.empty()) request.query.emplace_back("versionId", version_id);
  request.headers = {{"content-md5", Md5Base64(xml)}};  // settings are refused without it
  request.body = xml;
  request.access = Access::kWrite;
  return internal::ToStatus(Call(ctx, bucket, request, full_key));
}

Status DeleteVersionOf(OpContext& ctx, S3Bucket& bucket, const std::string& full_key, const std::string& version_id,
                       Governance governance) {
  S3Request request{"DELETE", bucket.ObjectPath(full_key)};
  request.query = {{"versionId", version_id}};
  if (governance == Governance::kBypass) request.headers = {{"x-amz-bypass-governance-retention", "true"}};
  request.access = Access::kDelete;
  return internal::ToStatus(Call(ctx, bucket, request, full_key));
}

}  // namespace

Status CreateBucket(OpContext& ctx, S3Bucket& bucket, const BucketSettings& settings) {
  S3Request request{"PUT", bucket.BucketPath()};
  if (settings.object_lock) request.headers = {{"x-amz-bucket-object-lock-enabled", "true"}};
  // The default region must not be named.
  const std::string& region = bucket.options().region;
  const std::string xml = "<CreateBucketConfiguration" + std::string(kNamespace) + "><LocationConstraint>" +
                          XmlEscape(region) + "</LocationConstraint></CreateBucketConfiguration>";
  if (region != "us-east-1") request.body = xml;
  request.access = Access::kWrite;
  AKI_RETURN_IF_ERROR(Call(ctx, bucket, request, ""));
  if (!settings.versioning || settings.object_lock) return OkStatus();
  return SetVersioning(ctx, bucket, Versioning::kEnabled);
}

Result<bool> BucketExists(OpContext& ctx, S3Bucket& bucket) {
  const S3Request request{"HEAD", bucket.BucketPath()};
  const Status status = internal::ToStatus(Call(ctx, bucket, request, ""));
  // HEAD has no body, so a store that does not name the code says no more than 404.
  if (status.code() == StatusCode::kNotFound || status.reason() == "no_such_bucket") return false;
  AKI_RETURN_IF_ERROR(status);
  return true;
}

Result<Versioning> GetVersioning(OpContext& ctx, S3Bucket& bucket) {
  AKI_ASSIGN_OR_RETURN(const std::string xml, GetSetting(ctx, bucket, "versioning", "", ""));
  AKI_ASSIGN_OR_RETURN(const std::string status, ParseVersioningXml(xml));
  if (status == "Enabled") return Versioning::kEnabled;
  return status == "Suspended" ? Versioning::kSuspended : Versioning::kNever;
}

Status SetVersioning(OpContext& ctx, S3Bucket& bucket, Versioning versioning) {
  if (versioning == Versioning::kNever) return InvalidArgument("versioning can be suspended, not undone");
  const std::string status = versioning == Versioning::kEnabled ? "Enabled" : "Suspended";
  return PutSetting(ctx, bucket, "versioning", "", "",
                    "<VersioningConfiguration" + std::string(kNamespace) + "><Status>" + status +
                        "</Status></VersioningConfiguration>");
}

Result<ObjectLockXml> GetObjectLock(OpContext& ctx, S3Bucket& bucket) {
  Result<std::string> xml = GetSetting(ctx, bucket, "object-lock", "", "");
  if (!xml && xml.error().reason() == "no_lock") return ObjectLockXml();
  AKI_RETURN_IF_ERROR(internal::ToStatus(Result<std::string>(xml)));
  return ParseObjectLockXml(*xml);
}

Status SetDefaultRetention(OpContext& ctx, S3Bucket& bucket, LockMode mode, uint32_t days) {
  std::string rule;
  if (mode != LockMode::kNone) {
    rule = "<Rule><DefaultRetention><Mode>" + std::string(LockModeName(mode)) + "</Mode><Days>" + std::to_string(days) +
           "</Days></DefaultRetention></Rule>";
  }
  return PutSetting(ctx, bucket, "object-lock", "", "",
                    "<ObjectLockConfiguration" + std::string(kNamespace) +
                        "><ObjectLockEnabled>Enabled</ObjectLockEnabled>" + rule + "</ObjectLockConfiguration>");
}

Result<RetentionXml> GetRetention(OpContext& ctx, S3Bucket& bucket, const std::string& key,
                                  const std::string& version_id) {
  AKI_RETURN_IF_ERROR(bucket.ValidateKey(key));
  Result<std::string> xml = GetSetting(ctx, bucket, "retention", key, version_id);
  if (!xml && xml.error().reason() == "no_lock") return RetentionXml();
  AKI_RETURN_IF_ERROR(internal::ToStatus(Result<std::string>(xml)));
  return ParseRetentionXml(*xml);
}

Status SetRetention(OpContext& ctx, S3Bucket& bucket, const std::string& key, const std::string& version_id,
                    const RetentionXml& retention) {
  AKI_RETURN_IF_ERROR(bucket.ValidateKey(key));
  std::string inner;
  if (retention.mode != LockMode::kNone) {
    inner = "<Mode>" + std::string(LockModeName(retention.mode)) + "</Mode><RetainUntilDate>" +
            FormatIsoDate(retention.until) + "</RetainUntilDate>";
  }
  return PutSetting(ctx, bucket, "retention", key, version_id,
                    "<Retention" + std::string(kNamespace) + ">" + inner + "</Retention>");
}

Result<bool> GetLegalHold(OpContext& ctx, S3Bucket& bucket, const std::string& key, const std::string& version_id) {
  AKI_RETURN_IF_ERROR(bucket.ValidateKey(key));
  Result<std::string> xml = GetSetting(ctx, bucket, "legal-hold", key, version_id);
  if (!xml && xml.error().reason() == "no_lock") return false;
  AKI_RETURN_IF_ERROR(internal::ToStatus(Result<std::string>(xml)));
  return ParseLegalHoldXml(*xml);
}

Status SetLegalHold(OpContext& ctx, S3Bucket& bucket, const std::string& key, const std::string& version_id,
                    LegalHold hold) {
  AKI_RETURN_IF_ERROR(bucket.ValidateKey(key));
  return PutSetting(ctx, bucket, "legal-hold", key, version_id,
                    "<LegalHold" + std::string(kNamespace) + "><Status>" +
                        (hold == LegalHold::kOn ? std::string("ON") : std::string("OFF")) + "</Status></LegalHold>");
}

Status DeleteVersion(OpContext& ctx, S3Bucket& bucket, const std::string& key, const std::string& version_id,
                     Governance governance) {
  AKI_RETURN_IF_ERROR(bucket.ValidateKey(key));
  return DeleteVersionOf(ctx, bucket, bucket.FullKey(key), version_id, governance);
}

Status DeleteAllVersions(OpContext& ctx, S3Bucket& bucket, const std::string& prefix) {
  const std::string full_prefix = bucket.FullKey(prefix);
  Status first_error;
  VersionsXml page;
  do {
    S3Request request{"GET", bucket.BucketPath()};
    request.query = {{"versions", ""}, {"encoding-type", "url"}, {"max-keys", "1000"}, {"prefix", full_prefix}};
    if (!page.next_key_marker.empty()) request.query.emplace_back("key-marker", page.next_key_marker);
    if (!page.next_version_id_marker.empty()) {
      request.query.emplace_back("version-id-marker", page.next_version_id_marker);
    }
    AKI_ASSIGN_OR_RETURN(const std::string xml, Call(ctx, bucket, request, full_prefix));
    AKI_ASSIGN_OR_RETURN(VersionsXml next, ParseVersionsXml(xml));
    const bool moved =
        next.next_key_marker != page.next_key_marker || next.next_version_id_marker != page.next_version_id_marker;
    page = std::move(next);
    if (page.truncated && !moved) {
      return FailedPrecondition("the listing of versions does not move on").WithReason("not_s3");
    }
    for (const VersionXml& version : page.versions) {
      // Whatever else a store lists is not ours to remove.
      if (!version.key.starts_with(full_prefix)) continue;
      Status removed = DeleteVersionOf(ctx, bucket, version.key, version.version_id, Governance::kRespect);
      if (first_error.ok() && removed.code() != StatusCode::kNotFound) first_error = std::move(removed);
    }
  } while (page.truncated && ctx.Check().ok());
  return first_error;
}

Result<uint64_t> AbortStaleUploads(OpContext& ctx, S3Bucket& bucket, Duration age) {
  const std::string prefix = bucket.FullKey("");
  const WallTime oldest = bucket.client().Now(ctx) - age;
  UploadsXml page;
  uint64_t aborted = 0;
  do {
    S3Request request{"GET", bucket.BucketPath()};
    // Of the whole bucket, and ours picked out below: with a prefix that is no whole key MinIO lists none.
    request.query = {{"uploads", ""}, {"encoding-type", "url"}, {"max-uploads", "1000"}};
    if (!page.next_key_marker.empty()) request.query.emplace_back("key-marker", page.next_key_marker);
    if (!page.next_upload_id_marker.empty()) request.query.emplace_back("upload-id-marker", page.next_upload_id_marker);
    AKI_ASSIGN_OR_RETURN(const std::string xml, Call(ctx, bucket, request, prefix));
    AKI_ASSIGN_OR_RETURN(UploadsXml next, ParseUploadsXml(xml));
    const bool moved =
        next.next_key_marker != page.next_key_marker || next.next_upload_id_marker != page.next_upload_id_marker;
    page = std::move(next);
    if (page.truncated && !moved)
      return std::unexpected(FailedPrecondition("the listing of uploads does not move on").WithReason("not_s3"));
    for (const UploadXml& upload : page.uploads) {
      if (upload.initiated_at > oldest || !upload.key.starts_with(prefix)) continue;
      S3Request abort{"DELETE", bucket.ObjectPath(upload.key)};
      abort.query = {{"uploadId", upload.upload_id}};
      abort.access = Access::kWrite;
      const Status status = internal::ToStatus(Call(ctx, bucket, abort, upload.key));
      if (!status.ok() && status.code() != StatusCode::kNotFound) return std::unexpected(status);
      ++aborted;
    }
  } while (page.truncated);
  return aborted;
}

}  // namespace akidb::s3
