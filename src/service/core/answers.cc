#include "service/core/answers.h"

#include <charconv>

#include "service/core/row_parser.h"

namespace akidb {
namespace {

constexpr std::string_view kAtOrCommit =
    "give either \"at\", which is a state of the past, or \"min_commit\", which asks for the present";

Status BadParameter(std::string_view name, std::string_view problem) {
  return InvalidArgument("query parameter \"" + std::string(name) + "\" " + std::string(problem))
      .WithReason("invalid_parameter");
}

}  // namespace

void AppendRow(const ResultRow& row, const RowColumns& columns, JsonWriter* writer) {
  writer->BeginObject();
  writer->Key("id").Value(row.id);
  if (columns.score) writer->Key("score").Value(row.score);
  if (columns.vectors == Include::kYes) {
    writer->Key("vector").BeginArray();
    for (const float x : row.vector) writer->Value(x);
    writer->EndArray();
  }
  if (columns.payload == Include::kYes) writer->Key("payload").Raw(row.payload.json.empty() ? "{}" : row.payload.json);
  writer->EndObject();
}

void AppendRows(std::string_view key, const std::vector<ResultRow>& rows, const RowColumns& columns,
                JsonWriter* writer) {
  writer->Key(key).BeginArray();
  for (const ResultRow& row : rows) AppendRow(row, columns, writer);
  writer->EndArray();
}

void BeginCollection(const CollectionSpec& spec, std::string_view created_at, JsonWriter* writer) {
  std::string fields;
  JsonWriter spec_writer(&fields);
  WriteCollectionSpec(spec, &spec_writer);
  writer->BeginObject();
  // The spec writes a whole object; its members become ours.
  writer->Raw(std::string_view(fields).substr(1, fields.size() - 2));
  writer->Key("created_at").Value(created_at);
}

double Milliseconds(Duration duration) { return static_cast<double>(duration.count() / 1000) / 1000; }

Result<Fields> ParseBody(const Call& call, BodyNeed need, std::string_view also_type) {
  if (need == BodyNeed::kOptional && call.request.body.empty()) return Fields::Parse("{}", "");
  AKI_RETURN_IF_ERROR(call.RequireContentType(also_type));
  return Fields::Parse(call.request.body, "");
}

void ReadIncludes(Fields* fields, ReadOptions* options) {
  bool payload = options->payload == Include::kYes;
  bool vectors = options->vectors == Include::kYes;
  fields->Bool("with_payload", &payload);
  fields->Bool("with_vector", &vectors);
  options->payload = payload ? Include::kYes : Include::kNo;
  options->vectors = vectors ? Include::kYes : Include::kNo;
}

void ReadTiming(Fields* fields, const Limits& limits, ReadOptions* options) {
  options->timeout_ms = limits.timeout_ms_default;
  fields->Uint("timeout_ms", 1, limits.timeout_ms_max, &options->timeout_ms);
  fields->Position("min_commit", &options->min_commit);
  fields->ReadAt("at", &options->at);
  if (options->at && options->min_commit) fields->Fail("invalid_field", std::string(kAtOrCommit));
}

Result<ReadOptions> ReadOptionsFromQuery(const Call& call, const Limits& limits, ReadOptions options) {
  options.timeout_ms = limits.timeout_ms_default;
  AKI_ASSIGN_OR_RETURN(const std::optional<bool> payload, BoolFromQuery(call, "with_payload"));
  if (payload) options.payload = *payload ? Include::kYes : Include::kNo;
  AKI_ASSIGN_OR_RETURN(const std::optional<bool> vectors, BoolFromQuery(call, "with_vector"));
  if (vectors) options.vectors = *vectors ? Include::kYes : Include::kNo;
  if (const auto text = call.Query("timeout_ms")) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), options.timeout_ms);
    if (error != std::errc() || end != text->data() + text->size() || options.timeout_ms < 1 ||
        options.timeout_ms > limits.timeout_ms_max) {
      return std::unexpected(
          BadParameter("timeout_ms", "must be an integer from 1 to " + std::to_string(limits.timeout_ms_max)));
    }
  }
  if (const auto token = call.Query("min_commit")) {
    Result<Position> position = Position::FromToken(*token);
    if (!position) return std::unexpected(BadParameter("min_commit", "is not a commit token"));
    options.min_commit = *position;
  }
  if (const auto text = call.Query("at")) {
    Result<ReadPoint> point = ReadPointFromQuery(*text);
    if (!point) return std::unexpected(std::move(point).error().WithReason("invalid_parameter"));
    options.at = std::move(*point);
    if (options.min_commit) return std::unexpected(BadParameter("at", ": " + std::string(kAtOrCommit)));
  }
  return options;
}

void SetTimeout(Call* call, const ReadOptions& options) {
  call->ctx.set_deadline(call->started + std::chrono::milliseconds(options.timeout_ms));
}

uint64_t ScanElements(const Snapshot& snapshot) { return snapshot.live_rows() * snapshot.spec().dim; }

Result<std::optional<AckLevel>> AckFromQuery(const Call& call) {
  const auto text = call.Query("ack");
  if (!text) return std::nullopt;
  const std::optional<AckLevel> level = ParseAckLevel(*text);
  if (!level) return std::unexpected(BadParameter("ack", "must be local, object or committed"));
  return level;
}

Result<std::optional<bool>> BoolFromQuery(const Call& call, std::string_view name) {
  const auto text = call.Query(name);
  if (!text) return std::nullopt;
  if (*text != "true" && *text != "false") return std::unexpected(BadParameter(name, "must be true or false"));
  return *text == "true";
}

}  // namespace akidb
