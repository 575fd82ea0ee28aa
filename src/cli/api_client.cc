#include "cli/api_client.h"

#include <cctype>

namespace akidb {
namespace {

StatusCode CodeOfHttp(int status) {
  switch (status) {
    case 400:
    case 413:
    case 415:
    case 422: return StatusCode::kInvalidArgument;
    case 401: return StatusCode::kUnauthenticated;
    case 403: return StatusCode::kPermissionDenied;
    case 404: return StatusCode::kNotFound;
    case 409: return StatusCode::kAlreadyExists;
    case 412: return StatusCode::kFailedPrecondition;
    case 429:
    case 507: return StatusCode::kResourceExhausted;
    case 501: return StatusCode::kUnimplemented;
    case 503: return StatusCode::kUnavailable;
    case 408:
    case 504: return StatusCode::kDeadlineExceeded;
    default: return StatusCode::kInternal;
  }
}

std::string PercentEncode(std::string_view name) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

}  // namespace

Result<simdjson::dom::element> ApiClient::Call(std::string_view method, std::string_view target,
                                               std::string_view content_type, std::string_view body, Repeat repeat) {
  AKI_ASSIGN_OR_RETURN(HttpReply reply, http_.Send(method, target, content_type, body, repeat));
  text_ = std::move(reply.body);
  http_status_ = reply.status;
  simdjson::dom::element document;
  const auto parse_error = parser_.parse(text_.empty() ? std::string("{}") : text_).get(document);
  if (reply.status >= 400) {
    std::string detail = parse_error ? std::string() : JsonText(document, "detail");
    if (detail.empty()) detail = "the server answered " + std::to_string(reply.status);
    const std::string code = parse_error ? std::string() : JsonText(document, "code");
    return std::unexpected(Status(CodeOfHttp(reply.status), std::move(detail)).WithReason(code));
  }
  if (parse_error) {
    return std::unexpected(Internal("the server's answer is not JSON: " + std::string(error_message(parse_error))));
  }
  return document;
}

std::string CollectionPath(std::string_view name) { return "/collections/" + PercentEncode(name); }

std::string AliasPath(std::string_view name) { return "/aliases/" + PercentEncode(name); }

std::string JsonText(const simdjson::dom::element& object, std::string_view key) {
  std::string_view text;
  return object.at_key(key).get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

uint64_t JsonUint(const simdjson::dom::element& object, std::string_view key) {
  uint64_t value = 0;
  return object.at_key(key).get(value) == simdjson::SUCCESS ? value : 0;
}

}  // namespace akidb
