#include "objstore/s3/put_headers.h"

#include "objstore/s3/http_date.h"

namespace akidb::s3 {

Status AddCondition(const PutCondition& condition, NameValues* headers) {
  if (condition.kind == PutCondition::Kind::kIfAbsent) headers->emplace_back("if-none-match", "*");
  if (condition.kind != PutCondition::Kind::kIfEtagIs) return OkStatus();
  constexpr size_t kEtagBytesMax = 1024;
  for (const char c : condition.etag) {
    if (c <= 0x20 || c > 0x7E)
      return InvalidArgument("the etag of a condition has a blank or a byte that is not ASCII");
  }
  if (condition.etag.empty() || condition.etag.size() > kEtagBytesMax) {
    return InvalidArgument("the etag of a condition has " + std::to_string(condition.etag.size()) + " bytes");
  }
  const bool quoted = condition.etag.size() >= 2 && condition.etag.starts_with('"') && condition.etag.ends_with('"');
  headers->emplace_back("if-match", quoted ? condition.etag : "\"" + condition.etag + "\"");
  return OkStatus();
}

void AddChecksum(const Digest& sha256, NameValues* headers) {
  headers->emplace_back("x-amz-checksum-sha256", Base64(AsBytes(sha256)));
}

void AddProtection(const S3Options& options, std::string_view key, WallTime now, NameValues* headers) {
  if (!options.sse_kms_key.empty()) {
    headers->emplace_back("x-amz-server-side-encryption", "aws:kms");
    headers->emplace_back("x-amz-server-side-encryption-aws-kms-key-id", options.sse_kms_key);
  }
  if (options.lock.mode == LockMode::kNone || (options.lock.applies && !options.lock.applies(key))) return;
  headers->emplace_back("x-amz-object-lock-mode", LockModeName(options.lock.mode));
  headers->emplace_back("x-amz-object-lock-retain-until-date", FormatIsoDate(now + options.lock.retain));
  if (options.lock.legal_hold) headers->emplace_back("x-amz-object-lock-legal-hold", "ON");
}

Result<ObjectMeta> MetaOf(const HttpHead& head, const std::string& key, uint64_t size_bytes) {
  ObjectMeta meta;
  meta.key = key;
  meta.size_bytes = size_bytes;
  meta.etag = head.Header("etag");
  if (meta.etag.empty()) {
    return std::unexpected(FailedPrecondition("the answer has no etag: it is not S3's").WithReason("not_s3"));
  }
  meta.version_id = head.Header("x-amz-version-id");
  // Writes are answered without Last-Modified; then the answer's own date is the nearest there is.
  for (const std::string_view name : {"last-modified", "date"}) {
    if (const auto time = ParseHttpDate(head.Header(name))) {
      meta.modified_at = *time;
      break;
    }
  }
  return meta;
}

}  // namespace akidb::s3
