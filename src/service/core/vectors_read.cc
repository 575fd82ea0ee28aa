#include "service/core/answers.h"
#include "service/core/handlers.h"
#include "service/core/service.h"

namespace akidb {
namespace {

std::string RowsJson(const std::vector<ResultRow>& rows, const ReadOptions& options) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject();
  AppendRows("vectors", rows, {.score = false, .payload = options.payload, .vectors = options.vectors}, &writer);
  writer.EndObject();
  return json;
}

struct ScrollArguments {
  ScrollRequest request;
  ReadOptions options;
  std::string page_token;
};

Status RunScroll(Service& service, const CallPtr& call, Collection& collection, ScrollArguments arguments) {
  ScrollCursors& cursors = service.cursors();
  ScrollCursor cursor{collection.id(), nullptr, arguments.request.filter};
  std::string name;
  if (arguments.page_token.empty()) {
    AKI_ASSIGN_OR_RETURN(cursor.snapshot, collection.Read(call->ctx));
  } else {
    AKI_ASSIGN_OR_RETURN(ScrollCursors::Page page, cursors.Find(arguments.page_token));
    if (page.cursor.collection != collection.id()) {
      return InvalidArgument("page_token belongs to another collection").WithReason("invalid_field");
    }
    const auto canonical = [](const std::shared_ptr<const Filter>& filter) {
      return filter ? filter->Canonical() : std::string();
    };
    if (arguments.request.filter && canonical(arguments.request.filter) != canonical(page.cursor.filter)) {
      return InvalidArgument("filter differs from that of the first page; leave it out or send the same")
          .WithReason("invalid_field");
    }
    name = std::move(page.name);
    cursor = std::move(page.cursor);
    arguments.request.after_id = std::move(page.after_id);
    arguments.request.filter = cursor.filter;
  }
  AKI_ASSIGN_OR_RETURN(const ScrollPage page, Scroll(call->ctx, *cursor.snapshot, arguments.request));
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject();
  AppendRows("vectors", page.rows,
             {.score = false, .payload = arguments.options.payload, .vectors = arguments.options.vectors}, &writer);
  if (page.more && !page.rows.empty()) {
    if (name.empty()) name = cursors.Add(std::move(cursor));
    writer.Key("next_page_token").Value(ScrollCursors::Token(name, page.rows.back().id));
  } else {
    if (!name.empty()) cursors.Remove(name);
    writer.Key("next_page_token").Null();
  }
  writer.EndObject();
  call->Reply(200, std::move(json));
  return OkStatus();
}

}  // namespace

Status GetVector(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  ReadOptions options;
  options.vectors = Include::kYes;
  AKI_ASSIGN_OR_RETURN(options, ReadOptionsFromQuery(*call, service.limits(), options));
  SetTimeout(&call->ctx, options);
  return service.RunWhenVisible(call, collection, options.min_commit, [call, collection, options]() -> Status {
    AKI_ASSIGN_OR_RETURN(const auto snapshot, collection->Read(call->ctx));
    AKI_ASSIGN_OR_RETURN(const std::vector<ResultRow> rows,
                         GetRows(call->ctx, *snapshot, {call->params[1]}, options.payload, options.vectors));
    if (rows.empty()) return NotFound("there is no vector with this id").WithReason("id_not_found");
    std::string json;
    JsonWriter writer(&json);
    AppendRow(rows.front(), {.score = false, .payload = options.payload, .vectors = options.vectors}, &writer);
    call->Reply(200, std::move(json));
    return OkStatus();
  });
}

Status GetVectors(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kRequired));
  ReadOptions options;
  options.vectors = Include::kYes;
  std::vector<std::string> ids;
  fields.Require("ids");
  fields.Ids("ids", service.limits().vectors_per_request_max, &ids);
  ReadIncludes(&fields, &options);
  ReadTiming(&fields, service.limits(), &options);
  AKI_RETURN_IF_ERROR(fields.Done());
  SetTimeout(&call->ctx, options);
  return service.RunWhenVisible(
      call, collection, options.min_commit, [call, collection, options, ids = std::move(ids)]() -> Status {
        const std::vector<std::string_view> views(ids.begin(), ids.end());
        AKI_ASSIGN_OR_RETURN(const auto snapshot, collection->Read(call->ctx));
        AKI_ASSIGN_OR_RETURN(const std::vector<ResultRow> rows,
                             GetRows(call->ctx, *snapshot, views, options.payload, options.vectors));
        call->Reply(200, RowsJson(rows, options));
        return OkStatus();
      });
}

Status ScrollVectors(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kOptional));
  ScrollArguments arguments;
  fields.Uint("limit", 1, service.limits().scroll_limit_max, &arguments.request.limit);
  fields.String("page_token", 2048, &arguments.page_token);
  fields.FilterTree("filter", service.limits(), &arguments.request.filter);
  ReadIncludes(&fields, &arguments.options);
  ReadTiming(&fields, service.limits(), &arguments.options);
  AKI_RETURN_IF_ERROR(fields.Done());
  arguments.request.payload = arguments.options.payload;
  arguments.request.vectors = arguments.options.vectors;
  SetTimeout(&call->ctx, arguments.options);
  const std::optional<Position> min_commit = arguments.options.min_commit;
  return service.RunWhenVisible(
      call, collection, min_commit, [&service, call, collection, arguments = std::move(arguments)]() mutable -> Status {
        AKI_ASSIGN_OR_RETURN(const auto snapshot, collection->Read(call->ctx));
        const uint64_t elements = ScanElements(*snapshot);
        service.RunSized(call, elements, [&service, call, collection, arguments = std::move(arguments)]() mutable {
          return RunScroll(service, call, *collection, std::move(arguments));
        });
        return OkStatus();
      });
}

Status CountVectors(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kOptional));
  std::shared_ptr<const Filter> filter;
  ReadOptions options;
  fields.FilterTree("filter", service.limits(), &filter);
  ReadTiming(&fields, service.limits(), &options);
  AKI_RETURN_IF_ERROR(fields.Done());
  SetTimeout(&call->ctx, options);
  return service.RunWhenVisible(call, collection, options.min_commit, [&service, call, collection, filter]() -> Status {
    AKI_ASSIGN_OR_RETURN(const std::shared_ptr<const Snapshot> snapshot, collection->Read(call->ctx));
    service.RunSized(call, filter ? ScanElements(*snapshot) : 0, [call, snapshot, filter]() -> Status {
      AKI_ASSIGN_OR_RETURN(const uint64_t count, Count(call->ctx, *snapshot, filter.get()));
      call->Reply(200, "{\"count\":" + std::to_string(count) + "}");
      return OkStatus();
    });
    return OkStatus();
  });
}

}  // namespace akidb
