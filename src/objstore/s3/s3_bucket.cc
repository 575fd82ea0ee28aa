#include "objstore/s3/s3_bucket.h"

#include "objstore/object_store.h"
#include "objstore/s3/sts_credentials.h"

namespace akidb::s3 {
namespace {

Result<std::vector<Endpoint>> Endpoints(const S3Options& options) {
  std::vector<Endpoint> out;
  for (const std::string& url : options.endpoints) {
    AKI_ASSIGN_OR_RETURN(Endpoint endpoint, ParseEndpoint(url));
    // The bucket is part of the name from here on: for DNS, for the certificate and for the Host header.
    if (options.style == AddressStyle::kVirtual) endpoint.host = options.bucket + "." + endpoint.host;
    out.push_back(std::move(endpoint));
  }
  return out;
}

Result<std::shared_ptr<HttpPool>> StsPool(const S3Options& options) {
  std::vector<Endpoint> endpoints;
  const std::vector<std::string>& urls = options.endpoints;
  const CredentialOptions& credentials = options.credentials;
  for (const std::string& url :
       credentials.sts_endpoint.empty() ? urls : std::vector<std::string>{credentials.sts_endpoint}) {
    AKI_ASSIGN_OR_RETURN(Endpoint endpoint, ParseEndpoint(url));
    endpoints.push_back(std::move(endpoint));
  }
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<Dialer> dialer, NewSocketDialer(options.dial, SystemResolver()));
  return std::make_shared<HttpPool>(std::move(endpoints), options.pool, std::move(dialer));
}

Result<std::shared_ptr<CredentialsProvider>> Provider(FileSystem& fs, const S3Options& options,
                                                      const std::shared_ptr<ClockOffset>& clock_offset) {
  const CredentialOptions& from = options.credentials;
  std::shared_ptr<CredentialsProvider> keys;
  if (!from.access_key.empty()) {
    keys = NewStaticCredentials(from.access_key, from.secret_key, from.session_token);
  } else if (!from.file.empty()) {
    keys = NewFileCredentials(fs, from.file, from.profile);
  }
  const bool web_identity = !from.web_identity_token_file.empty();
  if (!web_identity && from.role_arn.empty()) return keys;
  AKI_ASSIGN_OR_RETURN(std::shared_ptr<HttpPool> pool, StsPool(options));
  auto client =
      std::make_shared<S3Client>(options.region, "sts", std::move(pool), web_identity ? nullptr : keys, clock_offset);
  return NewRefreshingCredentials(web_identity ? AssumeRoleWithWebIdentity(std::move(client), fs, from)
                                               : AssumeRole(std::move(client), from));
}

}  // namespace

Result<std::shared_ptr<S3Bucket>> S3Bucket::Open(FileSystem& fs, const S3Options& options,
                                                 std::unique_ptr<Dialer> dialer) {
  AKI_RETURN_IF_ERROR(options.Validate());
  AKI_ASSIGN_OR_RETURN(std::vector<Endpoint> endpoints, Endpoints(options));
  if (dialer == nullptr) {
    AKI_ASSIGN_OR_RETURN(dialer, NewSocketDialer(options.dial, SystemResolver()));
  }
  auto clock_offset = std::make_shared<ClockOffset>();
  AKI_ASSIGN_OR_RETURN(std::shared_ptr<CredentialsProvider> credentials, Provider(fs, options, clock_offset));
  std::shared_ptr<S3Bucket> bucket(new S3Bucket(options));
  auto pool = std::make_shared<HttpPool>(std::move(endpoints), options.pool, std::move(dialer));
  bucket->client_ = std::make_unique<S3Client>(options.region, "s3", std::move(pool), std::move(credentials),
                                               std::move(clock_offset));
  return bucket;
}

std::string S3Bucket::FullKey(std::string_view key) const {
  return options_.prefix.empty() ? std::string(key) : options_.prefix + "/" + std::string(key);
}

std::optional<std::string> S3Bucket::KeyOf(std::string_view full_key) const {
  if (options_.prefix.empty()) return std::string(full_key);
  if (!full_key.starts_with(options_.prefix) || full_key.size() <= options_.prefix.size() + 1 ||
      full_key[options_.prefix.size()] != '/') {
    return std::nullopt;
  }
  return std::string(full_key.substr(options_.prefix.size() + 1));
}

std::string S3Bucket::BucketPath() const { return options_.style == AddressStyle::kPath ? "/" + options_.bucket : "/"; }

std::string S3Bucket::ObjectPath(std::string_view full_key) const {
  const std::string encoded = UriEncode(full_key, Slash::kKeep);
  return options_.style == AddressStyle::kPath ? "/" + options_.bucket + "/" + encoded : "/" + encoded;
}

Status S3Bucket::ValidateKey(std::string_view key) const {
  AKI_RETURN_IF_ERROR(ValidateObjectKey(key));
  const size_t size = FullKey(key).size();
  if (size <= kObjectKeyBytesMax) return OkStatus();
  return InvalidArgument("object key has " + std::to_string(size) + " bytes with the store's prefix, the limit is " +
                         std::to_string(kObjectKeyBytesMax))
      .WithReason("invalid_key");
}

std::string S3Bucket::What(std::string_view method, std::string_view full_key) const {
  std::string out(method);
  out.append(" ").append(options_.bucket);
  if (!full_key.empty()) out.append("/").append(full_key);
  return out;
}

}  // namespace akidb::s3
