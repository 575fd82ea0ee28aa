#include "service/core/call.h"

#include <exception>
#include <new>

#include "service/core/problem.h"

namespace akidb {

Call::Call(HttpRequest r, Clock& clock, Finish finish)
    : request(std::move(r)), ctx(clock), started(clock.Now()), finish_(std::move(finish)) {}

Call::~Call() {
  if (finish_) Fail(Internal("the request ended without an answer"));
}

std::optional<std::string_view> Call::Query(std::string_view name) const {
  for (const auto& [key, value] : target.query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

void Call::Answer(HttpResponse response) {
  if (!finish_) return;
  Finish finish = std::move(finish_);
  finish_ = nullptr;
  finish(this, std::move(response));
}

void Call::Reply(int status, std::string json) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(json);
  Answer(std::move(response));
}

void Call::Fail(const Status& status) { Answer(ProblemResponse(status, ctx.request_id())); }

void Call::Guard(std::move_only_function<Status()> work) {
  Status status;
  try {
    status = work();
  } catch (const std::bad_alloc&) {
    status = Unavailable("not enough memory for this request").WithReason("out_of_memory");
  } catch (const std::exception& e) {
    status = Internal(std::string("unexpected: ") + e.what());
  }
  if (!status.ok()) Fail(status);
}

Status Call::RequireContentType(std::string_view also) const {
  const std::string_view type = MediaType(request.Header("content-type"));
  if (EqualsIgnoringCase(type, "application/json") || (!also.empty() && EqualsIgnoringCase(type, also)))
    return OkStatus();
  return InvalidArgument("Content-Type is \"" + std::string(type.substr(0, 100)) + "\"; send application/json" +
                         (also.empty() ? "" : " or " + std::string(also)))
      .WithReason("unsupported_media_type");
}

std::string_view MediaType(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  return content_type;
}

}  // namespace akidb
