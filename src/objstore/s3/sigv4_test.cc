// Vectors: AWS "Signature Version 4 test suite", and the examples of "Authenticating Requests (AWS Signature Version
// 4)" in the S3 API reference.
#include "objstore/s3/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace akidb::s3 {
namespace {

using testing::HasSubstr;

Credentials Keys(std::string access_key, std::string secret_key) {
  Credentials credentials;
  credentials.access_key = std::move(access_key);
  credentials.secret_key = std::move(secret_key);
  return credentials;
}

struct Vector {
  const char* name;
  const char* method;
  const char* path;
  NameValues query;
  NameValues headers;
  std::string payload_hash;
  const char* signature;
};

std::string SignatureOf(std::string_view authorization) {
  return std::string(authorization.substr(authorization.rfind('=') + 1));
}

TEST(SigV4Test, SuiteOfAwsIsReproduced) {
  const std::string empty(kEmptySha256);
  const NameValues host_and_date = {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}};
  NameValues spaces = host_and_date;
  spaces.insert(spaces.begin(), {"my-header1", " value1"});
  spaces.insert(spaces.begin(), {"my-header2", " \"a   b   c\""});
  const Vector vectors[] = {
      {"get-vanilla",
       "GET",
       "/",
       {},
       host_and_date,
       empty,
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-vanilla-query-order-key-case",
       "GET",
       "/",
       {{"Param2", "value2"}, {"Param1", "value1"}},
       host_and_date,
       empty,
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"post-vanilla",
       "POST",
       "/",
       {},
       host_and_date,
       empty,
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"get-header-value-trim",
       "GET",
       "/",
       {},
       spaces,
       empty,
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
  };
  Signer signer("us-east-1", "service");
  for (const Vector& v : vectors) {
    const std::string query = CanonicalQuery(v.query);
    const std::string authorization =
        signer.Sign(Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), "20150830T123600Z",
                    {v.method, v.path, query, v.headers, v.payload_hash});
    EXPECT_EQ(SignatureOf(authorization), v.signature) << v.name;
    EXPECT_THAT(authorization, HasSubstr("Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, ")) << v.name;
  }
}

TEST(SigV4Test, ExamplesOfS3AreReproduced) {
  const std::string empty(kEmptySha256);
  const std::string welcome = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  EXPECT_EQ(Hex(AsBytes(Sha256Of("Welcome to Amazon S3."))), welcome);
  const std::pair<std::string, std::string> host = {"host", "examplebucket.s3.amazonaws.com"};
  const std::pair<std::string, std::string> date = {"x-amz-date", "20130524T000000Z"};
  const Vector vectors[] = {
      {"GET Object",
       "GET",
       "/test.txt",
       {},
       {host, {"range", "bytes=0-9"}, {"x-amz-content-sha256", empty}, date},
       empty,
       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
      {"PUT Object",
       "PUT",
       "/test%24file.text",
       {},
       {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
        host,
        {"x-amz-content-sha256", welcome},
        date,
        {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
       welcome,
       "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
      {"GET Bucket Lifecycle",
       "GET",
       "/",
       {{"lifecycle", ""}},
       {host, {"x-amz-content-sha256", empty}, date},
       empty,
       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
      {"Get Bucket (List Objects)",
       "GET",
       "/",
       {{"max-keys", "2"}, {"prefix", "J"}},
       {host, {"x-amz-content-sha256", empty}, date},
       empty,
       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
  };
  Signer signer("us-east-1", "s3");
  for (const Vector& v : vectors) {
    const std::string query = CanonicalQuery(v.query);
    const std::string authorization =
        signer.Sign(Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), "20130524T000000Z",
                    {v.method, v.path, query, v.headers, v.payload_hash});
    EXPECT_EQ(SignatureOf(authorization), v.signature) << v.name;
  }
}

TEST(SigV4Test, CachedKeyFollowsDayAndSecret) {
  const NameValues headers = {{"host", "h"}, {"x-amz-date", "x"}};
  const SignedRequest request{"GET", "/", "", headers, kEmptySha256};
  const auto fresh = [&](const Credentials& keys, std::string_view date) {
    return Signer("r", "s3").Sign(keys, date, request);
  };
  Signer signer("r", "s3");
  const Credentials a = Keys("a", "secret-a");
  const Credentials b = Keys("b", "secret-b");
  for (int round = 0; round < 2; ++round) {
    for (const std::string_view date : {"20260101T000000Z", "20260102T000000Z"}) {
      EXPECT_EQ(signer.Sign(a, date, request), fresh(a, date));
      EXPECT_EQ(signer.Sign(b, date, request), fresh(b, date));
    }
  }
}

TEST(DigestTest, Base64AndMd5AreTheStandards) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Md5Base64("abc"), "kAFQmDzST7DWlj99KOF/cg==");
}

}  // namespace
}  // namespace akidb::s3
