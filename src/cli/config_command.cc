// `akidb config check | print | keys`.
#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "server/config.h"

namespace akidb {
namespace {

constexpr std::string_view kHidden = "<redacted>";

// Paths and names say something about the machine; a report for others leaves them out on request.
bool NamesThisMachine(const ConfigKey& key) {
  constexpr std::string_view kOfTheStore[] = {"s3.endpoint",         "s3.bucket",     "s3.ca_file",
                                              "s3.credentials_file", "s3.role_arn",   "s3.web_identity_token_file",
                                              "s3.sts_endpoint",     "s3.sse_kms_key"};
  for (const std::string_view name : kOfTheStore) {
    if (key.name == name) return true;
  }
  return key.name == "storage.data_dir" || key.name == "storage.store" || key.name == "storage.node" ||
         key.name == "server.ready_file" || key.name == "server.listen" || key.name == "server.advertise";
}

std::string ShownValue(const ConfigKey& key, const ServerConfig& config, bool redact) {
  const std::string value = key.get(config);
  const bool hide = key.secrecy == Secrecy::kSecret || (redact && NamesThisMachine(key));
  return hide && !value.empty() ? std::string(kHidden) : value;
}

void PrintConfig(const LoadedConfig& loaded, bool redact, const Console& console) {
  Table table({{"KEY"}, {"VALUE"}, {"FROM"}});
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject();
  for (const ConfigKey& key : ConfigKeys()) {
    const auto origin = loaded.origins.find(key.name);
    const std::string from = origin == loaded.origins.end() ? "default" : origin->second;
    const std::string value = ShownValue(key, loaded.config, redact);
    table.Add({key.name, value, from});
    writer.Key(key.name).BeginObject().Key("value").Value(value).Key("from").Value(from).EndObject();
  }
  writer.EndObject();
  console.json() ? console.PrintJson(json) : console.Print(table.ToString());
}

void PrintKeys(const Console& console) {
  Table table({{"KEY"}, {"DEFAULT"}, {"ENVIRONMENT"}, {"MEANING"}});
  std::string json;
  JsonWriter writer(&json);
  writer.BeginArray();
  for (const ConfigKey& key : ConfigKeys()) {
    const std::string value = key.get(ServerConfig{});
    table.Add({key.name, value, key.EnvironmentName(), key.help});
    writer.BeginObject().Key("key").Value(key.name).Key("default").Value(value);
    writer.Key("environment").Value(key.EnvironmentName()).Key("meaning").Value(key.help).EndObject();
  }
  writer.EndArray();
  console.json() ? console.PrintJson(json) : console.Print(table.ToString());
}

}  // namespace

Status RunConfig(const ConfigCommandOptions& options, const Console& console) {
  using Action = ConfigCommandOptions::Action;
  if (options.action == Action::kKeys) {
    PrintKeys(console);
    return OkStatus();
  }
  AKI_ASSIGN_OR_RETURN(
      const LoadedConfig loaded,
      LoadConfig(PosixFileSystem(), ConfigKeys(), {options.config.file, ProcessEnvironment(), options.config.flags}));
  if (options.action == Action::kPrint) {
    PrintConfig(loaded, options.redact, console);
  } else if (console.json()) {
    console.PrintJson(R"({"valid":true})");
  } else {
    console.Print("the configuration is valid\n");
  }
  return OkStatus();
}

}  // namespace akidb
