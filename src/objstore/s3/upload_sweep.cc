#include "objstore/s3/upload_sweep.h"

#include "base/log.h"
#include "objstore/s3/s3_admin.h"

namespace akidb::s3 {
namespace {

// A sweep that takes longer goes on with the next turn.
constexpr Duration kSweepMax = std::chrono::minutes(1);

class UploadSweep final : public Task {
 public:
  UploadSweep(std::shared_ptr<S3Bucket> bucket, const UploadSweepOptions& options)
      : bucket_(std::move(bucket)), options_(options) {}

  std::string_view name() const override { return "sweep_uploads"; }

  NextStep Step(OpContext& ctx) override {
    if (!waited_) {
      waited_ = true;
      return NextStep::After(options_.first);
    }
    ctx.set_timeout(kSweepMax);
    const Result<uint64_t> aborted = AbortStaleUploads(ctx, *bucket_, options_.age);
    if (!aborted) {
      Log(LogLevel::kWarn, "background step failed", {{"task", name()}, {"error", aborted.error().ToString()}});
    } else if (*aborted > 0) {
      Log(LogLevel::kInfo, "aborted uploads that nobody finished",
          {{"bucket", bucket_->options().bucket}, {"uploads", *aborted}});
    }
    return NextStep::After(options_.interval);
  }

 private:
  const std::shared_ptr<S3Bucket> bucket_;
  const UploadSweepOptions options_;
  bool waited_ = false;
};

}  // namespace

std::shared_ptr<Task> NewUploadSweep(std::shared_ptr<S3Bucket> bucket, const UploadSweepOptions& options) {
  return std::make_shared<UploadSweep>(std::move(bucket), options);
}

}  // namespace akidb::s3
