#include "objstore/s3/multipart_writer.h"

#include <vector>

#include "objstore/kept_bytes.h"
#include "objstore/s3/part_uploads.h"
#include "objstore/s3/put_headers.h"
#include "objstore/store_errors.h"

namespace akidb::s3 {
namespace {

constexpr uint32_t kPartsMax = 10000;  // S3's limit
constexpr uint64_t kAnswerBytesMax = 1u << 20;

class MultipartWriter final : public ObjectWriter, public KeptBytesWriter {
 public:
  MultipartWriter(std::shared_ptr<S3Bucket> bucket, std::string key, Clock& clock, std::function<void(Duration)> sleep)
      : bucket_(std::move(bucket)),
        key_(std::move(key)),
        full_key_(bucket_->FullKey(key_)),
        clock_(clock),
        sleep_(std::move(sleep)),
        parts_(clock, bucket_->options().parts_in_flight,
               [this](OpContext& ctx, uint32_t number, PartBytes& bytes) { return UploadPart(ctx, number, bytes); }) {}
  ~MultipartWriter() override { Abandon(); }
  MultipartWriter(const MultipartWriter&) = delete;
  MultipartWriter& operator=(const MultipartWriter&) = delete;

  Status Append(OpContext& ctx, std::string_view bytes) override { return AppendKept(ctx, {bytes}); }

  Status AppendKept(OpContext& ctx, const KeptBytes& kept) override {
    AKI_RETURN_IF_ERROR(ctx.Check());
    if (closed_) return FailedPrecondition("the writer of " + full_key_ + " has failed or was committed");
    const size_t part_bytes = static_cast<size_t>(bucket_->options().part_bytes);
    for (std::string_view bytes = kept.bytes; !bytes.empty();) {
      // A full part is sent only when more follows: an object of exactly one part is one PUT.
      if (next_.size() == part_bytes) {
        if (Status sent = SendPart(ctx); !sent.ok()) return Fail(std::move(sent));
      }
      const std::string_view taken = bytes.substr(0, part_bytes - next_.size());
      if (kept.whole != nullptr) next_.Hash(taken, kept.whole);
      if (kept.owner) {
        next_.AppendKept(taken, kept.owner, part_bytes);
      } else {
        next_.Append(taken, part_bytes);
      }
      bytes.remove_prefix(taken.size());
    }
    return OkStatus();
  }

  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    AKI_RETURN_IF_ERROR(ctx.Check());
    if (closed_)
      return std::unexpected(FailedPrecondition("the writer of " + full_key_ + " has failed or was committed"));
    if (upload_id_.empty()) {
      closed_ = true;
      return PutObject(ctx, *bucket_, key_, next_.kept(), next_.copied(), next_.TakeSha256(), condition);
    }
    if (Status sent = SendPart(ctx); !sent.ok()) return std::unexpected(Fail(std::move(sent)));
    const auto etags = parts_.Finish(ctx);
    if (!etags) return std::unexpected(Fail(etags.error()));
    Result<ObjectMeta> meta = Complete(ctx, *etags, condition);
    closed_ = true;
    if (meta) {
      upload_id_.clear();
    } else {
      Abandon();
    }
    return meta;
  }

 private:
  Status Fail(Status status) {
    closed_ = true;
    Abandon();
    // Nothing was published: parts are not an object.
    return status.effect() == Effect::kNone ? status
                                            : Status(status.code(), std::string(status.message()))
                                                  .WithRetry(status.retry())
                                                  .WithReason(status.reason());
  }

  Status Begin(OpContext& ctx) {
    S3Request request{"POST", bucket_->ObjectPath(full_key_)};
    request.query = {{"uploads", ""}};
    AddProtection(bucket_->options(), key_, bucket_->client().Now(ctx), &request.headers);
    request.access = Access::kWrite;
    request.when_lost = WhenLost::kRepeat;  // an upload that nobody knows of is swept later
    return bucket_->client().Send(ctx, request, bucket_->What("begin upload of", full_key_),
                                  [&](OpContext& read_ctx, const HttpHead&, AnswerBody& body) -> Status {
                                    AKI_ASSIGN_OR_RETURN(const std::string xml,
                                                         body.ReadAll(read_ctx, kAnswerBytesMax));
                                    AKI_ASSIGN_OR_RETURN(upload_id_, ParseInitiateXml(xml));
                                    return OkStatus();
                                  });
  }

  Status SendPart(OpContext& ctx) {
    if (upload_id_.empty()) AKI_RETURN_IF_ERROR(Begin(ctx));
    if (part_count_ == kPartsMax) {
      return ResourceExhausted("object " + key_ + " has more than " + std::to_string(kPartsMax) + " parts of " +
                               std::to_string(bucket_->options().part_bytes) + " bytes")
          .WithRetry(Retry::kNever)
          .WithReason("too_large");
    }
    ++part_count_;
    size_bytes_ += next_.size();
    return parts_.Add(ctx, std::exchange(next_, PartBytes()));
  }

  Result<std::string> UploadPart(OpContext& ctx, uint32_t number, PartBytes& part) {
    constexpr int kTriesMax = 4;
    // Signed with the request, so the store refuses other bytes. A checksum to keep would be one of checksums, which
    // no reader can use, and cost the store a second pass over every part.
    const std::string sha256 = Hex(AsBytes(part.TakeSha256()));
    std::string etag;
    Duration pause = std::chrono::milliseconds(100);
    for (int attempt = 1;; ++attempt) {
      S3Request request{"PUT", bucket_->ObjectPath(full_key_)};
      request.query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id_}};
      request.payload_sha256 = sha256;
      // S3 wants it with everything that is locked.
      if (bucket_->options().lock.mode != LockMode::kNone) {
        request.headers = {{"content-md5", Md5Base64(part.kept(), part.copied())}};
      }
      request.body = part.kept();
      request.body_rest = part.copied();
      request.access = Access::kWrite;
      Status status =
          bucket_->client().Send(ctx, request, bucket_->What("PUT part " + std::to_string(number) + " of", full_key_),
                                 [&](OpContext&, const HttpHead& head, AnswerBody&) -> Status {
                                   AKI_ASSIGN_OR_RETURN(const ObjectMeta meta, MetaOf(head, key_, part.size()));
                                   etag = meta.etag;
                                   return OkStatus();
                                 });
      if (status.ok()) return etag;
      const bool passing = status.code() == StatusCode::kUnavailable && ctx.Check().ok();
      if (!passing || attempt == kTriesMax || ctx.deadline() - clock_.Now() <= pause) return std::unexpected(status);
      sleep_(pause);
      pause *= 2;
    }
  }

  Result<ObjectMeta> Complete(OpContext& ctx, const std::vector<std::string>& etags, const PutCondition& condition) {
    std::string xml = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (size_t i = 0; i < etags.size(); ++i) {
      xml +=
          "<Part><ETag>" + XmlEscape(etags[i]) + "</ETag><PartNumber>" + std::to_string(i + 1) + "</PartNumber></Part>";
    }
    xml += "</CompleteMultipartUpload>";
    S3Request request{"POST", bucket_->ObjectPath(full_key_)};
    request.query = {{"uploadId", upload_id_}};
    AKI_RETURN_IF_ERROR(AddCondition(condition, &request.headers));
    request.body = xml;
    request.access = Access::kWrite;
    request.when_lost = WhenLost::kReport;  // a second one would find the upload gone
    const std::string what = bucket_->What("complete upload of", full_key_);
    ObjectMeta meta;
    Status status = bucket_->client().Send(
        ctx, request, what, [&](OpContext& read_ctx, const HttpHead& head, AnswerBody& body) -> Status {
          Result<std::string> answer = body.ReadAll(read_ctx, kAnswerBytesMax);
          if (!answer) return std::move(answer).error().WithEffectUnknown();
          Result<CompleteXml> complete = ParseCompleteXml(*answer);
          if (!complete) return std::move(complete).error().WithEffectUnknown();
          if (complete->error) return StatusOfLateError(*complete->error, Access::kWrite, what);
          HttpHead with_etag = head;
          with_etag.headers.insert(with_etag.headers.begin(), {"etag", complete->etag});
          AKI_ASSIGN_OR_RETURN(meta, MetaOf(with_etag, key_, size_bytes_));
          return OkStatus();
        });
    if (status.reason() == "condition_lost")
      return std::unexpected(ConditionLost(key_, "was not what the upload expected"));
    if (status.reason() == "no_such_upload") {
      // Somebody swept it, or an earlier answer to this very request was lost.
      return std::unexpected(Unavailable(std::string(status.message())).WithReason("no_such_upload"));
    }
    if (status.code() == StatusCode::kNotFound) return std::unexpected(ObjectNotFound(key_));
    if (!status.ok()) return std::unexpected(std::move(status));
    return meta;
  }

  // Stops the parts and tells the store to forget them.
  void Abandon() {
    parts_.Stop();
    if (upload_id_.empty()) return;
    OpContext ctx(clock_);
    ctx.set_timeout(std::chrono::seconds(5));
    S3Request request{"DELETE", bucket_->ObjectPath(full_key_)};
    request.query = {{"uploadId", std::exchange(upload_id_, std::string())}};
    request.access = Access::kWrite;
    bucket_->client()
        .Send(ctx, request, bucket_->What("abort upload of", full_key_),
              [](OpContext&, const HttpHead&, AnswerBody&) { return OkStatus(); })
        .IgnoreError("what is left is swept with the stale uploads");
  }

  const std::shared_ptr<S3Bucket> bucket_;
  const std::string key_;
  const std::string full_key_;
  Clock& clock_;
  const std::function<void(Duration)> sleep_;
  PartBytes next_;
  std::string upload_id_;  // empty: not begun, or ended
  uint32_t part_count_ = 0;
  uint64_t size_bytes_ = 0;
  bool closed_ = false;
  PartUploads parts_;  // last: its threads use the others
};

}  // namespace

Result<ObjectMeta> PutObject(OpContext& ctx, S3Bucket& bucket, const std::string& key, std::string_view body,
                             std::string_view body_rest, const Digest& sha256, const PutCondition& condition) {
  const std::string full_key = bucket.FullKey(key);
  S3Request request{"PUT", bucket.ObjectPath(full_key)};
  AKI_RETURN_IF_ERROR(AddCondition(condition, &request.headers));
  AddChecksum(sha256, &request.headers);
  AddProtection(bucket.options(), key, bucket.client().Now(ctx), &request.headers);
  request.body = body;
  request.body_rest = body_rest;
  request.payload_sha256 = Hex(AsBytes(sha256));
  request.access = Access::kWrite;
  request.when_lost = condition.kind == PutCondition::Kind::kNone ? WhenLost::kRepeat : WhenLost::kReport;
  ObjectMeta meta;
  Status status = bucket.client().Send(ctx, request, bucket.What("PUT", full_key),
                                       [&](OpContext&, const HttpHead& head, AnswerBody&) -> Status {
                                         Result<ObjectMeta> made = MetaOf(head, key, body.size() + body_rest.size());
                                         if (!made) return std::move(made).error().WithEffectUnknown();
                                         meta = std::move(*made);
                                         return OkStatus();
                                       });
  if (status.reason() == "condition_lost") {
    return std::unexpected(ConditionLost(key, condition.kind == PutCondition::Kind::kIfAbsent
                                                  ? "exists already"
                                                  : "has another etag than the one expected"));
  }
  if (status.code() == StatusCode::kNotFound) return std::unexpected(ObjectNotFound(key));
  if (!status.ok()) return std::unexpected(std::move(status));
  return meta;
}

std::unique_ptr<ObjectWriter> NewMultipartWriter(std::shared_ptr<S3Bucket> bucket, std::string key, Clock& clock,
                                                 std::function<void(Duration)> sleep) {
  return std::make_unique<MultipartWriter>(std::move(bucket), std::move(key), clock, std::move(sleep));
}

}  // namespace akidb::s3
