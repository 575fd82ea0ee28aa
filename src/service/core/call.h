// One request on its way through the service: what was asked, its context, and the one answer it gets.
//
// Threads: one thread at a time; the answer may come from any thread. Shared by the continuations of the request.
// Errors:  a call dropped without an answer answers 500.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/json_writer.h"
#include "format/collection_spec.h"
#include "service/core/http.h"
#include "service/core/target.h"

namespace akidb {

class Call {
 public:
  using Finish = std::move_only_function<void(Call*, HttpResponse)>;
  Call(HttpRequest request, Clock& clock, Finish finish);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  HttpRequest request;
  Target target;
  std::vector<std::string> params;  // what the route's placeholders stand for, in order
  OpContext ctx;
  MonotonicTime started;
  AckLevel ack_min = AckLevel::kLocal;  // of a write that asks for no level: what the node knew that sent it on
  std::vector<std::pair<std::string, std::string>> answer_headers;  // that the answer has whatever it is

  std::optional<std::string_view> Query(std::string_view name) const;

  void Answer(HttpResponse response);
  void Reply(int status, std::string json);
  void Fail(const Status& status);
  // Runs `work`; an error or exception it leaves with becomes the answer.
  void Guard(std::move_only_function<Status()> work);

  // Checks that the body is of the type `application/json` (or one of the others given).
  Status RequireContentType(std::string_view also = {}) const;

 private:
  Finish finish_;
};

using CallPtr = std::shared_ptr<Call>;

// The media type of a Content-Type header, without parameters.
std::string_view MediaType(std::string_view content_type);

}  // namespace akidb
