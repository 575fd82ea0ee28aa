// The suite that every object store passes, on a real one.
#include "objstore/objstore_conformance_testing.h"
#include "objstore/s3/live/live_testing.h"

namespace akidb {
namespace {

// A bucket for each test, with versions or without.
StoreFactory Live(std::string name, s3::BucketSettings settings) {
  return {std::move(name), [settings]() -> std::shared_ptr<ObjectStore> {
            std::shared_ptr<s3::S3Bucket> bucket = s3::MakeLiveBucket(s3::LiveOptions(), settings);
            // Without a store there is nothing that a test could do with this pointer.
            if (bucket == nullptr) std::exit(1);
            return s3::MakeLiveStore(std::move(bucket));
          }};
}

std::string NameOf(const testing::TestParamInfo<StoreFactory>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(S3, ObjectStoreConformanceTest,
                         testing::Values(Live("Plain", {}), Live("Versioned", {.versioning = true})), NameOf);

}  // namespace
}  // namespace akidb
