#include <simdjson.h>

#include "service/core/answers.h"
#include "service/core/handlers.h"
#include "service/core/service.h"

namespace akidb {
namespace {

// `ack` counts if the body names none.
Result<CollectionSpec> ParseSpec(std::string_view json, const Limits& limits, AckLevel ack) {
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  if (const auto error = parser.parse(json.data(), json.size()).get(element); error != simdjson::SUCCESS) {
    return std::unexpected(InvalidArgument(std::string("the body is not valid JSON: ") + simdjson::error_message(error))
                               .WithReason("invalid_json"));
  }
  AKI_ASSIGN_OR_RETURN(CollectionSpec spec, ParseCollectionSpec(element, limits));
  simdjson::dom::element given;
  if (element.at_key("ack").get(given) != simdjson::SUCCESS) spec.ack = ack;
  AKI_RETURN_IF_ERROR(spec.Validate(limits));
  return spec;
}

// `patch` over `current`, member by member; members of `index` likewise.
std::string Overlay(simdjson::dom::object current, simdjson::dom::object patch) {
  std::string out;
  JsonWriter writer(&out);
  writer.BeginObject();
  for (const auto [key, value] : current) {
    simdjson::dom::element replacement;
    simdjson::dom::object old_index;
    simdjson::dom::object new_index;
    if (patch.at_key(key).get(replacement) != simdjson::SUCCESS) {
      writer.Key(key).Raw(simdjson::minify(value));
    } else if (key == "index" && value.get_object().get(old_index) == simdjson::SUCCESS &&
               replacement.get_object().get(new_index) == simdjson::SUCCESS) {
      writer.Key(key).Raw(Overlay(old_index, new_index));
    } else {
      writer.Key(key).Raw(simdjson::minify(replacement));
    }
  }
  // What the current settings do not have is unknown; the parser of specs names it.
  for (const auto [key, value] : patch) {
    simdjson::dom::element unused;
    if (current.at_key(key).get(unused) != simdjson::SUCCESS) writer.Key(key).Raw(simdjson::minify(value));
  }
  writer.EndObject();
  return out;
}

// The settings that `patch`, a JSON object, makes of `current`.
Result<CollectionSpec> Patched(const CollectionSpec& current, std::string_view patch, const Limits& limits) {
  std::string current_json;
  JsonWriter writer(&current_json);
  WriteCollectionSpec(current, &writer);
  simdjson::dom::parser current_parser;
  simdjson::dom::parser patch_parser;
  simdjson::dom::object current_object;
  simdjson::dom::object patch_object;
  if (const auto error = patch_parser.parse(patch.data(), patch.size()).get(patch_object); error != simdjson::SUCCESS) {
    return std::unexpected(InvalidArgument(std::string("the body is not valid JSON: ") + simdjson::error_message(error))
                               .WithReason("invalid_json"));
  }
  if (current_parser.parse(current_json).get(current_object) != simdjson::SUCCESS)
    return std::unexpected(Internal("a collection's settings are not JSON"));
  return ParseSpec(Overlay(current_object, patch_object), limits, current.ack);
}

}  // namespace

std::string DescribeJson(Collection& collection) {
  const CollectionStats stats = collection.stats();
  std::string json;
  JsonWriter writer(&json);
  BeginCollection(collection.spec(), collection.created_at(), &writer);
  writer.Key("vector_count").Value(stats.live_rows);
  writer.Key("growing_count").Value(stats.growing_rows);
  writer.Key("deleted_count").Value(stats.deleted_rows);
  writer.Key("segment_count").Value(stats.segment_count);
  writer.Key("indexed_count").Value(stats.indexed_rows);
  writer.Key("store_bytes").Value(stats.store_bytes);
  writer.Key("memory_bytes").Value(stats.memory_bytes);
  writer.Key("unflushed_bytes").Value(stats.unflushed_bytes);
  writer.Key("unflushed_age_ms").Value(Milliseconds(stats.unflushed_age));
  writer.Key("manifest_version").Value(stats.manifest_version.value());
  writer.Key("oldest_version").Value(stats.oldest_version.value());
  writer.Key("snapshot_count").Value(stats.snapshot_count);
  if (!stats.home.empty()) writer.Key("home").Value(stats.home);
  writer.EndObject();
  return json;
}

Status CreateCollection(Service& service, const CallPtr& call) {
  AKI_RETURN_IF_ERROR(call->RequireContentType());
  AKI_ASSIGN_OR_RETURN(CollectionSpec spec,
                       ParseSpec(call->request.body, service.limits(), service.database().default_ack()));
  // Creating commits to the store, so it does not hold an I/O thread.
  service.queue().Post([&service, call, spec = std::move(spec)] {
    call->Guard([&]() -> Status {
      AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.database().Create(call->ctx, spec));
      call->Reply(201, DescribeJson(*collection));
      return OkStatus();
    });
  });
  return OkStatus();
}

Status ListCollections(Service& service, const CallPtr& call) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject().Key("collections").BeginArray();
  for (const CatalogEntry& entry : service.database().List()) {
    BeginCollection(entry.spec, entry.created_at, &writer);
    writer.EndObject();
  }
  writer.EndArray().EndObject();
  call->Reply(200, std::move(json));
  return OkStatus();
}

Status DescribeCollection(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  call->Reply(200, DescribeJson(*collection));
  return OkStatus();
}

bool MovesHome(Service& service, Call& call) {
  const auto collection = service.FindCollection(call);
  if (!collection) return false;
  const auto patched = Patched((*collection)->spec(), call.request.body, service.limits());
  auto fields = ParseBody(call, BodyNeed::kRequired);
  if (!patched || !fields || !fields->Raw("ack")) return false;
  const bool bound = !(*collection)->home().empty();
  const bool says_local = (*collection)->spec().ack == AckLevel::kLocal;
  const bool to_local = patched->ack == AckLevel::kLocal;
  return bound != to_local || says_local != to_local;
}

Status AlterCollection(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kRequired));
  using AckGiven = Database::AckGiven;
  const AckGiven ack = fields.Raw("ack") ? AckGiven::kYes : AckGiven::kNo;
  for (const std::string_view key : {"recall", "index", "schema"}) fields.Raw(key);
  for (const std::string_view key : {"name", "vector_dim", "distance", "vector_type"}) {
    if (fields.Raw(key))
      fields.Fail("immutable_field", "field \"" + std::string(key) + "\" cannot be changed after creation");
  }
  AKI_RETURN_IF_ERROR(fields.Done());

  // What is wrong with the patch is said before anything waits for the store.
  AKI_RETURN_IF_ERROR(internal::ToStatus(Patched(collection->spec(), call->request.body, service.limits())));
  service.queue().Post([&service, call, ack, name = collection->spec().name] {
    call->Guard([&]() -> Status {
      const auto edit = [&](const CollectionSpec& newest) {
        return Patched(newest, call->request.body, service.limits());
      };
      AKI_RETURN_IF_ERROR(service.database().Alter(call->ctx, name, edit, ack));
      AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> altered, service.database().Get(call->ctx, name));
      call->Reply(200, DescribeJson(*altered));
      return OkStatus();
    });
  });
  return OkStatus();
}

Status RebindCollection(Service& service, const CallPtr& call) {
  AKI_RETURN_IF_ERROR(ValidateName("collection", call->params[0]));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kRequired));
  bool discard = false;
  fields.Bool("discard_local", &discard);
  AKI_RETURN_IF_ERROR(fields.Done());
  if (!discard) {
    return InvalidArgument(
               "rebinding makes this node the collection's home and gives up every write that only the disk of the "
               "home before it holds: what was acknowledged since its last flush; say so with \"discard_local\": true")
        .WithReason("discard_not_confirmed");
  }
  service.queue().Post([&service, call] {
    call->Guard([&]() -> Status {
      AKI_ASSIGN_OR_RETURN(const RebindReport report, service.database().Rebind(call->ctx, call->params[0]));
      std::string json;
      JsonWriter writer(&json);
      writer.BeginObject();
      writer.Key("home").Value(report.node);
      writer.Key("previous_home").Value(report.previous_node);
      writer.Key("survived_lsn").Value(report.survived.value());
      if (!report.published_at.empty()) writer.Key("published_at").Value(report.published_at);
      if (report.at_risk) {
        writer.Key("at_risk_bytes").Value(report.at_risk->bytes);
        writer.Key("at_risk_ms").Value(Milliseconds(report.at_risk->age));
      }
      const auto wait = std::chrono::ceil<std::chrono::milliseconds>(report.wait);
      writer.Key("writes_in_ms").Value(static_cast<uint64_t>(wait.count()));
      writer.EndObject();
      call->Reply(200, std::move(json));
      return OkStatus();
    });
  });
  return OkStatus();
}

Status DropCollection(Service& service, const CallPtr& call) {
  AKI_RETURN_IF_ERROR(ValidateName("collection", call->params[0]));
  service.queue().Post([&service, call] {
    call->Guard([&]() -> Status {
      AKI_RETURN_IF_ERROR(service.database().Drop(call->ctx, call->params[0]));
      call->Reply(200, R"({"dropped":true})");
      return OkStatus();
    });
  });
  return OkStatus();
}

}  // namespace akidb
