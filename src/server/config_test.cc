#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "server/config_value.h"
#include "server/store_url.h"

namespace akidb {
namespace {

using testing::HasSubstr;

class ConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "akidb_config_test_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
    return dir_ + "/" + name;
  }
  Result<LoadedConfig> Load(const ConfigSources& sources) {
    return LoadConfig(PosixFileSystem(), ConfigKeys(), sources);
  }
  std::string ErrorOf(const std::string& yaml) {
    const auto loaded = Load({Write("akidb.yaml", yaml), {}, {}});
    return loaded ? "" : std::string(loaded.error().message());
  }

  std::string dir_;
};

TEST_F(ConfigTest, FlagsWinOverEnvironmentOverFileOverDefaults) {
  const std::string file = Write("akidb.yaml", "engine:\n  seal_bytes: 1MiB\n  seal_age: 1s\n  merge_fanout: 3\n");
  const auto loaded =
      Load({file,
            {{"AKIDB_ENGINE__SEAL_AGE", "2s"}, {"AKIDB_ENGINE__MERGE_FANOUT", "4"}, {"AKIDB_SIMD", "scalar"}},
            {{"engine.merge_fanout", "5"}}});
  ASSERT_TRUE(loaded) << loaded.error().ToString();
  EXPECT_EQ(loaded->config.engine.seal_bytes, 1u << 20);
  EXPECT_EQ(loaded->config.engine.seal_age, std::chrono::seconds(2));
  EXPECT_EQ(loaded->config.engine.merge_fanout, 5u);
  EXPECT_EQ(loaded->config.engine.gc_grace, EngineOptions{}.gc_grace);
  EXPECT_EQ(loaded->origins.at("engine.seal_bytes"), file + ":2");
  EXPECT_EQ(loaded->origins.at("engine.seal_age"), "environment AKIDB_ENGINE__SEAL_AGE");
  EXPECT_EQ(loaded->origins.at("engine.merge_fanout"), "flag");
  EXPECT_FALSE(loaded->origins.contains("engine.gc_grace"));
}

TEST_F(ConfigTest, UnknownKeysAreErrorsThatNameThePlace) {
  EXPECT_THAT(ErrorOf("server:\n  listen: 127.0.0.1:1\n\n  listn: x\n"),
              HasSubstr("akidb.yaml:4: unknown key 'server.listn'; did you mean 'server.listen'?"));
  EXPECT_THAT(ErrorOf("srver:\n  listen: x\n"), HasSubstr(":2: unknown key 'srver.listen'"));
  const auto environment = Load({"", {{"AKIDB_ENGINE__SEAL_BYTEZ", "1"}}, {}});
  ASSERT_FALSE(environment);
  EXPECT_THAT(environment.error().message(), HasSubstr("environment AKIDB_ENGINE__SEAL_BYTEZ: unknown key"));
  const auto flag = Load({"", {}, {{"nothing", "1"}}});
  ASSERT_FALSE(flag);
  EXPECT_THAT(flag.error().message(), HasSubstr("flag: unknown key 'nothing'"));
}

TEST_F(ConfigTest, BadValuesAreErrorsThatNameKeyAndExpectation) {
  EXPECT_THAT(ErrorOf("engine:\n  seal_bytes: lots\n"),
              HasSubstr("akidb.yaml:2: engine.seal_bytes: 'lots' is not a size"));
  EXPECT_THAT(ErrorOf("engine:\n  seal_age: 5\n"), HasSubstr("not a duration"));
  EXPECT_THAT(ErrorOf("engine:\n  merge_fanout: -1\n"), HasSubstr("not a whole number"));
  EXPECT_THAT(ErrorOf("engine:\n  merge_fanout: 1\n"), HasSubstr("less than 2"));
  EXPECT_THAT(ErrorOf("engine:\n  merge_deleted_ratio: 1.5\n"), HasSubstr("between 0 and 1"));
  EXPECT_THAT(ErrorOf("limits:\n  payload_bytes_max: 5GiB\n"), HasSubstr("more than"));
  EXPECT_THAT(ErrorOf("limits:\n  request_bytes_max: 60MiB\n"), HasSubstr("one write must fit in one log file"));
  EXPECT_THAT(ErrorOf("server:\n  log_level: loud\n"), HasSubstr("debug, info, warn or error"));
  EXPECT_THAT(ErrorOf("storage:\n  store: ftp://x\n"), HasSubstr("expected file:DIR or s3://BUCKET/PREFIX"));
  EXPECT_THAT(ErrorOf("storage:\n  node: a/b\n"), HasSubstr("storage.node"));
  EXPECT_THAT(ErrorOf("server:\n  advertise: http://10.0.0.1:80\n"), HasSubstr("set server.forward_secret_file"));
  EXPECT_THAT(ErrorOf("server:\n  forward_secret: short\n"), HasSubstr("must be 16 to 1024 printable"));
  EXPECT_THAT(ErrorOf("server:\n  forward_secret: 'sixteen characters and spaces'\n"), HasSubstr("without spaces"));
}

TEST_F(ConfigTest, BrokenYamlIsAnErrorWithItsLine) {
  EXPECT_THAT(ErrorOf("server:\n  listen: [unclosed\n"), HasSubstr("akidb.yaml:"));
  EXPECT_THAT(ErrorOf("- a\n- b\n"), HasSubstr("expected sections"));
  EXPECT_THAT(ErrorOf("server: yes\n"), HasSubstr(":1: 'server' is not a map"));
  EXPECT_THAT(ErrorOf("server:\n  listen: [a]\n"), HasSubstr("server.listen: expected one value"));
  EXPECT_EQ(ErrorOf(""), "");
  EXPECT_EQ(ErrorOf("server:\n"), "");
  EXPECT_EQ(Load({dir_ + "/absent.yaml", {}, {}}).error().code(), StatusCode::kNotFound);
}

TEST_F(ConfigTest, SecretsComeFromFilesAndOnlySecretsDo) {
  std::vector<ConfigKey> keys = {{"test.token", "a secret",
                                  [](ServerConfig& config, std::string_view text) -> Status {
                                    config.engine.node = std::string(text);
                                    return OkStatus();
                                  },
                                  [](const ServerConfig& config) { return config.engine.node; }, Secrecy::kSecret}};
  const std::string secret = Write("token", "s3cret\n");
  const auto loaded = LoadConfig(PosixFileSystem(), keys, {"", {{"AKIDB_TEST__TOKEN_FILE", secret}}, {}});
  ASSERT_TRUE(loaded) << loaded.error().ToString();
  EXPECT_EQ(loaded->config.engine.node, "s3cret");
  EXPECT_FALSE(LoadConfig(PosixFileSystem(), keys, {"", {{"AKIDB_TEST__TOKEN_FILE", dir_ + "/absent"}}, {}}));
  EXPECT_THAT(Load({"", {{"AKIDB_STORAGE__NODE_FILE", secret}}, {}}).error().message(), HasSubstr("unknown key"));
}

TEST_F(ConfigTest, ShortNamesOfTheStoreYieldToLongOnes) {
  const auto loaded = Load({"",
                            {{"AKIDB_S3_ENDPOINT", "http://127.0.0.1:9000,https://store.example"},
                             {"AKIDB_S3_REGION", "eu-west-1"},
                             {"AKIDB_S3_BUCKET", "vectors"},
                             {"AKIDB_S3_ACCESS_KEY", "short"},
                             {"AKIDB_S3__ACCESS_KEY", "long"},
                             {"AKIDB_S3_SECRET_KEY", "secret"}},
                            {}});
  ASSERT_TRUE(loaded) << loaded.error().ToString();
  EXPECT_EQ(loaded->config.store_url(), "s3://vectors");
  EXPECT_EQ(loaded->config.s3.endpoints, (std::vector<std::string>{"http://127.0.0.1:9000", "https://store.example"}));
  EXPECT_EQ(loaded->config.s3.region, "eu-west-1");
  EXPECT_EQ(loaded->config.s3.credentials.access_key, "long");
  EXPECT_EQ(loaded->config.s3.credentials.secret_key, "secret");
  EXPECT_EQ(loaded->origins.at("s3.secret_key"), "environment AKIDB_S3_SECRET_KEY");
}

TEST_F(ConfigTest, BucketsNeedEndpointAndKeys) {
  EXPECT_THAT(ErrorOf("storage:\n  store: s3://vectors\n"), HasSubstr("s3.endpoint is not set"));
  const std::string endpoint = "s3:\n  endpoint: http://127.0.0.1:9000\n";
  EXPECT_THAT(ErrorOf(endpoint + "storage:\n  store: s3://vectors\n"), HasSubstr("no credentials for the store"));
  const std::string keys = endpoint + "  access_key: a\n  secret_key: b\n";
  EXPECT_EQ(ErrorOf(keys + "storage:\n  store: s3://vectors/some/prefix/\n"), "");
  EXPECT_THAT(ErrorOf(keys + "storage:\n  store: s3://Vectors\n"), HasSubstr("bucket 'Vectors'"));
  EXPECT_THAT(ErrorOf(keys + "storage:\n  store: s3://vectors/a//b\n"), HasSubstr("empty"));
  EXPECT_THAT(ErrorOf(keys + "storage:\n  store: s3:///prefix\n"), HasSubstr("the bucket is missing"));
  EXPECT_EQ(ErrorOf(keys + "  bucket: vectors\nstorage:\n  store: s3:///prefix\n"), "");
  EXPECT_THAT(ErrorOf(keys + "  bucket: vectors\n  lock_legal_hold: yes\n"), HasSubstr("s3.lock_mode is not set"));
  EXPECT_THAT(ErrorOf("s3:\n  endpoint: 127.0.0.1:9000\n"), HasSubstr("expected http://HOST:PORT"));
}

TEST(StoreUrlTest, BucketAndPrefixComeFromTheUrl) {
  s3::S3Options base;
  base.bucket = "other";
  const auto options = S3OptionsOfStoreUrl("s3://vectors/a/b/", base);
  ASSERT_TRUE(options) << options.error().ToString();
  EXPECT_EQ(options->bucket, "vectors");
  EXPECT_EQ(options->prefix, "a/b");
  EXPECT_EQ(S3OptionsOfStoreUrl("s3:///p", base)->bucket, "other");
  EXPECT_EQ(S3OptionsOfStoreUrl("s3://vectors", base)->prefix, "");
  EXPECT_FALSE(S3OptionsOfStoreUrl("s3:vectors", base));
}

TEST_F(ConfigTest, EveryKeyPrintsAValueThatItReadsBack) {
  std::set<std::string> names;
  for (const ConfigKey& key : ConfigKeys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name << " is there twice";
    EXPECT_FALSE(key.help.empty()) << key.name;
    ServerConfig config;
    const std::string value = key.get(config);
    EXPECT_TRUE(key.set(config, value).ok()) << key.name << " = " << value;
    EXPECT_EQ(key.get(config), value) << key.name;
  }
}

TEST_F(ConfigTest, EveryKeyIsInItsPageOfTheDocumentation) {
  std::ifstream file(AKIDB_SOURCE_DIR "/docs/guide/configuration.md");
  const std::string page((std::istreambuf_iterator<char>(file)), {});
  for (const ConfigKey& key : ConfigKeys()) {
    EXPECT_THAT(page, HasSubstr("| `" + key.name + "` | " +
                                (key.get({}).empty() ? std::string("") : "`" + key.get({}) + "` ") + "|"));
  }
}

TEST(ListenAddressTest, TakesLoopbackAndRefusesTheRest) {
  for (const char* good : {"127.0.0.1:8080", "127.9.9.9:0", "localhost:80", "[::1]:8080"}) {
    EXPECT_TRUE(ParseListenAddress(good)) << good;
  }
  for (const char* open :
       {"0.0.0.0:8080", "192.168.1.1:80", "[::]:80", "example.org:80", ":8080", "127.evil.example:80"}) {
    const auto parsed = ParseListenAddress(open);
    ASSERT_FALSE(parsed) << open;
    EXPECT_THAT(parsed.error().message(), HasSubstr("loopback")) << open;
  }
  for (const char* bad : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:x", "::1:80"}) {
    EXPECT_FALSE(ParseListenAddress(bad)) << bad;
  }
}

TEST(ConfigValueTest, ReadsUnitsAndRefusesNonsense) {
  EXPECT_EQ(*ParseSize("64MiB"), 64u << 20);
  EXPECT_EQ(*ParseSize("1 KiB"), 1024u);
  EXPECT_EQ(*ParseSize("17"), 17u);
  EXPECT_EQ(*ParseSize("17B"), 17u);
  EXPECT_EQ(*ParseDuration("500ms"), std::chrono::milliseconds(500));
  EXPECT_EQ(*ParseDuration("2h"), std::chrono::hours(2));
  EXPECT_EQ(FormatDuration(std::chrono::seconds(90)), "90s");
  EXPECT_EQ(FormatDuration(std::chrono::minutes(10)), "10m");
  EXPECT_EQ(FormatSize(4ull << 30), "4GiB");
  for (const char* bad : {"", "MiB", "-1", "1.5MiB", "1MB", "99999999999999999999", "17592186044416TiB"})
    EXPECT_FALSE(ParseSize(bad)) << bad;
  for (const char* bad : {"", "5", "s", "-1s", "5y", "1001d"}) EXPECT_FALSE(ParseDuration(bad)) << bad;
}

}  // namespace
}  // namespace akidb
