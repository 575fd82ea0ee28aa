// The XML that S3 answers with, under limits: size, and what each value may be.
//
// Threads: pure functions.
// Errors:  kFailedPrecondition, reason "not_s3": the bytes are not the document that was asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "objstore/object_store.h"
#include "objstore/s3/credentials.h"

namespace akidb::s3 {

// A page of 1,000 keys of 1,024 bytes, each byte escaped, with what stands around them.
inline constexpr uint64_t kXmlBytesMax = 8u << 20;

struct ErrorXml {
  std::string code;
  std::string message;
  std::string region;  // where the bucket really is, when that was the mistake
};
// Nothing if it is not an <Error> (or an STS <ErrorResponse>).
std::optional<ErrorXml> ParseErrorXml(std::string_view xml);

struct ListXml {
  std::vector<ObjectMeta> objects;
  bool truncated = false;
};
Result<ListXml> ParseListXml(std::string_view xml);

struct UploadXml {
  std::string key;
  std::string upload_id;
  WallTime initiated_at{};
};
struct UploadsXml {
  std::vector<UploadXml> uploads;
  bool truncated = false;
  std::string next_key_marker;
  std::string next_upload_id_marker;
};
Result<UploadsXml> ParseUploadsXml(std::string_view xml);

struct VersionXml {
  std::string key;
  std::string version_id;  // of a version or of a delete marker
};
struct VersionsXml {
  std::vector<VersionXml> versions;
  bool truncated = false;
  std::string next_key_marker;
  std::string next_version_id_marker;
};
Result<VersionsXml> ParseVersionsXml(std::string_view xml);

// The upload id of an InitiateMultipartUploadResult.
Result<std::string> ParseInitiateXml(std::string_view xml);

// The etag of a CompleteMultipartUploadResult; an error there arrives under status 200.
struct CompleteXml {
  std::string etag;
  std::optional<ErrorXml> error;
};
Result<CompleteXml> ParseCompleteXml(std::string_view xml);

// An AssumeRole or AssumeRoleWithWebIdentity answer.
Result<Credentials> ParseStsXml(std::string_view xml);

// "Enabled", "Suspended" or nothing.
Result<std::string> ParseVersioningXml(std::string_view xml);

enum class LockMode : uint8_t { kNone, kGovernance, kCompliance };
std::string_view LockModeName(LockMode mode);
std::optional<LockMode> ParseLockMode(std::string_view text);

struct ObjectLockXml {
  bool enabled = false;
  LockMode default_mode = LockMode::kNone;
  uint32_t default_days = 0;
};
Result<ObjectLockXml> ParseObjectLockXml(std::string_view xml);

struct RetentionXml {
  LockMode mode = LockMode::kNone;
  WallTime until{};
};
Result<RetentionXml> ParseRetentionXml(std::string_view xml);
Result<bool> ParseLegalHoldXml(std::string_view xml);

// `text` with the five special characters escaped.
std::string XmlEscape(std::string_view text);

}  // namespace akidb::s3
