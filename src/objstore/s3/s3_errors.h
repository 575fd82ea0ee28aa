// What an answer that is not a success means: the one table from S3's words to Status, retry class and effect.
// The page of it for operators is in README.md of this folder.
//
// Threads: pure functions.
// Errors:  they are what is made here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "objstore/s3/http_connection.h"
#include "objstore/s3/s3_xml.h"

namespace akidb::s3 {

// Whether a request changes the store: only then can an answer leave the effect unknown. A DELETE does more than a PUT
// when it is refused: what a quorum too small to answer has marked as deleted may win when the others are back.
enum class Access : uint8_t { kRead, kWrite, kDelete };

// `what` begins the message ("PUT bucket/key"); `body` is what came with the answer, perhaps cut.
// A 404 becomes kNotFound only if the answer is S3's: a proxy's page never passes for absence.
Status StatusOfAnswer(const HttpHead& head, std::string_view body, Access access, std::string_view what);
// The same for an error that came under status 200 (CompleteMultipartUpload).
Status StatusOfLateError(const ErrorXml& error, Access access, std::string_view what);

// S3's error code of an answer, from its body or, for HEAD, from MinIO's header; empty if there is none.
std::string ErrorCodeOf(const HttpHead& head, std::string_view body);

// Seconds of a Retry-After header, at most an hour.
std::optional<Duration> RetryAfterOf(const HttpHead& head);

}  // namespace akidb::s3
