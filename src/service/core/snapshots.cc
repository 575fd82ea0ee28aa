#include "service/core/answers.h"
#include "service/core/handlers.h"
#include "service/core/service.h"

namespace akidb {
namespace {

void WriteSnapshot(const SnapshotInfo& snapshot, JsonWriter* writer) {
  writer->BeginObject();
  writer->Key("name").Value(snapshot.name);
  writer->Key("version").Value(snapshot.version.value());
  writer->Key("created_at").Value(snapshot.created_at);
  writer->EndObject();
}

std::string SnapshotJson(const SnapshotInfo& snapshot) {
  std::string json;
  JsonWriter writer(&json);
  WriteSnapshot(snapshot, &writer);
  return json;
}

}  // namespace

Status CreateSnapshot(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kRequired));
  std::string name;
  fields.Require("name");
  fields.String("name", service.limits().collection_name_bytes_max, &name);
  AKI_RETURN_IF_ERROR(fields.Done());
  AKI_RETURN_IF_ERROR(ValidateName("name", name));
  // Commits to the store, so it does not hold an I/O thread; so do the verbs below.
  service.queue().Post([call, collection, name] {
    call->Guard([&]() -> Status {
      AKI_ASSIGN_OR_RETURN(const SnapshotInfo created, collection->CreateSnapshot(call->ctx, name));
      call->Reply(201, SnapshotJson(created));
      return OkStatus();
    });
  });
  return OkStatus();
}

Status ListSnapshots(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject().Key("snapshots").BeginArray();
  for (const SnapshotInfo& snapshot : collection->Snapshots()) WriteSnapshot(snapshot, &writer);
  writer.EndArray().EndObject();
  call->Reply(200, std::move(json));
  return OkStatus();
}

Status DescribeSnapshot(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(const SnapshotInfo found, collection->FindSnapshot(call->params[1]));
  call->Reply(200, SnapshotJson(found));
  return OkStatus();
}

Status DeleteSnapshot(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  service.queue().Post([call, collection] {
    call->Guard([&]() -> Status {
      AKI_RETURN_IF_ERROR(collection->DeleteSnapshot(call->ctx, call->params[1]));
      call->Reply(200, R"({"deleted":true})");
      return OkStatus();
    });
  });
  return OkStatus();
}

Status CloneCollection(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kRequired));
  std::string name;
  std::optional<ReadPoint> at;
  fields.Require("name");
  fields.String("name", service.limits().collection_name_bytes_max, &name);
  fields.ReadAt("at", &at);
  AKI_RETURN_IF_ERROR(fields.Done());
  AKI_RETURN_IF_ERROR(ValidateName("name", name));
  service.queue().Post([&service, call, name, at] {
    call->Guard([&]() -> Status {
      AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> clone,
                           service.database().Clone(call->ctx, call->params[0], name, at));
      call->Reply(201, DescribeJson(*clone));
      return OkStatus();
    });
  });
  return OkStatus();
}

Status RevertToSnapshot(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kOptional));
  AKI_RETURN_IF_ERROR(fields.Done());
  service.queue().Post([call, collection] {
    call->Guard([&]() -> Status {
      AKI_ASSIGN_OR_RETURN(const SnapshotInfo snapshot, collection->FindSnapshot(call->params[1]));
      AKI_ASSIGN_OR_RETURN(const ManifestVersion reverted, collection->Revert(call->ctx, AtVersion{snapshot.version}));
      std::string json;
      JsonWriter writer(&json);
      writer.BeginObject();
      writer.Key("snapshot").Value(snapshot.name);
      writer.Key("version").Value(snapshot.version.value());
      writer.Key("manifest_version").Value(reverted.value());
      writer.EndObject();
      call->Reply(200, std::move(json));
      return OkStatus();
    });
  });
  return OkStatus();
}

}  // namespace akidb
