#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(ParseTest, KnowsTheActionsOfCollection) {
  using Action = CollectionOptions::Action;
  EXPECT_EQ(Get<CollectionOptions>({"collection", "list"}).action, Action::kList);
  EXPECT_EQ(Get<CollectionOptions>({"collection", "describe", "c"}).action, Action::kDescribe);
  const auto create = Get<CollectionOptions>({"collection", "create", "c", "--dim", "8", "--distance", "Euclidean"});
  EXPECT_EQ(create.action, Action::kCreate);
  EXPECT_EQ(create.dim, 8u);
  EXPECT_EQ(create.distance, "Euclidean");
}

TEST(ParseTest, TakesJsonBeforeAndAfterTheCommand) {
  for (auto arguments : {std::vector<const char*>{"--json", "version"}, std::vector<const char*>{"version", "--json"},
                         std::vector<const char*>{"collection", "list", "--json"}}) {
    auto parsed = Parse(arguments);
    ASSERT_TRUE(std::holds_alternative<CommandLine>(parsed));
    EXPECT_EQ(std::get<CommandLine>(parsed).format, OutputFormat::kJson);
  }
}

TEST(ParseTest, EndsWithTwoOnMistakesAndZeroOnHelp) {
  for (const auto& bad : std::vector<std::vector<const char*>>{{},
                                                               {"nonsense"},
                                                               {"ingest"},
                                                               {"search", "c"},
                                                               {"search", "c", "--vector", "1", "--like", "x"},
                                                               {"collection"},
                                                               {"collection", "create", "c"},
                                                               {"ingest", "f", "--format", "xml"},
                                                               {"serve", "--set", "x"},
                                                               {"bench", "search"},
                                                               {"ingest", "f", "--connections", "0"}}) {
    const auto parsed = Parse(bad);
    ASSERT_TRUE(std::holds_alternative<ParseEnd>(parsed)) << (bad.empty() ? "nothing" : bad[0]);
    EXPECT_EQ(std::get<ParseEnd>(parsed).exit_code, 2);
    EXPECT_FALSE(std::get<ParseEnd>(parsed).text.empty());
  }
  const auto help = Parse({"ingest", "--help"});
  EXPECT_EQ(std::get<ParseEnd>(help).exit_code, 0);
  EXPECT_THAT(std::get<ParseEnd>(help).text, HasSubstr("--vector-column"));
}

}  // namespace
}  // namespace akidb
