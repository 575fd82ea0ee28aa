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

// Where an earlier page left off.
Result<ScrollCursors::Page> FindCursor(ScrollCursors& cursors, CollectionId collection, ScrollArguments* arguments) {
  AKI_ASSIGN_OR_RETURN(ScrollCursors::Page page, cursors.Find(arguments->page_token));
  const auto bad = [](std::string message) {
    return std::unexpected(InvalidArgument(std::move(message)).WithReason("invalid_field"));
  };
  if (page.cursor.collection != collection) return bad("page_token belongs to another collection");
  const auto canonical = [](const std::shared_ptr<const Filter>& filter) {
    return filter ? filter->Canonical() : std::string();
  };
  if (arguments->request.filter && canonical(arguments->request.filter) != canonical(page.cursor.filter)) {
    return bad("filter differs from that of the first page; leave it out or send the same");
  }
  if (arguments->options.at && arguments->options.at != page.cursor.at) {
    return bad("at differs from that of the first page; leave it out or send the same");
  }
  arguments->request.after_id = page.after_id;
  arguments->request.filter = page.cursor.filter;
  return page;
}

// Answers one page; `name` is that of the cursor, empty on the first page.
Status RunScroll(Service& service, const CallPtr& call, const ScrollArguments& arguments, ScrollCursor cursor,
                 std::string name) {
  AKI_ASSIGN_OR_RETURN(const ScrollPage page, Scroll(call->ctx, *cursor.snapshot, arguments.request));
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject();
  AppendRows("vectors", page.rows,
             {.score = false, .payload = arguments.options.payload, .vectors = arguments.options.vectors}, &writer);
  if (page.more && !page.rows.empty()) {
    if (name.empty()) name = service.cursors().Add(std::move(cursor));
    writer.Key("next_page_token").Value(ScrollCursors::Token(name, page.rows.back().id));
  } else {
    if (!name.empty()) service.cursors().Remove(name);
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
  SetTimeout(call.get(), options);
  return service.RunOnSnapshot(call, collection, options, [call, options](auto snapshot) -> Status {
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
  SetTimeout(call.get(), options);
  return service.RunOnSnapshot(
      call, collection, options, [call, options, ids = std::move(ids)](auto snapshot) -> Status {
        const std::vector<std::string_view> views(ids.begin(), ids.end());
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
  SetTimeout(call.get(), arguments.options);
  if (!arguments.page_token.empty()) {
    AKI_ASSIGN_OR_RETURN(ScrollCursors::Page page, FindCursor(service.cursors(), collection->id(), &arguments));
    const uint64_t elements = ScanElements(*page.cursor.snapshot);
    service.RunSized(call, elements,
                     [&service, call, arguments = std::move(arguments), page = std::move(page)]() mutable {
                       return RunScroll(service, call, arguments, std::move(page.cursor), std::move(page.name));
                     });
    return OkStatus();
  }
  const ReadOptions options = arguments.options;
  return service.RunOnSnapshot(
      call, collection, options,
      [&service, call, collection, arguments = std::move(arguments)](auto snapshot) mutable -> Status {
        const uint64_t elements = ScanElements(*snapshot);
        ScrollCursor cursor{collection->id(), std::move(snapshot), arguments.request.filter, arguments.options.at};
        service.RunSized(call, elements,
                         [&service, call, arguments = std::move(arguments), cursor = std::move(cursor)]() mutable {
                           return RunScroll(service, call, arguments, std::move(cursor), {});
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
  SetTimeout(call.get(), options);
  return service.RunOnSnapshot(call, collection, options, [&service, call, filter](auto snapshot) -> Status {
    service.RunSized(call, filter ? ScanElements(*snapshot) : 0, [call, snapshot, filter]() -> Status {
      AKI_ASSIGN_OR_RETURN(const uint64_t count, Count(call->ctx, *snapshot, filter.get()));
      call->Reply(200, "{\"count\":" + std::to_string(count) + "}");
      return OkStatus();
    });
    return OkStatus();
  });
}

}  // namespace akidb
