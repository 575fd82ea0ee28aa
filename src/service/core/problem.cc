#include "service/core/problem.h"

#include <array>

namespace akidb {
namespace {

struct ReasonRow {
  std::string_view reason;
  int http;
};

// Reasons whose HTTP status differs from that of their code.
constexpr auto kReasons = std::to_array<ReasonRow>({
    {"disk_full", 507},
    {"body_too_large", 413},
    {"unsupported_media_type", 415},
    {"method_not_allowed", 405},
    {"cursor_expired", 410},
    {"version_retired", 410},
    {"commit_lost", 410},
    {"header_too_large", 431},
    {"request_timeout", 408},
    {"too_many_connections", 503},
});

int HttpStatusOfCode(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return 200;
    case StatusCode::kInvalidArgument:
    case StatusCode::kOutOfRange: return 400;
    case StatusCode::kNotFound: return 404;
    case StatusCode::kAlreadyExists:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kAborted: return 409;
    case StatusCode::kPermissionDenied: return 403;
    case StatusCode::kUnauthenticated: return 401;
    case StatusCode::kResourceExhausted: return 429;
    case StatusCode::kUnavailable: return 503;
    case StatusCode::kDeadlineExceeded: return 504;
    case StatusCode::kUnimplemented: return 501;
    case StatusCode::kCancelled: return 499;
    case StatusCode::kDataLoss:
    case StatusCode::kInternal:
    case StatusCode::kUnknown: return 500;
  }
  return 500;
}

}  // namespace

int HttpStatusOf(const Status& status) {
  for (const auto& row : kReasons) {
    if (row.reason == status.reason()) return row.http;
  }
  return HttpStatusOfCode(status.code());
}

std::string ProblemCode(const Status& status) {
  if (!status.reason().empty()) return std::string(status.reason());
  std::string code(StatusCodeName(status.code()));
  for (char& c : code) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return code;
}

void WriteProblem(const Status& status, std::string_view request_id, JsonWriter* writer) {
  const int http = HttpStatusOf(status);
  writer->BeginObject();
  writer->Key("type").Value("about:blank");
  writer->Key("title").Value(HttpReason(http));
  writer->Key("status").Value(http);
  writer->Key("code").Value(ProblemCode(status));
  writer->Key("detail").Value(status.message());
  writer->Key("request_id").Value(request_id);
  writer->Key("retryable").Value(status.retry() != Retry::kNever);
  if (status.effect() == Effect::kUnknown) writer->Key("effect").Value("unknown");
  writer->EndObject();
}

HttpResponse ProblemResponse(const Status& status, std::string_view request_id) {
  HttpResponse response;
  response.status = HttpStatusOf(status);
  response.content_type = kProblemContentType;
  JsonWriter writer(&response.body);
  WriteProblem(status, request_id, &writer);
  if (response.status == 429 || response.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace akidb
