// Any bytes as each answer that S3 gives in XML. What is accepted keeps its limits.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "objstore/s3/s3_xml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view xml(reinterpret_cast<const char*>(data), size);
  if (const auto error = akidb::s3::ParseErrorXml(xml)) AKI_CHECK(!error->code.empty() && error->message.size() <= 512);
  if (const auto list = akidb::s3::ParseListXml(xml)) {
    AKI_CHECK(list->objects.size() <= akidb::kListKeysMax);
    for (const akidb::ObjectMeta& object : list->objects) {
      AKI_CHECK(!object.key.empty() && object.key.size() <= akidb::kObjectKeyBytesMax);
    }
  }
  if (const auto id = akidb::s3::ParseInitiateXml(xml)) AKI_CHECK(id->find_first_of("\r\n ") == std::string::npos);
  if (const auto complete = akidb::s3::ParseCompleteXml(xml)) AKI_CHECK(complete->error || !complete->etag.empty());
  if (const auto issued = akidb::s3::ParseStsXml(xml)) {
    AKI_CHECK(issued->session_token.find_first_of("\r\n ") == std::string::npos);
  }
  if (const auto versions = akidb::s3::ParseVersionsXml(xml)) {
    AKI_CHECK(versions->versions.size() <= akidb::kListKeysMax);
    for (const akidb::s3::VersionXml& version : versions->versions) {
      AKI_CHECK(!version.key.empty() && version.version_id.find_first_of("\r\n ") == std::string::npos);
    }
  }
  (void)akidb::s3::ParseUploadsXml(xml);
  (void)akidb::s3::ParseVersioningXml(xml);
  (void)akidb::s3::ParseObjectLockXml(xml);
  (void)akidb::s3::ParseRetentionXml(xml);
  (void)akidb::s3::ParseLegalHoldXml(xml);
  return 0;
}
