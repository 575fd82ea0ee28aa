// AWS Signature Version 4 in the Authorization header.
// Source: AWS documentation, "Create a signed AWS API request"; proven against AWS's published vectors in the test.
//
// Threads: Sign is thread-safe: the derived key of a day is kept under a mutex.
// Errors:  none.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "objstore/s3/credentials.h"
#include "objstore/s3/digest.h"

namespace akidb::s3 {

using NameValues = std::vector<std::pair<std::string, std::string>>;

// What is signed. Names of headers are lower case; each occurs once.
struct SignedRequest {
  std::string_view method;
  std::string_view path;          // encoded
  std::string_view query;         // encoded and sorted: CanonicalQuery()
  const NameValues& headers;      // all of them are signed; must have "host" and "x-amz-date"
  std::string_view payload_hash;  // SHA-256 of the body in hexadecimal
};

// Names and values encoded, sorted, joined: both what is signed and what is sent.
std::string CanonicalQuery(const NameValues& query);
std::string CanonicalRequest(const SignedRequest& request);

class Signer {
 public:
  Signer(std::string region, std::string service) : region_(std::move(region)), service_(std::move(service)) {}

  // The value of the Authorization header. `amz_date` is that of x-amz-date.
  std::string Sign(const Credentials& credentials, std::string_view amz_date, const SignedRequest& request);

 private:
  Digest KeyFor(const Credentials& credentials, std::string_view day);

  const std::string region_;
  const std::string service_;
  Mutex mutex_;
  std::string cached_secret_ AKI_GUARDED_BY(mutex_);
  std::string cached_day_ AKI_GUARDED_BY(mutex_);
  Digest cached_key_ AKI_GUARDED_BY(mutex_){};
};

}  // namespace akidb::s3
