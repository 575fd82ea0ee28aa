#include "objstore/s3/sts_credentials.h"

#include "objstore/s3/uri.h"

namespace akidb::s3 {
namespace {

constexpr uint64_t kAnswerBytesMax = 256u << 10;
constexpr uint64_t kTokenBytesMax = 64u << 10;

// The form of one call. A POST to "/" has no query: everything is in the body.
std::string Form(std::string_view action, const CredentialOptions& options) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options.session_duration).count();
  std::string form = "Action=" + std::string(action) + "&Version=2011-06-15&DurationSeconds=" + std::to_string(seconds);
  if (!options.role_arn.empty()) {
    form += "&RoleArn=" + UriEncode(options.role_arn, Slash::kEncode);
    form += "&RoleSessionName=" + UriEncode(options.role_session_name, Slash::kEncode);
  }
  return form;
}

Result<Credentials> Ask(OpContext& ctx, S3Client& client, const std::string& form, std::string_view action) {
  const std::string what = "STS " + std::string(action);
  S3Request request;
  request.method = "POST";
  request.path = "/";
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  request.body = form;
  Result<Credentials> issued = std::unexpected(Status());
  Status status =
      client.Send(ctx, request, what, [&](OpContext& answer_ctx, const HttpHead&, AnswerBody& body) -> Status {
        AKI_ASSIGN_OR_RETURN(const std::string xml, body.ReadAll(answer_ctx, kAnswerBytesMax));
        issued = ParseStsXml(xml);
        return issued ? OkStatus() : issued.error();
      });
  if (status.ok()) return issued;
  // What it says is about our credentials, whatever its code was for a bucket.
  if (status.code() == StatusCode::kFailedPrecondition || status.code() == StatusCode::kPermissionDenied) {
    return std::unexpected(PermissionDenied(std::string(status.message())).WithReason("credentials"));
  }
  return std::unexpected(std::move(status));
}

}  // namespace

std::function<Result<Credentials>(OpContext&)> AssumeRole(std::shared_ptr<S3Client> client,
                                                          const CredentialOptions& options) {
  return [client = std::move(client), options](OpContext& ctx) {
    return Ask(ctx, *client, Form("AssumeRole", options), "AssumeRole");
  };
}

std::function<Result<Credentials>(OpContext&)> AssumeRoleWithWebIdentity(std::shared_ptr<S3Client> client,
                                                                         FileSystem& fs,
                                                                         const CredentialOptions& options) {
  return [client = std::move(client), &fs, options](OpContext& ctx) -> Result<Credentials> {
    constexpr std::string_view kAction = "AssumeRoleWithWebIdentity";
    AKI_ASSIGN_OR_RETURN(std::string token, ReadWholeFile(fs, options.web_identity_token_file, kTokenBytesMax));
    while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
    return Ask(ctx, *client, Form(kAction, options) + "&WebIdentityToken=" + UriEncode(token, Slash::kEncode), kAction);
  };
}

}  // namespace akidb::s3
