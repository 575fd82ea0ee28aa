#include "objstore/s3/s3_xml.h"

#include <gtest/gtest.h>

namespace akidb::s3 {
namespace {

std::string Page(const std::string& contents) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
         "<IsTruncated>true</IsTruncated>" +
         contents + "</ListBucketResult>";
}

std::string Entry(const std::string& key, const std::string& size) {
  return "<Contents><Key>" + key +
         "</Key><LastModified>2026-11-24T01:02:03.456Z</LastModified><ETag>&#34;e1&#34;</ETag>"
         "<Size>" +
         size + "</Size></Contents>";
}

TEST(S3XmlTest, ListsAreRead) {
  const auto list = ParseListXml(Page(Entry("a%2Fb+c", "7") + Entry("z", "0")));
  ASSERT_TRUE(list) << list.error().ToString();
  EXPECT_TRUE(list->truncated);
  ASSERT_EQ(list->objects.size(), 2u);
  EXPECT_EQ(list->objects[0].key, "a/b c");
  EXPECT_EQ(list->objects[0].size_bytes, 7u);
  EXPECT_EQ(list->objects[0].etag, "\"e1\"");
}

TEST(S3XmlTest, BrokenListsAreNotS3) {
  std::string many;
  for (int i = 0; i < 1001; ++i) many += Entry("k" + std::to_string(i), "1");
  for (const std::string& bad :
       {Page(Entry("%zz", "1")), Page(Entry("", "1")), Page(Entry("k", "-1")), Page(Entry("k", "")),
        Page(Entry(std::string(1025, 'k'), "1")), Page(many), std::string("<html/>"), std::string("hello"),
        std::string(), std::string(kXmlBytesMax + 1, ' ')}) {
    const auto list = ParseListXml(bad);
    ASSERT_FALSE(list) << bad.substr(0, 200);
    EXPECT_EQ(list.error().reason(), "not_s3");
  }
}

TEST(S3XmlTest, ErrorsAreShortAndPrintable) {
  const auto error =
      ParseErrorXml("<Error><Code>NoSuchKey</Code><Message>a&#10;b" + std::string(2000, 'x') + "</Message></Error>");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "NoSuchKey");
  EXPECT_EQ(error->message.substr(0, 3), "a b");
  EXPECT_EQ(error->message.size(), 512u);
  const auto sts = ParseErrorXml("<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>");
  ASSERT_TRUE(sts);
  EXPECT_EQ(sts->code, "AccessDenied");
  for (const char* bad : {"", "<html><body>Bad gateway</body></html>", "<Error/>", "plain text"}) {
    EXPECT_FALSE(ParseErrorXml(bad)) << bad;
  }
}

TEST(S3XmlTest, UploadIdsCannotBreakOutOfAQuery) {
  const auto parse = [](const std::string& id) {
    return ParseInitiateXml("<InitiateMultipartUploadResult><UploadId>" + id +
                            "</UploadId></InitiateMultipartUploadResult>");
  };
  EXPECT_EQ(*parse("abc-123"), "abc-123");
  EXPECT_FALSE(parse(""));
  EXPECT_FALSE(parse("a&#10;b"));
  EXPECT_FALSE(parse(std::string(5000, 'x')));
}

TEST(S3XmlTest, VersionsAndDeleteMarkersAreListedTogether) {
  const auto entry = [](const std::string& kind, const std::string& key, const std::string& version) {
    return "<" + kind + "><Key>" + key + "</Key><VersionId>" + version + "</VersionId></" + kind + ">";
  };
  const auto page = [](const std::string& inner) {
    return "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a%2Fb</NextKeyMarker>"
           "<NextVersionIdMarker>v2</NextVersionIdMarker>" +
           inner + "</ListVersionsResult>";
  };
  const auto listed = ParseVersionsXml(page(entry("DeleteMarker", "a%2Fb", "v1") + entry("Version", "a%2Fb", "null")));
  ASSERT_TRUE(listed) << listed.error().ToString();
  ASSERT_EQ(listed->versions.size(), 2u);
  EXPECT_EQ(listed->versions[0].key, "a/b");
  EXPECT_EQ(listed->versions[1].version_id, "null");
  EXPECT_TRUE(listed->truncated);
  EXPECT_EQ(listed->next_key_marker, "a/b");
  EXPECT_EQ(listed->next_version_id_marker, "v2");
  std::string many;
  for (int i = 0; i < 1001; ++i) many += entry("Version", "k", "v" + std::to_string(i));
  for (const std::string& bad :
       {page(entry("Version", "", "v1")), page(entry("Version", "k", "a&#10;b")), page(entry("DeleteMarker", "k", "")),
        page(many), std::string("<ListBucketResult/>")}) {
    EXPECT_EQ(ParseVersionsXml(bad).error().reason(), "not_s3") << bad.substr(0, 200);
  }
}

TEST(S3XmlTest, CompletionMayBeAnError) {
  const auto done =
      ParseCompleteXml("<CompleteMultipartUploadResult><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>");
  ASSERT_TRUE(done);
  EXPECT_EQ(done->etag, "\"x-2\"");
  EXPECT_EQ(ParseCompleteXml("<Error><Code>InternalError</Code></Error>")->error->code, "InternalError");
  EXPECT_FALSE(ParseCompleteXml("<CompleteMultipartUploadResult/>"));
}

TEST(S3XmlTest, IssuedCredentialsAreComplete) {
  const auto sts = [](const std::string& call, const std::string& inner) {
    return ParseStsXml("<" + call + "Response><" + call + "Result><Credentials>" + inner + "</Credentials></" + call +
                       "Result></" + call + "Response>");
  };
  const std::string all =
      "<AccessKeyId>AK</AccessKeyId><SecretAccessKey>SK</SecretAccessKey><SessionToken>T</SessionToken>"
      "<Expiration>2026-11-24T01:02:03Z</Expiration>";
  for (const char* call : {"AssumeRole", "AssumeRoleWithWebIdentity"}) {
    const auto issued = sts(call, all);
    ASSERT_TRUE(issued) << call;
    EXPECT_EQ(issued->access_key, "AK");
    EXPECT_EQ(issued->session_token, "T");
  }
  EXPECT_FALSE(sts("AssumeRole", "<AccessKeyId>AK</AccessKeyId>"));
  EXPECT_FALSE(sts("Other", all));
}

TEST(S3XmlTest, LocksAreRead) {
  const auto lock = ParseObjectLockXml(
      "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE"
      "</Mode><Years>2</Years></DefaultRetention></Rule></ObjectLockConfiguration>");
  ASSERT_TRUE(lock);
  EXPECT_TRUE(lock->enabled);
  EXPECT_EQ(lock->default_mode, LockMode::kCompliance);
  EXPECT_EQ(lock->default_days, 730u);
  const auto retention = ParseRetentionXml(
      "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2026-11-24T01:02:03Z</RetainUntilDate></Retention>");
  ASSERT_TRUE(retention);
  EXPECT_EQ(retention->mode, LockMode::kGovernance);
  EXPECT_FALSE(ParseRetentionXml("<Retention><Mode>OTHER</Mode></Retention>"));
  EXPECT_TRUE(*ParseLegalHoldXml("<LegalHold><Status>ON</Status></LegalHold>"));
}

}  // namespace
}  // namespace akidb::s3
