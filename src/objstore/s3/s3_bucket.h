// One bucket and a prefix in it as addresses, and the client that reaches it: what store and admin share.
//
// Threads: thread-safe.
// Errors:  kInvalidArgument for options; later those of S3Client.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/environment.h"
#include "objstore/s3/s3_client.h"
#include "objstore/s3/s3_options.h"

namespace akidb::s3 {

class S3Bucket {
 public:
  // Nothing is sent. `dialer` may be null: then real sockets are used.
  static Result<std::shared_ptr<S3Bucket>> Open(FileSystem& fs, const S3Options& options,
                                                std::unique_ptr<Dialer> dialer);

  S3Client& client() { return *client_; }
  const S3Options& options() const { return options_; }

  // The key in the bucket of a key below the prefix.
  std::string FullKey(std::string_view key) const;
  // The way back; nothing if it does not lie below the prefix.
  std::optional<std::string> KeyOf(std::string_view full_key) const;
  // Paths of requests, encoded.
  std::string BucketPath() const;
  std::string ObjectPath(std::string_view full_key) const;
  // kInvalidArgument (reason "invalid_key") for what is no key, or too long with the prefix.
  Status ValidateKey(std::string_view key) const;
  // "PUT bucket/key".
  std::string What(std::string_view method, std::string_view full_key) const;

 private:
  explicit S3Bucket(S3Options options) : options_(std::move(options)) {}
  const S3Options options_;
  std::unique_ptr<S3Client> client_;
};

}  // namespace akidb::s3
