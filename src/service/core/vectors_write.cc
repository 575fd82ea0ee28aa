#include <simdjson.h>

#include "format/columns.h"
#include "service/core/answers.h"
#include "service/core/handlers.h"
#include "service/core/problem.h"
#include "service/core/row_parser.h"
#include "service/core/service.h"

namespace akidb {
namespace {

struct WriteOptions {
  WriteMode mode = WriteMode::kUpsert;
  BatchPolicy policy = BatchPolicy::kAllOrNothing;
  AckLevel ack = AckLevel::kLocal;
};

Status GivenTwice(std::string_view name) {
  return InvalidArgument("\"" + std::string(name) + "\" is given in the query string and in the body; give it once")
      .WithReason("duplicate_field");
}

// Body and query string may each carry an option, but not both.
Result<WriteOptions> ResolveOptions(const Service& service, const Call& call, const ParsedRows& parsed,
                                    const Collection& collection) {
  WriteOptions options;
  AKI_ASSIGN_OR_RETURN(const std::optional<AckLevel> ack, AckFromQuery(call));
  if (ack && parsed.ack) return std::unexpected(GivenTwice("ack"));
  AKI_ASSIGN_OR_RETURN(options.ack, service.ResolveAck(call, collection, ack ? ack : parsed.ack));
  AKI_ASSIGN_OR_RETURN(const std::optional<bool> partial, BoolFromQuery(call, "partial"));
  if (partial && parsed.policy) return std::unexpected(GivenTwice("partial"));
  if (partial) options.policy = *partial ? BatchPolicy::kPartial : BatchPolicy::kAllOrNothing;
  if (parsed.policy) options.policy = *parsed.policy;
  if (const auto mode = call.Query("mode")) {
    if (parsed.mode) return std::unexpected(GivenTwice("mode"));
    const std::optional<WriteMode> value = ParseWriteMode(*mode);
    if (!value) {
      return std::unexpected(
          InvalidArgument("query parameter \"mode\" must be upsert, insert or update").WithReason("invalid_parameter"));
    }
    options.mode = *value;
  }
  if (parsed.mode) options.mode = *parsed.mode;
  return options;
}

std::string CountAndCommit(std::string_view name, const WriteReceipt& receipt) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject();
  writer.Key(name).Value(receipt.affected);
  writer.Key("commit").Value(receipt.position.ToToken());
  writer.EndObject();
  return json;
}

// One item a row of the request, in its order. `problems` is ascending.
HttpResponse PartialAnswer(const ParsedRows& parsed, const std::vector<RowError>& problems,
                           const WriteReceipt& receipt) {
  HttpResponse response;
  response.status = 207;
  JsonWriter writer(&response.body);
  writer.BeginObject();
  writer.Key("upserted").Value(receipt.affected);
  writer.Key("commit").Value(receipt.position.ToToken());
  writer.Key("items").BeginArray();
  auto problem = problems.begin();
  for (size_t i = 0; i < parsed.request_ids.size(); ++i) {
    writer.BeginObject();
    writer.Key("id").Value(parsed.request_ids[i]);
    if (problem != problems.end() && problem->index == i) {
      writer.Key("status").Value(HttpStatusOf(problem->status));
      writer.Key("code").Value(ProblemCode(problem->status));
      writer.Key("detail").Value(problem->status.message());
      ++problem;
    } else {
      writer.Key("status").Value(200);
    }
    writer.EndObject();
  }
  writer.EndArray().EndObject();
  return response;
}

HttpResponse JsonAnswer(std::string json) {
  HttpResponse response;
  response.body = std::move(json);
  return response;
}

Result<ParsedRows> ParseRows(const Call& call, const CollectionSpec& spec, const Limits& limits) {
  if (EqualsIgnoringCase(MediaType(call.request.Header("content-type")), kColumnsContentType)) {
    return ParseColumnRows(call.request.body, spec.dim, limits);
  }
  AKI_RETURN_IF_ERROR(call.RequireContentType(kColumnsContentType));
  return ParseJsonRows(call.request.body, spec.dim, limits);
}

Status ApplyRows(Service& service, const CallPtr& call, const std::shared_ptr<Collection>& collection) {
  const CollectionSpec spec = collection->spec();
  AKI_ASSIGN_OR_RETURN(ParsedRows parsed, ParseRows(*call, spec, service.limits()));
  AKI_ASSIGN_OR_RETURN(const WriteOptions options, ResolveOptions(service, *call, parsed, *collection));
  if (options.policy == BatchPolicy::kAllOrNothing) {
    if (!parsed.problems.empty()) return parsed.problems.front().status;
    AKI_ASSIGN_OR_RETURN(const WriteReceipt receipt,
                         collection->Write(call->ctx, parsed.rows, options.mode, options.policy));
    service.AnswerWhenAcknowledged(call, collection, options.ack, receipt,
                                   JsonAnswer(CountAndCommit("upserted", receipt)));
    return OkStatus();
  }
  AKI_ASSIGN_OR_RETURN(WriteReceipt receipt, collection->Write(call->ctx, parsed.rows, options.mode, options.policy));
  std::vector<RowError> problems = std::move(parsed.problems);
  for (RowError& error : receipt.errors) problems.push_back({parsed.source[error.index], std::move(error.status)});
  std::ranges::sort(problems, {}, &RowError::index);
  service.AnswerWhenAcknowledged(call, collection, options.ack, receipt, PartialAnswer(parsed, problems, receipt));
  return OkStatus();
}

}  // namespace

Status WriteVectors(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  if (call->request.body.size() <= service.options().inline_write_bytes_max) {
    return ApplyRows(service, call, collection);
  }
  // Milliseconds, for which no search shall wait that comes to this thread.
  service.bulk_queue().Post(
      [&service, call, collection] { call->Guard([&] { return ApplyRows(service, call, collection); }); });
  return OkStatus();
}

Status DeleteVector(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(const std::optional<AckLevel> asked, AckFromQuery(*call));
  AKI_ASSIGN_OR_RETURN(const AckLevel ack, service.ResolveAck(*call, *collection, asked));
  AKI_ASSIGN_OR_RETURN(const WriteReceipt receipt, collection->DeleteIds(call->ctx, {call->params[1]}));
  service.AnswerWhenAcknowledged(call, collection, ack, receipt, JsonAnswer(CountAndCommit("deleted", receipt)));
  return OkStatus();
}

Status DeleteVectors(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(const std::optional<AckLevel> query_ack, AckFromQuery(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kRequired));
  std::vector<std::string> ids;
  std::shared_ptr<const Filter> filter;
  std::string ack_word;
  fields.Ids("ids", service.limits().vectors_per_request_max, &ids);
  fields.FilterTree("filter", service.limits(), &filter);
  fields.String("ack", 16, &ack_word);
  const std::optional<AckLevel> body_ack = ParseAckLevel(ack_word);
  if (fields.Raw("ack") && !body_ack)
    fields.Fail("invalid_field", "field \"ack\" must be \"local\", \"object\" or \"committed\"");
  const bool by_ids = fields.Raw("ids").has_value();
  if (by_ids == (filter != nullptr)) fields.Fail("invalid_field", "give exactly one of \"ids\" and \"filter\"");
  AKI_RETURN_IF_ERROR(fields.Done());
  if (query_ack && body_ack) return GivenTwice("ack");
  AKI_ASSIGN_OR_RETURN(const AckLevel ack, service.ResolveAck(*call, *collection, query_ack ? query_ack : body_ack));

  uint64_t elements = 0;
  if (!by_ids) {
    AKI_ASSIGN_OR_RETURN(const auto snapshot, collection->Read(call->ctx));
    elements = ScanElements(*snapshot);
  }
  service.RunSized(call, elements, [&service, call, collection, ack, ids = std::move(ids), filter]() -> Status {
    const std::vector<std::string_view> views(ids.begin(), ids.end());
    AKI_ASSIGN_OR_RETURN(const WriteReceipt receipt, filter ? collection->DeleteMatching(call->ctx, *filter)
                                                            : collection->DeleteIds(call->ctx, views));
    service.AnswerWhenAcknowledged(call, collection, ack, receipt, JsonAnswer(CountAndCommit("deleted", receipt)));
    return OkStatus();
  });
  return OkStatus();
}

Status MergePayload(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(const std::optional<AckLevel> asked, AckFromQuery(*call));
  AKI_ASSIGN_OR_RETURN(const AckLevel ack, service.ResolveAck(*call, *collection, asked));
  AKI_RETURN_IF_ERROR(call->RequireContentType("application/merge-patch+json"));
  const std::string& body = call->request.body;
  simdjson::dom::parser parser;
  if (body.size() > service.limits().request_bytes_max ||
      parser.allocate(std::max<size_t>(body.size(), 64), service.limits().payload_depth_max) != simdjson::SUCCESS) {
    return ResourceExhausted("the patch has " + std::to_string(body.size()) + " bytes").WithReason("body_too_large");
  }
  simdjson::dom::element patch;
  if (const auto error = parser.parse(body).get(patch); error != simdjson::SUCCESS) {
    return InvalidArgument(std::string("the patch is not valid JSON: ") + simdjson::error_message(error))
        .WithReason("invalid_payload");
  }
  if (!patch.is_object()) return InvalidArgument("the patch must be a JSON object").WithReason("invalid_payload");
  AKI_ASSIGN_OR_RETURN(const WriteReceipt receipt, collection->MergePayload(call->ctx, call->params[1], body));
  service.AnswerWhenAcknowledged(call, collection, ack, receipt, JsonAnswer(CountAndCommit("updated", receipt)));
  return OkStatus();
}

}  // namespace akidb
