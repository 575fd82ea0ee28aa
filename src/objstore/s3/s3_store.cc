#include "objstore/s3/s3_store.h"

#include <charconv>

#include "objstore/s3/multipart_writer.h"
#include "objstore/s3/put_headers.h"
#include "objstore/store_errors.h"

namespace akidb::s3 {
namespace {

// The checksum of a whole object (one of parts is a checksum of checksums, marked "-N").
std::string_view WholeSha256(const HttpHead& head) {
  const std::string_view checksum = head.Header("x-amz-checksum-sha256");
  return checksum.find('-') == std::string_view::npos ? checksum : std::string_view();
}

// "bytes 5-9/10" for the range [5, 10): whether that is what came.
bool CoversRange(const HttpHead& head, ByteRange range) {
  std::string expected = "bytes " + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) + "/";
  return head.Header("content-range").starts_with(expected) && head.content_length == range.size();
}

class S3Store final : public ObjectStore {
 public:
  S3Store(std::shared_ptr<S3Bucket> bucket, std::function<void(Duration)> sleep)
      : bucket_(std::move(bucket)), sleep_(std::move(sleep)) {}

  std::string_view kind() const override { return "s3"; }

  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    AKI_RETURN_IF_ERROR(bucket_->ValidateKey(key));
    const std::string full_key = bucket_->FullKey(key);
    S3Request request{"GET", bucket_->ObjectPath(full_key)};
    request.headers = {{"x-amz-checksum-mode", "ENABLED"}};
    ObjectBody out;
    const Status status = client().Send(
        ctx, request, bucket_->What("GET", full_key),
        [&](OpContext& read_ctx, const HttpHead& head, AnswerBody& body) -> Status {
          if (head.content_length && *head.content_length > size_max) {
            return ObjectTooLarge(key, *head.content_length, size_max);
          }
          AKI_ASSIGN_OR_RETURN(out.meta, MetaOf(head, key, 0));
          AKI_ASSIGN_OR_RETURN(out.bytes, body.ReadAll(read_ctx, size_max));
          out.meta.size_bytes = out.bytes.size();
          const std::string_view expected = WholeSha256(head);
          if (!expected.empty() && Base64(AsBytes(Sha256Of(out.bytes))) != expected) {
            return DataLoss("the body does not have the SHA-256 that the store keeps for it").WithReason("checksum");
          }
          return OkStatus();
        });
    AKI_RETURN_IF_ERROR(Named(key, status));
    return out;
  }

  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    constexpr uint64_t kOffsetMax = 1ull << 62;  // stores read offsets as signed 64-bit integers
    AKI_RETURN_IF_ERROR(bucket_->ValidateKey(key));
    if (range.begin > range.end) return CheckObjectRange(key, range, 0);
    if (range.size() == 0 || range.end > kOffsetMax) {
      AKI_ASSIGN_OR_RETURN(const ObjectMeta meta, HeadVersion(ctx, key, version_id));
      return CheckObjectRange(key, range, meta.size_bytes);
    }
    const std::string full_key = bucket_->FullKey(key);
    S3Request request{"GET", bucket_->ObjectPath(full_key)};
    request.headers = {{"range", "bytes=" + std::to_string(range.begin) + "-" + std::to_string(range.end - 1)}};
    if (!version_id.empty()) request.query = {{"versionId", version_id}};
    Status status = client().Send(ctx, request, bucket_->What("GET", full_key),
                                  [&](OpContext& read_ctx, const HttpHead& head, AnswerBody& body) -> Status {
                                    AKI_RETURN_IF_ERROR(CheckRangeAnswer(head, key, range));
                                    return body.ReadExactly(read_ctx, out, static_cast<size_t>(range.size()));
                                  });
    return Named(key, std::move(status));
  }

  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override {
    AKI_RETURN_IF_ERROR(bucket_->ValidateKey(key));
    return HeadVersion(ctx, key, {});
  }

  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    AKI_RETURN_IF_ERROR(bucket_->ValidateKey(key));
    return PutObject(ctx, *bucket_, key, body, {}, Sha256Of(body), condition);
  }

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override {
    AKI_RETURN_IF_ERROR(bucket_->ValidateKey(key));
    AKI_RETURN_IF_ERROR(ctx.Check());
    return NewMultipartWriter(bucket_, key, ctx.clock(), sleep_);
  }

  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    AKI_RETURN_IF_ERROR(ValidateListing(prefix, start_after, keys_max));
    S3Request request{"GET", bucket_->BucketPath()};
    const std::string full_prefix = bucket_->FullKey(prefix);
    request.query = {
        {"list-type", "2"}, {"encoding-type", "url"}, {"max-keys", std::to_string(keys_max)}, {"prefix", full_prefix}};
    const std::string full_start = start_after.empty() ? std::string() : bucket_->FullKey(start_after);
    if (!full_start.empty()) request.query.emplace_back("start-after", full_start);
    ListPage page;
    AKI_RETURN_IF_ERROR(client().Send(ctx, request, bucket_->What("LIST", full_prefix),
                                      [&](OpContext& read_ctx, const HttpHead&, AnswerBody& body) -> Status {
                                        AKI_ASSIGN_OR_RETURN(const std::string xml,
                                                             body.ReadAll(read_ctx, kXmlBytesMax));
                                        AKI_ASSIGN_OR_RETURN(ListXml listed, ParseListXml(xml));
                                        page.truncated = listed.truncated;
                                        page.objects = std::move(listed.objects);
                                        return OkStatus();
                                      }));
    AKI_RETURN_IF_ERROR(CheckPage(page, full_prefix, full_start, keys_max));
    return page;
  }

  Status Delete(OpContext& ctx, const std::string& key) override { return DeleteVersion(ctx, key, {}); }

  Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) override {
    AKI_RETURN_IF_ERROR(bucket_->ValidateKey(key));
    const std::string full_key = bucket_->FullKey(key);
    S3Request request{"DELETE", bucket_->ObjectPath(full_key)};
    if (!version_id.empty()) request.query = {{"versionId", version_id}};
    request.access = Access::kDelete;
    Status status = client().Send(ctx, request, bucket_->What("DELETE", full_key),
                                  [](OpContext&, const HttpHead&, AnswerBody&) { return OkStatus(); });
    if (status.code() == StatusCode::kNotFound) return OkStatus();
    return status;
  }

 private:
  S3Client& client() { return bucket_->client(); }

  // A missing key is worded as every store words it.
  static Status Named(const std::string& key, Status status) {
    return status.code() == StatusCode::kNotFound ? ObjectNotFound(key) : status;
  }

  static Status CheckRangeAnswer(const HttpHead& head, const std::string& key, ByteRange range) {
    if (head.status == 206 && CoversRange(head, range)) return OkStatus();
    if (head.status == 206) {
      // S3 answers a range that ends past the object with what there is.
      const std::string_view text = head.Header("content-range");
      const size_t slash = text.rfind('/');
      uint64_t size = 0;
      if (slash != std::string_view::npos &&
          std::from_chars(text.data() + slash + 1, text.data() + text.size(), size).ec == std::errc() &&
          size < range.end) {
        return CheckObjectRange(key, range, size);
      }
    }
    return FailedPrecondition("the answer to a range request is status " + std::to_string(head.status) + " with '" +
                              std::string(head.Header("content-range").substr(0, 64)) + "'")
        .WithReason("not_s3");
  }

  Result<ObjectMeta> HeadVersion(OpContext& ctx, const std::string& key, const std::string& version_id) {
    const std::string full_key = bucket_->FullKey(key);
    S3Request request{"HEAD", bucket_->ObjectPath(full_key)};
    if (!version_id.empty()) request.query = {{"versionId", version_id}};
    Result<ObjectMeta> meta = std::unexpected(Status());
    const Status status = client().Send(ctx, request, bucket_->What("HEAD", full_key),
                                        [&](OpContext&, const HttpHead& head, AnswerBody&) -> Status {
                                          meta = MetaOf(head, key, head.content_length.value_or(0));
                                          return meta ? OkStatus() : meta.error();
                                        });
    AKI_RETURN_IF_ERROR(Named(key, status));
    return meta;
  }

  // Keys become ours; a store that ignores what it was asked would send a caller round in circles.
  Status CheckPage(ListPage& page, const std::string& full_prefix, const std::string& full_start, uint32_t keys_max) {
    const auto wrong = [&](const std::string& why) {
      return FailedPrecondition(bucket_->What("LIST", full_prefix) + ": " + why).WithReason("not_s3");
    };
    if (page.objects.size() > keys_max) return wrong("more keys than were asked for");
    if (page.truncated && page.objects.empty()) return wrong("an empty page says that more follow");
    const std::string* previous = full_start.empty() ? nullptr : &full_start;
    for (const ObjectMeta& object : page.objects) {
      if (!object.key.starts_with(full_prefix) || (previous != nullptr && object.key <= *previous)) {
        return wrong("the keys are not those after start-after below the prefix, in order");
      }
      previous = &object.key;
    }
    for (ObjectMeta& object : page.objects) {
      std::optional<std::string> key = bucket_->KeyOf(object.key);
      if (!key) return wrong("a key lies outside of the store's prefix");
      object.key = std::move(*key);
    }
    return OkStatus();
  }

  const std::shared_ptr<S3Bucket> bucket_;
  const std::function<void(Duration)> sleep_;
};

}  // namespace

std::unique_ptr<ObjectStore> NewS3Store(std::shared_ptr<S3Bucket> bucket, std::function<void(Duration)> sleep) {
  return std::make_unique<S3Store>(std::move(bucket), std::move(sleep));
}

}  // namespace akidb::s3
