// `akidb collection create | list | describe | delete | alter | clone | rebind`.
#include "base/json_writer.h"
#include "cli/api_client.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/table.h"

namespace akidb {
namespace {

namespace dom = simdjson::dom;
using Action = CollectionOptions::Action;

std::string SettingsBody(const CollectionOptions& options) {
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject();
  if (options.action == Action::kCreate) {
    writer.Key("name").Value(options.name).Key("vector_dim").Value(options.dim).Key("distance").Value(options.distance);
    if (!options.vector_type.empty()) writer.Key("vector_type").Value(options.vector_type);
  }
  if (!options.ack.empty()) writer.Key("ack").Value(options.ack);
  if (options.recall) writer.Key("recall").Value(*options.recall);
  if (!options.index_kind.empty() || options.index_m || options.ef_construction) {
    writer.Key("index").BeginObject();
    if (!options.index_kind.empty()) writer.Key("kind").Value(options.index_kind);
    if (options.index_m) writer.Key("m").Value(*options.index_m);
    if (options.ef_construction) writer.Key("ef_construction").Value(*options.ef_construction);
    writer.EndObject();
  }
  writer.EndObject();
  return body;
}

Result<std::string> CloneBody(const CollectionOptions& options) {
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject().Key("name").Value(options.clone_name);
  if (!options.at.empty()) {
    AKI_ASSIGN_OR_RETURN(const std::string at, AtJson(options.at));
    writer.Key("at").Raw(at);
  }
  writer.EndObject();
  return body;
}

void PrintCollections(const dom::element& answer, const Console& console) {
  Table table({{"NAME"}, {"DIM", Align::kRight}, {"DISTANCE"}, {"TYPE"}, {"ACK"}, {"CREATED"}});
  dom::array collections;
  if (answer["collections"].get(collections) != simdjson::SUCCESS) return;
  for (const dom::element item : collections) {
    table.Add({JsonText(item, "name"), std::to_string(JsonUint(item, "vector_dim")), JsonText(item, "distance"),
               JsonText(item, "vector_type"), JsonText(item, "ack"), JsonText(item, "created_at")});
  }
  console.Print(table.ToString());
  console.Print("'akidb collection describe NAME' counts rows and bytes\n");
}

// Every field of the answer, bytes made readable.
void PrintDescription(const dom::element& answer, const Console& console) {
  Table table({{"FIELD"}, {"VALUE"}});
  dom::object fields;
  if (answer.get(fields) != simdjson::SUCCESS) return;
  for (const dom::key_value_pair field : fields) {
    std::string_view text;
    uint64_t number = 0;
    std::string value = simdjson::minify(field.value);
    if (field.value.get(text) == simdjson::SUCCESS) {
      value = text;
    } else if (field.value.get(number) == simdjson::SUCCESS) {
      value = field.key.ends_with("_bytes") ? HumanBytes(number) : HumanCount(number);
    }
    table.Add({std::string(field.key), value});
  }
  console.Print(table.ToString());
}

void PrintRebind(const std::string& name, const dom::element& answer, const Console& console) {
  const std::string published = JsonText(answer, "published_at");
  console.Print("'" + name + "' is bound to " + JsonText(answer, "home") + "; of what " +
                JsonText(answer, "previous_home") + " acknowledged, LSNs up to " +
                std::to_string(JsonUint(answer, "survived_lsn")) + " are kept" +
                (published.empty() ? "" : ", published before " + published) + "\n");
  const uint64_t wait_ms = JsonUint(answer, "writes_in_ms");
  if (wait_ms > 0) console.Print("it takes writes in " + std::to_string(wait_ms / 1000 + 1) + " s\n");
}

Result<dom::element> AskCollection(const CollectionOptions& options, ApiClient& client) {
  const std::string target = CollectionPath(options.name);
  switch (options.action) {
    case Action::kCreate: return client.Post("/collections", SettingsBody(options), Repeat::kUnsafe);
    case Action::kList: return client.Get("/collections");
    case Action::kDescribe: return client.Get(target);
    case Action::kDelete: return client.Call("DELETE", target, {}, {}, Repeat::kUnsafe);
    case Action::kClone: {
      AKI_ASSIGN_OR_RETURN(const std::string body, CloneBody(options));
      return client.Post(target + "/clone", body, Repeat::kUnsafe);
    }
    case Action::kRebind: return client.Post(target + "/rebind", R"({"discard_local":true})", Repeat::kSafe);
    case Action::kAlter: return client.Call("PATCH", target, "application/json", SettingsBody(options), Repeat::kSafe);
  }
  return std::unexpected(Internal("no such action"));
}

}  // namespace

Status RunCollection(const CollectionOptions& options, const Console& console) {
  AKI_ASSIGN_OR_RETURN(const ServerUrl url, ParseServerUrl(options.client.server));
  if (options.action == Action::kDelete) {
    AKI_RETURN_IF_ERROR(
        ConfirmByName("Delete collection '" + options.name + "' and all its data", options.name, options.yes, console));
  }
  if (options.action == Action::kRebind) {
    AKI_RETURN_IF_ERROR(ConfirmByName("Give up every write of '" + options.name + "' that only its home's disk holds",
                                      options.name, options.yes, console));
  }
  ApiClient client(url, HttpOptionsOf(options.client), RealClock());
  AKI_ASSIGN_OR_RETURN(const dom::element answer, AskCollection(options, client));
  if (console.json()) {
    console.PrintJson(client.text().empty() ? "{}" : client.text());
  } else if (options.action == Action::kList) {
    PrintCollections(answer, console);
  } else if (options.action == Action::kDelete) {
    console.Print("deleted '" + options.name + "'\n");
  } else if (options.action == Action::kRebind) {
    PrintRebind(options.name, answer, console);
  } else {
    PrintDescription(answer, console);
  }
  return OkStatus();
}

}  // namespace akidb
