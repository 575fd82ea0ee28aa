// `akidb alias list | set | delete | switch`.
#include "base/json_writer.h"
#include "cli/api_client.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/table.h"

namespace akidb {
namespace {

namespace dom = simdjson::dom;
using AliasAction = AliasOptions::Action;

Result<dom::element> AskAlias(const AliasOptions& options, ApiClient& client) {
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject();
  switch (options.action) {
    case AliasAction::kList: return client.Get("/aliases");
    case AliasAction::kDelete: return client.Call("DELETE", AliasPath(options.alias), {}, {}, Repeat::kUnsafe);
    case AliasAction::kSet:
      writer.Key("collection").Value(options.collection).EndObject();
      return client.Call("PUT", AliasPath(options.alias), "application/json", body, Repeat::kSafe);
    case AliasAction::kSwitch:
      writer.Key("alias").Value(options.alias).Key("from").Value(options.from).Key("to").Value(options.collection);
      writer.EndObject();
      return client.Post("/aliases:switch", body, Repeat::kUnsafe);
  }
  return std::unexpected(Internal("no such action"));
}

void PrintAliases(const dom::element& answer, const Console& console) {
  Table table({{"ALIAS"}, {"COLLECTION"}});
  dom::array aliases;
  if (answer["aliases"].get(aliases) != simdjson::SUCCESS) return;
  for (const dom::element item : aliases) table.Add({JsonText(item, "alias"), JsonText(item, "collection")});
  console.Print(table.ToString());
}

}  // namespace

Status RunAlias(const AliasOptions& options, const Console& console) {
  AKI_ASSIGN_OR_RETURN(const ServerUrl url, ParseServerUrl(options.client.server));
  ApiClient client(url, HttpOptionsOf(options.client), RealClock());
  AKI_ASSIGN_OR_RETURN(const dom::element answer, AskAlias(options, client));
  if (console.json()) {
    console.PrintJson(client.text().empty() ? "{}" : client.text());
  } else if (options.action == AliasAction::kList) {
    PrintAliases(answer, console);
  } else if (options.action == AliasAction::kDelete) {
    console.Print("deleted alias '" + options.alias + "'\n");
  } else {
    console.Print("alias '" + options.alias + "' points to '" + options.collection + "'\n");
  }
  return OkStatus();
}

}  // namespace akidb
