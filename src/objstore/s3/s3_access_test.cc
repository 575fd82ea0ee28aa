// How the store is reached and who we are there: names, certificates, issued credentials, parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "objstore/s3/fake_server_testing.h"
#include "objstore/s3/s3_admin.h"
#include "objstore/s3/s3_store.h"

namespace akidb::s3 {
namespace {

using testing::HasSubstr;

class S3AccessTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "akidb_s3_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(dir_);
    options_.bucket = "vectors";
    options_.credentials.access_key = "AK";
    options_.credentials.secret_key = "SK";
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
    return dir_ + "/" + name;
  }
  std::unique_ptr<ObjectStore> Open(std::unique_ptr<Dialer> dialer = nullptr) {
    auto bucket = S3Bucket::Open(PosixFileSystem(), options_, std::move(dialer));
    EXPECT_TRUE(bucket) << bucket.error().ToString();
    bucket_ = *bucket;
    return NewS3Store(bucket_, [](Duration) {});
  }

  std::string dir_;
  S3Options options_;
  OpContext ctx_{RealClock()};
  std::shared_ptr<S3Bucket> bucket_;
};

TEST_F(S3AccessTest, CertificatesAreChecked) {
  const FakeCertificate certificate = MakeCertificate();
  FakeServer server(certificate.certificate_pem, certificate.key_pem);
  server.Handle([](const FakeRequest& request) { return FakeReply::Object(request.body); });
  options_.endpoints = {server.url()};
  options_.dial.ca_file = WriteFile("ca.pem", certificate.certificate_pem);
  const auto trusting = Open();
  EXPECT_EQ(trusting->Get(ctx_, "k", 100)->bytes, "");
  const std::string body(1 << 20, 'x');  // many records, both ways
  EXPECT_TRUE(trusting->Put(ctx_, "k", body, PutCondition::IfAbsent()));
  EXPECT_EQ(server.Requests().at(1).body, body);
  EXPECT_EQ(server.Requests().at(1).connection, 0) << "TLS connections are kept, too";

  options_.dial.ca_file = WriteFile("other.pem", MakeCertificate().certificate_pem);
  const Status status = Open()->Put(ctx_, "k", "x", PutCondition::IfAbsent()).error();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status.ToString();
  EXPECT_EQ(status.reason(), "tls_untrusted");
  EXPECT_EQ(status.effect(), Effect::kNone);
}

TEST_F(S3AccessTest, CertificatesNameTheirHost) {
  const FakeCertificate certificate = MakeCertificate();
  FakeServer server(certificate.certificate_pem, certificate.key_pem);
  options_.endpoints = {"https://store.example:" + std::to_string(server.port())};
  options_.dial.ca_file = WriteFile("ca.pem", certificate.certificate_pem);
  const auto dialer = [&] {
    return *NewSocketDialer(options_.dial,
                            [](const std::string&, uint16_t port) { return SystemResolver()("127.0.0.1", port); });
  };
  EXPECT_EQ(Open(dialer())->Head(ctx_, "k").error().reason(), "tls_untrusted");
  options_.endpoints = {"https://localhost:" + std::to_string(server.port())};
  server.Expect(FakeReply::Object(""));
  EXPECT_TRUE(Open(dialer())->Get(ctx_, "k", 100));
}

TEST_F(S3AccessTest, UnusableCaFileIsNamed) {
  options_.endpoints = {"https://127.0.0.1:1"};
  options_.dial.ca_file = WriteFile("ca.pem", "nonsense");
  const auto bucket = S3Bucket::Open(PosixFileSystem(), options_, nullptr);
  ASSERT_FALSE(bucket);
  EXPECT_EQ(bucket.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(bucket.error().message(), HasSubstr("ca.pem"));
}

TEST_F(S3AccessTest, PlainServerBehindHttpsIsNotTrusted) {
  FakeServer server;
  server.Expect(
      FakeReply::Breaks(FakeReply::When::kOnConnect, FakeReply::Then::kClose, "HTTP/1.1 400 Bad Request\r\n\r\n"));
  options_.endpoints = {"https://127.0.0.1:" + std::to_string(server.port())};
  EXPECT_EQ(Open()->Head(ctx_, "k").error().code(), StatusCode::kUnavailable);
}

TEST_F(S3AccessTest, VirtualHostsCarryTheBucketInTheirName) {
  FakeServer server;
  server.Handle([](const FakeRequest&) { return FakeReply::Object("x"); });
  const std::string port = std::to_string(server.port());
  options_.endpoints = {"http://s3.example:" + port};
  options_.style = AddressStyle::kVirtual;
  std::string asked;
  const auto store = Open(*NewSocketDialer(options_.dial, [&](const std::string& host, uint16_t at) {
    asked = host;
    return SystemResolver()("127.0.0.1", at);
  }));
  ASSERT_TRUE(store->Get(ctx_, "a/b", 100));
  EXPECT_EQ(asked, "vectors.s3.example");
  EXPECT_EQ(server.Requests().at(0).target, "/a/b");
  EXPECT_EQ(server.Requests().at(0).headers.at("host"), "vectors.s3.example:" + port);
}

std::string Issue(const std::string& call, const std::string& key, const std::string& expires) {
  return "<" + call + "Response><" + call + "Result><Credentials><AccessKeyId>" + key +
         "</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T-" + key + "</SessionToken><Expiration>" +
         expires + "</Expiration></Credentials></" + call + "Result></" + call + "Response>";
}

TEST_F(S3AccessTest, RolesAreAssumedAndRenewedWhenTheyExpire) {
  FakeServer server;
  options_.endpoints = {server.url()};
  options_.credentials.role_arn = "arn:x:y/role 1";
  const auto store = Open();
  server.Expect(FakeReply::Of("200 OK", "", Issue("AssumeRole", "K1", "2200-01-01T00:00:00Z")));
  server.Expect(FakeReply::Object("x"));
  ASSERT_TRUE(store->Get(ctx_, "k", 100));
  server.Expect(FakeReply::Error("400 Bad Request", "ExpiredToken"));
  server.Expect(FakeReply::Of("200 OK", "", Issue("AssumeRole", "K2", "2200-01-01T00:00:00Z")));
  server.Expect(FakeReply::Object("x"));
  ASSERT_TRUE(store->Get(ctx_, "k", 100));
  const auto requests = server.Requests();
  ASSERT_EQ(requests.size(), 5u);
  EXPECT_EQ(requests[0].method + requests[0].target, "POST/");
  EXPECT_EQ(
      requests[0].body,
      "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600&RoleArn=arn%3Ax%3Ay%2Frole%201&RoleSessionName=akidb");
  EXPECT_THAT(requests[0].headers.at("authorization"), HasSubstr("/sts/aws4_request"));
  EXPECT_EQ(requests[1].headers.at("x-amz-security-token"), "T-K1");
  EXPECT_THAT(requests[1].headers.at("authorization"), HasSubstr("Credential=K1/"));
  EXPECT_EQ(requests[4].headers.at("x-amz-security-token"), "T-K2");
  // Expired again at once: reported, not asked for in circles.
  server.Expect(FakeReply::Error("400 Bad Request", "ExpiredToken"));
  server.Expect(FakeReply::Of("200 OK", "", Issue("AssumeRole", "K3", "2200-01-01T00:00:00Z")));
  server.Expect(FakeReply::Error("400 Bad Request", "ExpiredToken"));
  EXPECT_EQ(store->Get(ctx_, "k", 100).error().reason(), "expired_token");
}

TEST_F(S3AccessTest, WebIdentitiesAreSentUnsigned) {
  FakeServer server;
  FakeServer sts;
  options_.endpoints = {server.url()};
  options_.credentials = {};
  options_.credentials.sts_endpoint = sts.url();
  options_.credentials.web_identity_token_file = WriteFile("token", "a.b/c\n");
  const auto store = Open();
  sts.Expect(FakeReply::Of("200 OK", "", Issue("AssumeRoleWithWebIdentity", "K", "2200-01-01T00:00:00Z")));
  server.Expect(FakeReply::Object("x"));
  ASSERT_TRUE(store->Get(ctx_, "k", 100));
  EXPECT_THAT(sts.Requests().at(0).body, HasSubstr("&WebIdentityToken=a.b%2Fc"));
  EXPECT_EQ(sts.Requests().at(0).headers.count("authorization"), 0u);
}

TEST_F(S3AccessTest, RefusedIssuersAreReported) {
  FakeServer server;
  options_.endpoints = {server.url()};
  options_.credentials.role_arn = "r";
  const auto store = Open();
  server.Expect(
      FakeReply::Of("403 Forbidden", "",
                    "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"));
  Status status = store->Put(ctx_, "k", "x", PutCondition::IfAbsent()).error();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(status.reason(), "credentials");
  server.Expect(FakeReply::Of("200 OK", "", "<html/>"));
  EXPECT_EQ(store->Head(ctx_, "k").error().code(), StatusCode::kPermissionDenied);
}

TEST_F(S3AccessTest, CredentialsFileIsReadAgainWhenRefused) {
  FakeServer server;
  options_.endpoints = {server.url()};
  options_.credentials = {};
  options_.credentials.file = WriteFile("keys", "[default]\naws_access_key_id=OLD\naws_secret_access_key=s\n");
  const auto store = Open();
  server.Expect(FakeReply::Object("x"));
  ASSERT_TRUE(store->Get(ctx_, "k", 100));
  WriteFile("keys", "[default]\naws_access_key_id=NEW\naws_secret_access_key=s\n");
  server.Expect(FakeReply::Error("403 Forbidden", "InvalidAccessKeyId"));
  server.Expect(FakeReply::Object("x"));
  ASSERT_TRUE(store->Get(ctx_, "k", 100));
  EXPECT_THAT(server.Requests().at(2).headers.at("authorization"), HasSubstr("Credential=NEW/"));
}

TEST_F(S3AccessTest, OptionsThatDoNotFitAreRefused) {
  options_.endpoints = {"http://127.0.0.1:9000"};
  EXPECT_TRUE(options_.Validate().ok());
  const auto refused = [&](auto change) {
    S3Options changed = options_;
    change(changed);
    return changed.Validate().code() == StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](S3Options& o) { o.endpoints.clear(); }));
  EXPECT_TRUE(refused([](S3Options& o) { o.bucket = "Upper"; }));
  EXPECT_TRUE(refused([](S3Options& o) { o.bucket = "a..b"; }));
  EXPECT_TRUE(refused([](S3Options& o) { o.prefix = "/a"; }));
  EXPECT_TRUE(refused([](S3Options& o) { o.region = ""; }));
  EXPECT_TRUE(refused([](S3Options& o) { o.credentials.secret_key = ""; }));
  EXPECT_TRUE(refused([](S3Options& o) { o.credentials.access_key = "a\r\nb"; }));
  EXPECT_TRUE(refused([](S3Options& o) { o.credentials = {}; }));
  EXPECT_TRUE(refused([](S3Options& o) { o.part_bytes = 1 << 20; }));
  EXPECT_TRUE(refused([](S3Options& o) { o.parts_in_flight = 0; }));
  EXPECT_TRUE(refused([](S3Options& o) { o.lock.legal_hold = true; }));
  EXPECT_TRUE(refused([](S3Options& o) { o.lock.mode = LockMode::kGovernance; }));
}

}  // namespace
}  // namespace akidb::s3
