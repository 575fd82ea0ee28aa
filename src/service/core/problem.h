// One table: what a Status is called in HTTP, and the application/problem+json body (RFC 9457) that says it.
//
// Threads: pure functions.
// Errors:  none.
#pragma once

#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "base/status.h"
#include "service/core/http.h"

namespace akidb {

inline constexpr std::string_view kProblemContentType = "application/problem+json";

// HTTP status of an error; reasons such as "disk_full" (507) and "body_too_large" (413) refine the code's usual one.
int HttpStatusOf(const Status& status);
// The stable word clients switch on: the reason, or the code's name in lower case.
std::string ProblemCode(const Status& status);

// {"type","title","status","code","detail","request_id","retryable"}; also used for the items of batch answers.
void WriteProblem(const Status& status, std::string_view request_id, JsonWriter* writer);
// With Retry-After where waiting helps.
HttpResponse ProblemResponse(const Status& status, std::string_view request_id);

}  // namespace akidb
