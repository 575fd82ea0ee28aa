// `akidb search`.
#include "base/json_writer.h"
#include "cli/api_client.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "ingest/vector_text.h"

namespace akidb {
namespace {

namespace dom = simdjson::dom;

constexpr uint64_t kTextBytesMax = 16u << 20;
constexpr size_t kPayloadShownMax = 120;

void AppendVector(const std::vector<float>& vector, JsonWriter* writer) {
  writer->BeginArray();
  for (const float x : vector) writer->Value(x);
  writer->EndArray();
}

// The vector as JSON: given as text, or that of a stored row.
Result<std::string> QueryVector(const SearchOptions& options, ApiClient& client) {
  if (!options.like.empty()) {
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject().Key("ids").BeginArray().Value(options.like).EndArray().Key("with_vector").Value(true);
    if (!options.at.empty()) {
      AKI_ASSIGN_OR_RETURN(const std::string at, AtJson(options.at));
      writer.Key("at").Raw(at);
    }
    writer.EndObject();
    AKI_ASSIGN_OR_RETURN(const dom::element answer,
                         client.Post(CollectionPath(options.collection) + "/vectors/get", body, Repeat::kSafe));
    dom::element vector;
    if (answer.at_pointer("/vectors/0/vector").get(vector) == simdjson::SUCCESS) return simdjson::minify(vector);
    return std::unexpected(NotFound("no vector with id '" + options.like + "'"));
  }
  AKI_ASSIGN_OR_RETURN(const std::string text, TextOrFile(options.vector, kTextBytesMax));
  std::vector<float> vector;
  Status parsed = AppendVectorText(text, Limits{}.vector_dim_max, &vector);
  if (!parsed.ok()) return std::unexpected(std::move(parsed).Annotate("--vector"));
  std::string json;
  JsonWriter writer(&json);
  AppendVector(vector, &writer);
  return json;
}

Result<std::string> RequestBody(const SearchOptions& options, const std::string& vector) {
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject().Key("vector").Raw(vector).Key("top_k").Value(options.top_k).Key("offset").Value(options.offset);
  writer.Key("with_payload").Value(!options.no_payload).Key("with_vector").Value(options.with_vector);
  writer.Key("exact").Value(options.exact);
  if (options.score_threshold) writer.Key("score_threshold").Value(*options.score_threshold);
  if (options.ef_search) writer.Key("ef_search").Value(*options.ef_search);
  if (!options.at.empty()) {
    AKI_ASSIGN_OR_RETURN(const std::string at, AtJson(options.at));
    writer.Key("at").Raw(at);
  }
  if (!options.filter.empty()) {
    AKI_ASSIGN_OR_RETURN(const std::string filter, FilterJson(options.filter));
    writer.Key("filter").Raw(filter);
  }
  writer.EndObject();
  return body;
}

// Cuts at a character, not inside one.
std::string Shortened(std::string text) {
  if (text.size() <= kPayloadShownMax) return text;
  size_t end = kPayloadShownMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;
  return text.substr(0, end) + "...";
}

void PrintResults(const dom::element& answer, const Console& console) {
  Table table({{"#", Align::kRight}, {"ID"}, {"SCORE", Align::kRight}, {"PAYLOAD"}});
  dom::array results;
  if (answer["results"].get(results) != simdjson::SUCCESS) return;
  size_t rank = 0;
  for (const dom::element result : results) {
    double score = 0;
    (void)result["score"].get(score);
    dom::element payload;
    const bool has_payload = result["payload"].get(payload) == simdjson::SUCCESS;
    table.Add({std::to_string(++rank), JsonText(result, "id"), Fixed(score, 6),
               has_payload ? Shortened(simdjson::minify(payload)) : ""});
  }
  double took_ms = 0;
  (void)answer["took_ms"].get(took_ms);
  console.Print(table.ToString());
  console.Print(HumanCount(rank) + " results, " + Fixed(took_ms, 2) + " ms\n");
}

}  // namespace

Status RunSearch(const SearchOptions& options, const Console& console) {
  AKI_ASSIGN_OR_RETURN(const ServerUrl url, ParseServerUrl(options.client.server));
  ApiClient client(url, HttpOptionsOf(options.client), RealClock());
  AKI_ASSIGN_OR_RETURN(const std::string vector, QueryVector(options, client));
  AKI_ASSIGN_OR_RETURN(const std::string body, RequestBody(options, vector));
  AKI_ASSIGN_OR_RETURN(const dom::element answer,
                       client.Post(CollectionPath(options.collection) + "/search", body, Repeat::kSafe));
  if (console.json()) {
    console.PrintJson(client.text());
  } else {
    PrintResults(answer, console);
  }
  return OkStatus();
}

}  // namespace akidb
