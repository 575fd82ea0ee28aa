// A real S3 store for tests, named by AKIDB_TEST_S3_ENDPOINT, AKIDB_TEST_S3_ACCESS_KEY and AKIDB_TEST_S3_SECRET_KEY.
//
// Threads: test code.
// Errors:  a test that runs without the variables fails and says so.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "base/file_system.h"
#include "base/random.h"
#include "objstore/s3/s3_admin.h"
#include "objstore/s3/s3_bucket.h"
#include "objstore/s3/s3_store.h"

namespace akidb::s3 {

inline constexpr char kNoStore[] =
    "no S3 store to test against: set AKIDB_TEST_S3_ENDPOINT (http://HOST:PORT), AKIDB_TEST_S3_ACCESS_KEY and "
    "AKIDB_TEST_S3_SECRET_KEY";

inline std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Options for a bucket of its own, which does not exist yet.
inline S3Options LiveOptions() {
  static const std::unique_ptr<Random> random = NewSystemRandom();
  S3Options options;
  options.part_bytes = 8u << 20;
  options.endpoints = {Variable("AKIDB_TEST_S3_ENDPOINT")};
  options.credentials.access_key = Variable("AKIDB_TEST_S3_ACCESS_KEY");
  options.credentials.secret_key = Variable("AKIDB_TEST_S3_SECRET_KEY");
  options.bucket = "akidb-live-" + random->Hex(12);
  return options;
}

// The bucket, created; null, with a failure of the test, if that is not possible.
inline std::shared_ptr<S3Bucket> MakeLiveBucket(const S3Options& options, const BucketSettings& settings) {
  if (options.endpoints.front().empty()) {
    ADD_FAILURE() << kNoStore;
    return nullptr;
  }
  auto bucket = S3Bucket::Open(PosixFileSystem(), options, nullptr);
  if (!bucket) {
    ADD_FAILURE() << bucket.error().ToString();
    return nullptr;
  }
  OpContext ctx(RealClock());
  ctx.set_timeout(std::chrono::seconds(30));
  const Status made = CreateBucket(ctx, **bucket, settings);
  EXPECT_TRUE(made.ok()) << made.ToString();
  return made.ok() ? *bucket : nullptr;
}

inline std::shared_ptr<ObjectStore> MakeLiveStore(std::shared_ptr<S3Bucket> bucket) {
  return NewS3Store(std::move(bucket), [](Duration pause) { std::this_thread::sleep_for(pause); });
}

}  // namespace akidb::s3
