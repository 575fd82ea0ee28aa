// Which store, and how it is talked to.
//
// Threads: values.
// Errors:  Validate: kInvalidArgument naming the option and what was expected.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "objstore/s3/byte_stream.h"
#include "objstore/s3/http_pool.h"
#include "objstore/s3/s3_xml.h"

namespace akidb::s3 {

enum class AddressStyle : uint8_t {
  kPath,     // http://HOST/BUCKET/KEY: MinIO
  kVirtual,  // http://BUCKET.HOST/KEY: AWS
};

// Where keys come from; the first that is set, in this order.
struct CredentialOptions {
  std::string access_key;
  std::string secret_key;
  std::string session_token;
  std::string file;  // AWS credentials file
  std::string profile = "default";
  // Short-lived keys from STS: AssumeRoleWithWebIdentity if a token file is given; else AssumeRole, with the keys
  // above, if `role_arn` is given. MinIO ignores the name of the role.
  std::string web_identity_token_file;
  std::string role_arn;
  std::string role_session_name = "akidb";
  std::string sts_endpoint;  // empty: the store's own endpoints
  Duration session_duration = std::chrono::hours(1);
};

// Protection that objects get as they are written.
struct ObjectLockOptions {
  LockMode mode = LockMode::kNone;
  std::function<bool(std::string_view key)> applies{};  // to which keys below the prefix; empty: to all
  Duration retain{};
  bool legal_hold = false;  // only with a mode: a hold alone would skip the bucket's default retention
};

struct S3Options {
  std::vector<std::string> endpoints;
  std::string region = "us-east-1";
  std::string bucket;
  std::string prefix;  // empty, or the beginning of every key, without '/' at its ends
  AddressStyle style = AddressStyle::kPath;
  CredentialOptions credentials;
  DialOptions dial;
  PoolOptions pool;
  uint64_t part_bytes = 16u << 20;  // objects above it are uploaded in parts
  uint32_t parts_in_flight = 4;     // per writer; each holds one part in memory
  std::string sse_kms_key;          // encrypt with this key of the store's KMS; empty: the bucket's default
  ObjectLockOptions lock;
  bool require_versioning = false;  // a bucket that keeps no versions is refused

  Status Validate() const;
};

}  // namespace akidb::s3
