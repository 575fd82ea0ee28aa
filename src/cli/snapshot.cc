// `akidb snapshot create | list | delete | revert`.
#include "base/json_writer.h"
#include "cli/api_client.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "format/collection_spec.h"

namespace akidb {
namespace {

namespace dom = simdjson::dom;
using SnapshotAction = SnapshotOptions::Action;

Result<dom::element> AskSnapshot(const SnapshotOptions& options, ApiClient& client) {
  const std::string all = CollectionPath(options.collection) + "/snapshots";
  const std::string one = all + "/" + options.name;
  switch (options.action) {
    case SnapshotAction::kList: return client.Get(all);
    case SnapshotAction::kDelete: return client.Call("DELETE", one, {}, {}, Repeat::kUnsafe);
    case SnapshotAction::kRevert: return client.Post(one + "/revert", "{}", Repeat::kUnsafe);
    case SnapshotAction::kCreate: break;
  }
  std::string body;
  JsonWriter(&body).BeginObject().Key("name").Value(options.name).EndObject();
  return client.Post(all, body, Repeat::kUnsafe);
}

void PrintSnapshots(const dom::element& answer, const Console& console) {
  Table table({{"NAME"}, {"VERSION", Align::kRight}, {"CREATED"}});
  dom::array snapshots;
  if (answer["snapshots"].get(snapshots) != simdjson::SUCCESS) return;
  for (const dom::element item : snapshots) {
    table.Add({JsonText(item, "name"), std::to_string(JsonUint(item, "version")), JsonText(item, "created_at")});
  }
  console.Print(table.ToString());
}

void PrintAnswer(const SnapshotOptions& options, const dom::element& answer, const Console& console) {
  const std::string version = std::to_string(JsonUint(answer, "version"));
  switch (options.action) {
    case SnapshotAction::kList: return PrintSnapshots(answer, console);
    case SnapshotAction::kDelete: return console.Print("deleted '" + options.name + "'\n");
    case SnapshotAction::kCreate: return console.Print("created '" + options.name + "' of version " + version + "\n");
    case SnapshotAction::kRevert:
      return console.Print("'" + options.collection + "' is as in '" + options.name + "' (version " + version +
                           "), in its new version " + std::to_string(JsonUint(answer, "manifest_version")) + "\n");
  }
}

}  // namespace

Status RunSnapshot(const SnapshotOptions& options, const Console& console) {
  AKI_ASSIGN_OR_RETURN(const ServerUrl url, ParseServerUrl(options.client.server));
  if (options.action != SnapshotAction::kList) AKI_RETURN_IF_ERROR(ValidateName("snapshot", options.name));
  if (options.action == SnapshotAction::kRevert) {
    AKI_RETURN_IF_ERROR(
        ConfirmByName("Replace the rows of '" + options.collection + "' by those of snapshot '" + options.name + "'",
                      options.name, options.yes, console));
  }
  ApiClient client(url, HttpOptionsOf(options.client), RealClock());
  AKI_ASSIGN_OR_RETURN(const dom::element answer, AskSnapshot(options, client));
  if (console.json()) {
    console.PrintJson(client.text());
  } else {
    PrintAnswer(options, answer, console);
  }
  return OkStatus();
}

}  // namespace akidb
