#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/client.h"
#include "cli/options.h"

namespace akidb {
namespace {

using testing::HasSubstr;

std::variant<CommandLine, ParseEnd> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "akidb");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

template <class Options>
Options Get(std::vector<const char*> arguments) {
  auto parsed = Parse(std::move(arguments));
  if (const auto* end = std::get_if<ParseEnd>(&parsed)) {
    ADD_FAILURE() << end->text;
    return {};
  }
  return std::get<Options>(std::get<CommandLine>(parsed).command);
}

TEST(ParseTest, TurnsServeFlagsIntoConfigurationKeys) {
  const auto serve = Get<ServeOptions>({"serve", "--data-dir", "d", "--listen", "127.0.0.1:1", "--set",
                                        "engine.seal_age=5s", "--set", "limits.top_k_max=7", "--config", "c.yaml"});
  EXPECT_EQ(serve.config.file, "c.yaml");
  const std::vector<std::pair<std::string, std::string>> expected = {{"storage.data_dir", "d"},
                                                                     {"server.listen", "127.0.0.1:1"},
                                                                     {"engine.seal_age", "5s"},
                                                                     {"limits.top_k_max", "7"}};
  EXPECT_THAT(serve.config.flags, testing::UnorderedElementsAreArray(expected));
}

TEST(ParseTest, ReadsTheStoreToCheckFromItsPlaceOrFromTheConfiguration) {
  EXPECT_EQ(Get<StoreCheckOptions>({"store", "check", "file:d"}).url, "file:d");
  const auto check = Get<StoreCheckOptions>({"store", "check", "--store", "s3://b/p", "--create-bucket", "--lock"});
  EXPECT_EQ(check.url, "");
  EXPECT_EQ(check.config.flags.at(0), (std::pair<std::string, std::string>("storage.store", "s3://b/p")));
  EXPECT_TRUE(check.create_bucket && check.lock);
  EXPECT_EQ(std::get<ParseEnd>(Parse({"store", "check", "s3://b/p", "--lock"})).exit_code, 2);
}

TEST(ParseTest, ReadsIngestFlags) {
  const auto ingest = Get<IngestOptions>({"ingest", "f.csv", "-c", "docs", "--payload-columns", "a,b", "--exclude", "x",
                                          "--delimiter", ";", "--create", "--resume", "--connections", "8"});
  EXPECT_EQ(ingest.file, "f.csv");
  EXPECT_EQ(ingest.collection, "docs");
  EXPECT_EQ(ingest.mapping.payload_columns, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(ingest.mapping.exclude, (std::vector<std::string>{"x"}));
  EXPECT_EQ(ingest.delimiter, ";");
  EXPECT_TRUE(ingest.create && ingest.resume);
  EXPECT_EQ(ingest.connections, 8u);
}

TEST(ParseTest, ReadsWhatABenchmarkOfSearchesAsks) {
  const auto bench =
      Get<BenchOptions>({"bench", "search", "-c", "docs", "--queries", "q.npy", "--rate", "250.5", "--filter", "{}",
                         "--ef-search", "40", "--no-payload", "--connections", "8", "-n", "9"});
  EXPECT_EQ(bench.action, BenchOptions::Action::kSearch);
  EXPECT_EQ(bench.queries, "q.npy");
  EXPECT_EQ(bench.rate, 250.5);
  EXPECT_EQ(bench.filter, "{}");
  EXPECT_EQ(bench.ef_search, 40u);
  EXPECT_TRUE(bench.no_payload);
  EXPECT_EQ(Get<BenchOptions>({"bench", "search", "-c", "docs"}).rate, 0) << "no rate";
  EXPECT_EQ(Get<BenchOptions>({"bench", "upsert", "--rate", "10"}).rate, 10);
  EXPECT_EQ(Get<BenchOptions>({"bench", "search", "-c", "docs", "--recall", "0.9"}).recall, 0.9);
  for (const auto& bad :
       std::vector<std::vector<const char*>>{{"bench", "search", "-c", "docs", "--recall", "0.9", "--ef-search", "40"},
                                             {"bench", "search", "-c", "docs", "--rate", "0"},
                                             {"bench", "upsert", "--queries", "q.npy"}}) {
    const auto parsed = Parse(bad);
    ASSERT_TRUE(std::holds_alternative<ParseEnd>(parsed)) << bad.back();
    EXPECT_EQ(std::get<ParseEnd>(parsed).exit_code, 2);
  }
}

TEST(ParseTest, KnowsTheActionsOfCollection) {
  using Action = CollectionOptions::Action;
  EXPECT_EQ(Get<CollectionOptions>({"collection", "list"}).action, Action::kList);
  EXPECT_EQ(Get<CollectionOptions>({"collection", "describe", "c"}).action, Action::kDescribe);
  const auto create = Get<CollectionOptions>({"collection", "create", "c", "--dim", "8", "--distance", "Euclidean"});
  EXPECT_EQ(create.action, Action::kCreate);
  EXPECT_EQ(create.dim, 8u);
  EXPECT_EQ(create.distance, "Euclidean");
}

TEST(ParseTest, KnowsTheActionsOfAlias) {
  using Action = AliasOptions::Action;
  EXPECT_EQ(Get<AliasOptions>({"alias", "list"}).action, Action::kList);
  const auto set = Get<AliasOptions>({"alias", "set", "live", "docs"});
  EXPECT_EQ(set.action, Action::kSet);
  EXPECT_EQ(set.alias, "live");
  EXPECT_EQ(set.collection, "docs");
  EXPECT_EQ(Get<AliasOptions>({"alias", "delete", "live"}).alias, "live");
  const auto moved = Get<AliasOptions>({"alias", "switch", "live", "blue", "green"});
  EXPECT_EQ(moved.action, Action::kSwitch);
  EXPECT_EQ(moved.from, "blue");
  EXPECT_EQ(moved.collection, "green");
}

TEST(ParseTest, KnowsTheActionsOfSnapshotAndClone) {
  using Action = SnapshotOptions::Action;
  EXPECT_EQ(Get<SnapshotOptions>({"snapshot", "list", "c"}).action, Action::kList);
  const auto revert = Get<SnapshotOptions>({"snapshot", "revert", "c", "monday", "--yes"});
  EXPECT_EQ(revert.action, Action::kRevert);
  EXPECT_EQ(revert.collection, "c");
  EXPECT_EQ(revert.name, "monday");
  EXPECT_TRUE(revert.yes);
  const auto clone = Get<CollectionOptions>({"collection", "clone", "c", "d", "--at", "version:7"});
  EXPECT_EQ(clone.action, CollectionOptions::Action::kClone);
  EXPECT_EQ(clone.clone_name, "d");
  EXPECT_EQ(clone.at, "version:7");
  EXPECT_EQ(Get<SearchOptions>({"search", "c", "--vector", "1", "--at", "monday"}).at, "monday");
}

TEST(ParseTest, RebindsOnlyWhenToldWhatIsGivenUp) {
  const auto rebind = Get<CollectionOptions>({"collection", "rebind", "c", "--discard-local", "--yes"});
  EXPECT_EQ(rebind.action, CollectionOptions::Action::kRebind);
  EXPECT_EQ(rebind.name, "c");
  EXPECT_TRUE(rebind.yes);
  EXPECT_TRUE(std::holds_alternative<ParseEnd>(Parse({"collection", "rebind", "c"})));
}

TEST(ParseTest, TurnsAtIntoJson) {
  EXPECT_EQ(*AtJson("monday"), R"("monday")");
  EXPECT_EQ(*AtJson("17"), R"("17")");
  EXPECT_EQ(*AtJson("version:17"), R"({"version":17})");
  EXPECT_EQ(*AtJson("time:2026-11-23T02:14:17Z"), R"({"time":"2026-11-23T02:14:17Z"})");
  EXPECT_EQ(AtJson("version:x").error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(AtJson("version:").error().code(), StatusCode::kInvalidArgument);
}

TEST(ParseTest, TakesJsonBeforeAndAfterTheCommand) {
  for (const auto& arguments :
       {std::vector<const char*>{"--json", "version"}, std::vector<const char*>{"version", "--json"},
        std::vector<const char*>{"collection", "list", "--json"}}) {
    auto parsed = Parse(arguments);
    ASSERT_TRUE(std::holds_alternative<CommandLine>(parsed));
    EXPECT_EQ(std::get<CommandLine>(parsed).format, OutputFormat::kJson);
  }
}

TEST(ParseTest, SaysWhatWasWrongAndWhatMayHaveBeenMeant) {
  const auto mistake = [](const std::vector<const char*>& arguments) {
    return std::get<ParseEnd>(Parse(arguments)).text;
  };
  EXPECT_THAT(mistake({}), HasSubstr("akidb needs a command; it has serve, ingest"));
  EXPECT_THAT(mistake({"serch", "c"}), HasSubstr("akidb has no command 'serch'; did you mean 'search'?"));
  EXPECT_THAT(mistake({"serch", "c", "--like", "a"}), HasSubstr("did you mean 'search'?"));
  EXPECT_THAT(mistake({"collection", "foo"}),
              HasSubstr("akidb collection has no command 'foo'; it has create, list, describe"));
  EXPECT_EQ(mistake({"search", "c", "--like", "a", "--topk", "3"}),
            "akidb search has no flag --topk; did you mean '--top-k'?");
  EXPECT_EQ(mistake({"search", "c", "--vectr", "1"}), "akidb search has no flag --vectr; did you mean '--vector'?");
  EXPECT_THAT(mistake({"search", "c", "d", "--like", "a"}), HasSubstr("not expected: d"));
  EXPECT_EQ(mistake({"collection", "create", "c"}), "--dim is required");
  EXPECT_EQ(std::get<ParseEnd>(Parse({"collection", "create", "c"})).command, "akidb collection create");
}

TEST(ParseTest, MistakesAreJsonForMachinesToo) {
  EXPECT_EQ(std::get<ParseEnd>(Parse({"search", "c", "--json"})).format, OutputFormat::kJson);
  EXPECT_EQ(std::get<ParseEnd>(Parse({"search", "c"})).format, OutputFormat::kHuman);
}

TEST(ParseTest, EndsWithTwoOnMistakesAndZeroOnHelp) {
  for (const auto& bad : std::vector<std::vector<const char*>>{{},
                                                               {"nonsense"},
                                                               {"ingest"},
                                                               {"search", "c"},
                                                               {"search", "c", "--vector", "1", "--like", "x"},
                                                               {"collection"},
                                                               {"alias"},
                                                               {"alias", "set", "live"},
                                                               {"alias", "switch", "live", "blue"},
                                                               {"collection", "create", "c"},
                                                               {"snapshot", "create", "c"},
                                                               {"collection", "clone", "c"},
                                                               {"ingest", "f", "--format", "xml"},
                                                               {"serve", "--set", "x"},
                                                               {"bench", "search"},
                                                               {"ingest", "f", "--connections", "0"}}) {
    const auto parsed = Parse(bad);
    ASSERT_TRUE(std::holds_alternative<ParseEnd>(parsed)) << (bad.empty() ? "nothing" : bad[0]);
    EXPECT_EQ(std::get<ParseEnd>(parsed).exit_code, 2);
    EXPECT_FALSE(std::get<ParseEnd>(parsed).text.empty());
  }
  const auto version = std::get<ParseEnd>(Parse({"--version"}));
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.text, HasSubstr("akidb "));
  const auto help = Parse({"ingest", "--help"});
  EXPECT_EQ(std::get<ParseEnd>(help).exit_code, 0);
  EXPECT_THAT(std::get<ParseEnd>(help).text, HasSubstr("--vector-column"));
}

}  // namespace
}  // namespace akidb
