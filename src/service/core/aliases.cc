#include "service/core/answers.h"
#include "service/core/handlers.h"
#include "service/core/service.h"

namespace akidb {
namespace {

constexpr size_t kNameBytesMax = 255;

void WriteAlias(std::string_view alias, std::string_view collection, JsonWriter* writer) {
  writer->BeginObject().Key("alias").Value(alias).Key("collection").Value(collection).EndObject();
}

std::string AliasJson(std::string_view alias, std::string_view collection) {
  std::string json;
  JsonWriter writer(&json);
  WriteAlias(alias, collection, &writer);
  return json;
}

// A required field that is a name.
std::string NameField(Fields* fields, std::string_view key) {
  std::string name;
  fields->Require(key);
  fields->String(key, kNameBytesMax, &name);
  return name;
}

}  // namespace

Status ListAliases(Service& service, const CallPtr& call) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject().Key("aliases").BeginArray();
  for (const AliasTarget& entry : service.database().Aliases()) WriteAlias(entry.alias, entry.collection, &writer);
  writer.EndArray().EndObject();
  call->Reply(200, std::move(json));
  return OkStatus();
}

Status SetAlias(Service& service, const CallPtr& call) {
  AKI_RETURN_IF_ERROR(ValidateName("alias", call->params[0]));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kRequired));
  std::string collection = NameField(&fields, "collection");
  AKI_RETURN_IF_ERROR(fields.Done());
  AKI_RETURN_IF_ERROR(ValidateName("collection", collection));
  // Changes commit to the store, so they do not hold an I/O thread.
  service.queue().Post([&service, call, collection = std::move(collection)] {
    call->Guard([&]() -> Status {
      AKI_RETURN_IF_ERROR(service.database().SetAlias(call->ctx, call->params[0], collection));
      call->Reply(200, AliasJson(call->params[0], collection));
      return OkStatus();
    });
  });
  return OkStatus();
}

Status DropAlias(Service& service, const CallPtr& call) {
  AKI_RETURN_IF_ERROR(ValidateName("alias", call->params[0]));
  service.queue().Post([&service, call] {
    call->Guard([&]() -> Status {
      AKI_RETURN_IF_ERROR(service.database().DropAlias(call->ctx, call->params[0]));
      call->Reply(200, R"({"dropped":true})");
      return OkStatus();
    });
  });
  return OkStatus();
}

Status SwitchAlias(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kRequired));
  std::string alias = NameField(&fields, "alias");
  std::string from = NameField(&fields, "from");
  std::string to = NameField(&fields, "to");
  AKI_RETURN_IF_ERROR(fields.Done());
  AKI_RETURN_IF_ERROR(ValidateName("alias", alias));
  AKI_RETURN_IF_ERROR(ValidateName("from", from));
  AKI_RETURN_IF_ERROR(ValidateName("to", to));
  service.queue().Post([&service, call, alias = std::move(alias), from = std::move(from), to = std::move(to)] {
    call->Guard([&]() -> Status {
      AKI_RETURN_IF_ERROR(service.database().SwitchAlias(call->ctx, alias, from, to));
      call->Reply(200, AliasJson(alias, to));
      return OkStatus();
    });
  });
  return OkStatus();
}

}  // namespace akidb
