#include "objstore/s3/s3_options.h"

#include "objstore/object_store.h"
#include "objstore/s3/uri.h"

namespace akidb::s3 {
namespace {

Status ValidateBucket(const std::string& bucket) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  bool good = bucket.size() >= 3 && bucket.size() <= 63 && bucket.front() != '-' && bucket.front() != '.' &&
              bucket.back() != '-' && bucket.back() != '.' && bucket.find("..") == std::string::npos;
  for (const char c : bucket) good = good && allowed(c);
  if (good) return OkStatus();
  return InvalidArgument("bucket '" + bucket.substr(0, 80) + "': expected 3 to 63 of [a-z0-9.-]");
}

// What becomes a header's value must not end it.
Status ValidateHeader(std::string_view name, std::string_view value) {
  for (const char c : value) {
    if (c <= 0x20 || c > 0x7E) return InvalidArgument(std::string(name) + " has a blank or a byte that is not ASCII");
  }
  return OkStatus();
}

}  // namespace

Status S3Options::Validate() const {
  constexpr uint64_t kPartBytesMin = 5u << 20;  // S3's own limits of a part
  constexpr uint64_t kPartBytesMax = 1ull << 30;
  if (endpoints.empty())
    return InvalidArgument("s3.endpoint is not set: expected http://HOST:PORT or https://HOST:PORT");
  for (const std::string& endpoint : endpoints) AKI_RETURN_IF_ERROR(ParseEndpoint(endpoint));
  AKI_RETURN_IF_ERROR(ValidateBucket(bucket));
  if (!prefix.empty()) AKI_RETURN_IF_ERROR(ValidateObjectKey(prefix));
  if (region.empty()) return InvalidArgument("s3.region is empty");
  AKI_RETURN_IF_ERROR(ValidateHeader("s3.region", region));
  AKI_RETURN_IF_ERROR(ValidateHeader("s3.access_key", credentials.access_key));
  AKI_RETURN_IF_ERROR(ValidateHeader("the session token", credentials.session_token));
  AKI_RETURN_IF_ERROR(ValidateHeader("s3.sse_kms_key", sse_kms_key));
  if (part_bytes < kPartBytesMin || part_bytes > kPartBytesMax) {
    return InvalidArgument("s3.part_bytes is " + std::to_string(part_bytes) + ", allowed are 5 MiB to 1 GiB");
  }
  if (parts_in_flight < 1 || parts_in_flight > 64) {
    return InvalidArgument("s3.parts_in_flight is " + std::to_string(parts_in_flight) + ", allowed are 1 to 64");
  }
  if (credentials.access_key.empty() != credentials.secret_key.empty()) {
    return InvalidArgument("s3.access_key and s3.secret_key are given together or not at all");
  }
  if (credentials.access_key.empty() && credentials.file.empty() && credentials.web_identity_token_file.empty()) {
    return InvalidArgument(
        "no credentials for the store: set s3.access_key and s3.secret_key (or _file), AKIDB_S3_ACCESS_KEY and "
        "AKIDB_S3_SECRET_KEY, s3.credentials_file or s3.web_identity_token_file");
  }
  if (lock.mode == LockMode::kNone && (lock.legal_hold || lock.retain > Duration(0))) {
    return InvalidArgument("s3.lock_mode is not set: a retention or a legal hold needs governance or compliance");
  }
  if (lock.mode != LockMode::kNone && lock.retain <= Duration(0)) {
    return InvalidArgument("s3.lock_retain is not set: a lock mode needs a time");
  }
  return OkStatus();
}

}  // namespace akidb::s3
