#include "query/search.h"

#include <algorithm>
#include <atomic>

#include "service/core/answers.h"
#include "service/core/handlers.h"
#include "service/core/problem.h"
#include "service/core/service.h"

namespace akidb {
namespace {

struct SearchArguments {
  SearchRequest request;
  ReadOptions options;
  bool explain = false;
};

Result<SearchArguments> ParseSearch(Fields fields, const CollectionSpec& spec, const Limits& limits) {
  SearchArguments arguments;
  SearchRequest& request = arguments.request;
  fields.Require("vector");
  fields.Floats("vector", limits.vector_dim_max, &request.vector);
  fields.Uint("top_k", 1, limits.top_k_max, &request.top_k);
  fields.Uint("offset", 0, limits.top_k_max, &request.offset);
  fields.FilterTree("filter", limits, &request.filter);
  fields.Double("score_threshold", -1e38, 1e38, &request.score_threshold);
  fields.Double("recall", 0, 1, &request.recall);
  fields.Uint("ef_search", 1, 100000, &request.ef_search);
  fields.Bool("exact", &request.exact);
  fields.Bool("explain", &arguments.explain);
  ReadIncludes(&fields, &arguments.options);
  ReadTiming(&fields, limits, &arguments.options);
  AKI_RETURN_IF_ERROR(fields.Done());
  request.payload = arguments.options.payload;
  request.vectors = arguments.options.vectors;
  AKI_RETURN_IF_ERROR(request.Validate(spec, limits));
  return arguments;
}

uint64_t IndexedUnits(const Snapshot& snapshot) {
  return static_cast<uint64_t>(
      std::ranges::count_if(snapshot.units(), [](const auto& unit) { return unit->index().kind() != "flat"; }));
}

// What a search reads: little of a unit that has an index, unless a filter has to look at payloads.
uint64_t SearchElements(const Snapshot& snapshot, const SearchRequest& request) {
  const bool all_rows = request.ef_search == 0 && request.recall.value_or(snapshot.spec().recall) >= 1;
  if (request.exact || request.filter || all_rows) return ScanElements(snapshot);
  uint64_t rows = 0;
  for (const auto& unit : snapshot.units()) rows += unit->index().kind() == "flat" ? unit->row_count() : 0;
  const uint64_t beam = std::max<uint64_t>(request.ef_search, uint64_t{request.offset} + request.top_k);
  return (rows + snapshot.units().size() * beam) * snapshot.spec().dim;
}

// Of an answer that is not unusual; a text that grows is copied again and again.
size_t ExpectedBytes(const SearchArguments& arguments) {
  constexpr size_t kRowBytes = 128;
  constexpr size_t kPayloadBytes = 1024;
  constexpr size_t kBytesMax = 64u << 10;
  const size_t row = kRowBytes + (arguments.options.payload == Include::kYes ? kPayloadBytes : 0);
  return std::min(kBytesMax, (arguments.request.top_k + 1) * row);
}

// Runs one search and appends the members "results" and, if asked for, "explain" to an open object.
Status RunSearch(Service& service, OpContext& ctx, const std::shared_ptr<const Snapshot>& state,
                 const SearchArguments& arguments, JsonWriter* writer) {
  const Snapshot& snapshot = *state;
  Clock& clock = ctx.clock();
  const MonotonicTime begin = clock.Now();
  AKI_ASSIGN_OR_RETURN(const std::vector<ResultRow> rows, Search(ctx, snapshot, arguments.request));
  const MonotonicTime searched = clock.Now();
  const RowColumns columns{.score = true, .payload = arguments.options.payload, .vectors = arguments.options.vectors};
  AppendRows("results", rows, columns, writer);
  const MonotonicTime written = clock.Now();
  service.ObserveSearch(snapshot.spec().name, searched - begin);
  service.ObserveStage(Service::Stage::kSearch, searched - begin);
  service.ObserveStage(Service::Stage::kAnswer, written - searched);
  const bool graph = !arguments.request.exact && IndexedUnits(snapshot) > 0;
  if (graph) service.recall_check().Offer(state, arguments.request, rows);
  if (!arguments.explain) return OkStatus();
  writer->Key("explain").BeginObject();
  writer->Key("strategy").Value(graph ? "graph" : "exact scan");
  writer->Key("units").Value(snapshot.units().size());
  writer->Key("indexed_units").Value(IndexedUnits(snapshot));
  writer->Key("rows").Value(snapshot.live_rows());
  writer->Key("filter");
  if (arguments.request.filter) {
    writer->Value(arguments.request.filter->Canonical());
  } else {
    writer->Null();
  }
  writer->Key("commit").Value(snapshot.position().ToToken());
  writer->Key("search_ms").Value(Milliseconds(searched - begin));
  writer->EndObject();
  return OkStatus();
}

// The queries of one batch, worked on by this thread and by free threads of the work queue.
struct Batch {
  std::vector<Result<SearchArguments>> queries;
  std::vector<std::string> answers;
  std::shared_ptr<Collection> collection;
  std::shared_ptr<const Snapshot> snapshot;  // for queries without `at`
  std::atomic<size_t> next{0};
  std::atomic<size_t> unfinished{0};
};

void AnswerBatch(const CallPtr& call, const Batch& batch) {
  std::string json;
  size_t size = 64;
  for (const std::string& answer : batch.answers) size += answer.size() + 1;
  json.reserve(size);
  JsonWriter writer(&json);
  writer.BeginObject().Key("results").BeginArray();
  for (const std::string& answer : batch.answers) writer.Raw(answer);
  writer.EndArray();
  writer.Key("took_ms").Value(Milliseconds(call->ctx.clock().Now() - call->started));
  writer.EndObject();
  call->Reply(200, std::move(json));
}

std::string QueryAnswer(Service& service, Call& call, Batch& batch, size_t index) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject();
  const auto run = [&]() -> Status {
    Result<SearchArguments>& query = batch.queries[index];
    if (!query) return query.error();
    OpContext ctx(call.ctx.clock());
    ctx.set_request_id(call.ctx.request_id());
    ctx.set_deadline(call.started + std::chrono::milliseconds(query->options.timeout_ms));
    std::shared_ptr<const Snapshot> snapshot = batch.snapshot;
    if (query->options.at) {
      AKI_ASSIGN_OR_RETURN(snapshot, batch.collection->ReadAt(ctx, *query->options.at));
    }
    return RunSearch(service, ctx, snapshot, *query, &writer);
  };
  Status status;
  try {
    status = run();
  } catch (const std::exception& e) {
    status = Internal(std::string("unexpected: ") + e.what());
  }
  if (status.ok()) {
    writer.EndObject();
    return json;
  }
  json.clear();
  JsonWriter error_writer(&json);
  error_writer.BeginObject().Key("error");
  WriteProblem(status, call.ctx.request_id(), &error_writer);
  error_writer.EndObject();
  return json;
}

void WorkOnBatch(Service& service, const CallPtr& call, const std::shared_ptr<Batch>& batch) {
  while (true) {
    const size_t index = batch->next.fetch_add(1);
    if (index >= batch->queries.size()) return;
    batch->answers[index] = QueryAnswer(service, *call, *batch, index);
    if (batch->unfinished.fetch_sub(1) == 1) AnswerBatch(call, *batch);
  }
}

}  // namespace

Status SearchVectors(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kRequired));
  AKI_ASSIGN_OR_RETURN(SearchArguments arguments, ParseSearch(std::move(fields), collection->spec(), service.limits()));
  SetTimeout(call.get(), arguments.options);
  service.ObserveStage(Service::Stage::kParse, call->ctx.clock().Now() - call->started);
  const ReadOptions options = arguments.options;
  return service.RunOnSnapshot(
      call, collection, options,
      [&service, call, arguments = std::move(arguments)](std::shared_ptr<const Snapshot> snapshot) mutable -> Status {
        const uint64_t elements = SearchElements(*snapshot, arguments.request);
        service.RunSized(
            call, elements,
            [&service, call, snapshot = std::move(snapshot), arguments = std::move(arguments)]() -> Status {
              std::string json;
              json.reserve(ExpectedBytes(arguments));
              JsonWriter writer(&json);
              writer.BeginObject();
              AKI_RETURN_IF_ERROR(RunSearch(service, call->ctx, snapshot, arguments, &writer));
              writer.Key("took_ms").Value(Milliseconds(call->ctx.clock().Now() - call->started));
              writer.EndObject();
              call->Reply(200, std::move(json));
              return OkStatus();
            });
        return OkStatus();
      });
}

Status BatchSearch(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kRequired));
  fields.Require("queries");
  const std::optional<std::string_view> queries = fields.Raw("queries");
  AKI_RETURN_IF_ERROR(fields.Done());

  auto batch = std::make_shared<Batch>();
  batch->collection = collection;
  std::optional<Position> min_commit;
  bool reads_the_past = false;  // opens versions, which may read from the store
  const CollectionSpec spec = collection->spec();
  const auto parse = [&](size_t index, std::string_view raw) -> Status {
    Result<SearchArguments> query =
        ParseSearch(Fields::Parse(raw, "queries[" + std::to_string(index) + "]."), spec, service.limits());
    if (query && query->options.min_commit && (!min_commit || min_commit->lsn < query->options.min_commit->lsn)) {
      min_commit = query->options.min_commit;
    }
    reads_the_past = reads_the_past || (query && query->options.at);
    batch->queries.push_back(std::move(query));
    return OkStatus();
  };
  AKI_RETURN_IF_ERROR(ForEachItem(*queries, service.limits().queries_per_batch_max, "queries", parse));
  batch->answers.resize(batch->queries.size());
  batch->unfinished.store(batch->queries.size());
  return service.RunWhenVisible(
      call, collection, min_commit, [&service, call, collection, batch, reads_the_past]() -> Status {
        AKI_ASSIGN_OR_RETURN(batch->snapshot, collection->Read(call->ctx));
        if (batch->queries.empty()) {
          AnswerBatch(call, *batch);
          return OkStatus();
        }
        const uint64_t elements = ScanElements(*batch->snapshot) * batch->queries.size();
        if (reads_the_past || elements > service.options().inline_elements_max) {
          const size_t helpers = std::min(service.queue().threads(), batch->queries.size());
          for (size_t i = 0; i < helpers; ++i)
            service.queue().Post([&service, call, batch] { WorkOnBatch(service, call, batch); });
          return OkStatus();
        }
        WorkOnBatch(service, call, batch);
        return OkStatus();
      });
}

}  // namespace akidb
