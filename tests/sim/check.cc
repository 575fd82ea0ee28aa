#include "check.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>

#include "query/search.h"

namespace akidb::sim {

namespace {

constexpr double kScoreTolerance = 1e-5;

RowPtr RowOf(const ResultRow& row) {
  auto out = std::make_shared<ModelRow>();
  out->vector = row.vector;
  if (row.payload.json.empty()) return out;
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(row.payload.json.data(), row.payload.json.size()).get(object) != simdjson::SUCCESS) {
    throw Violation{"I2: payload of " + row.id + " is no JSON object: " + std::string(row.payload.json)};
  }
  for (const auto field : object) out->payload[std::string(field.key)] = simdjson::minify(field.value);
  return out;
}

double Score(const CollectionSpec& spec, const std::vector<float>& query, const std::vector<float>& row) {
  double dot = 0;
  double query_norm = 0;
  double row_norm = 0;
  double distance = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    const double q = query[i];
    const double r = row[i];
    dot += q * r;
    query_norm += q * q;
    row_norm += r * r;
    distance += (q - r) * (q - r);
  }
  switch (spec.distance) {
    case Distance::kCosine: return dot / std::sqrt(query_norm * row_norm);
    case Distance::kDotProduct: return dot;
    case Distance::kEuclidean: break;
  }
  return std::sqrt(distance);
}

bool Close(double a, double b) {
  return std::fabs(a - b) <= kScoreTolerance * std::max({1.0, std::fabs(a), std::fabs(b)});
}

Status CheckSearch(OpContext& ctx, const Snapshot& snapshot, const Rows& expected, const ModelFilter* filter,
                   Dice& dice) {
  SearchRequest request;
  const CollectionSpec& spec = snapshot.spec();
  for (uint32_t i = 0; i < spec.dim; ++i) request.vector.push_back(static_cast<float>(dice.Between(1, 40)) - 20.5F);
  request.top_k = static_cast<uint32_t>(dice.Between(1, 30));
  request.offset = dice.Chance(200'000) ? static_cast<uint32_t>(dice.Below(5)) : 0;
  request.exact = dice.Chance(500'000);  // otherwise an index may miss near rows, and nothing else
  request.payload = Include::kYes;
  request.vectors = Include::kYes;
  if (filter != nullptr) request.filter = ParseFilter(*filter);

  std::vector<double> scores;
  for (const auto& [id, row] : expected) {
    if (filter == nullptr || filter->Matches(id, *row)) scores.push_back(Score(spec, request.vector, row->vector));
  }
  std::ranges::sort(scores);
  if (LargerIsNearer(spec.distance)) std::ranges::reverse(scores);
  const size_t want = std::min<size_t>(request.top_k, scores.size() - std::min<size_t>(request.offset, scores.size()));

  AKI_ASSIGN_OR_RETURN(const std::vector<ResultRow> found, Search(ctx, snapshot, request));
  const std::string what = "search of " + spec.name + (filter == nullptr ? "" : " with " + filter->Json());
  Require(found.size() == want,
          "I10: " + what + " gave " + std::to_string(found.size()) + " rows, expected " + std::to_string(want));
  std::set<std::string> seen;
  for (size_t i = 0; i < found.size(); ++i) {
    const ResultRow& row = found[i];
    const auto it = expected.find(row.id);
    Require(it != expected.end(), "I2: " + what + " gave " + row.id + ", which does not exist");
    Require(seen.insert(row.id).second, "I2: " + what + " gave " + row.id + " twice");
    Require(*RowOf(row) == *it->second, "I2: " + what + " gave another version of " + row.id + ": " +
                                            DescribeDifference({{row.id, it->second}}, {{row.id, RowOf(row)}}));
    Require(filter == nullptr || filter->Matches(row.id, *it->second),
            what + " gave " + row.id + ", which does not match");
    Require(Close(row.score, Score(spec, request.vector, it->second->vector)),
            what + " gave a wrong score for " + row.id);
    Require(!request.exact || Close(row.score, scores[request.offset + i]),
            what + " missed a nearer row at rank " + std::to_string(i));
    Require(i == 0 || row.score != found[i - 1].score || found[i - 1].id < row.id,
            what + ": ties are not in order of id");
  }
  return OkStatus();
}

Status CheckPointReads(OpContext& ctx, const Snapshot& snapshot, const Rows& expected, Dice& dice) {
  std::vector<std::string> ids;
  std::set<std::string> distinct;
  for (uint64_t i = dice.Between(1, 6); i > 0; --i) {
    if (std::string id = RandomId(dice); distinct.insert(id).second) ids.push_back(std::move(id));
  }
  const std::vector<std::string_view> views(ids.begin(), ids.end());
  AKI_ASSIGN_OR_RETURN(const std::vector<ResultRow> found, GetRows(ctx, snapshot, views, Include::kYes, Include::kYes));
  Rows actual;
  for (const ResultRow& row : found) actual[row.id] = RowOf(row);
  Rows want;
  for (const std::string& id : ids) {
    if (const auto it = expected.find(id); it != expected.end()) want.insert(*it);
    Require(snapshot.Find(id).has_value() == expected.contains(id),
            "I2: lookup of " + id + " disagrees with the model");
  }
  Require(SameRows(want, actual),
          "I1, I2: point reads of " + snapshot.spec().name + ": " + DescribeDifference(want, actual));
  return OkStatus();
}

}  // namespace

std::string RandomId(Dice& dice) { return "id" + std::to_string(dice.Below(60)); }

ModelFilter RandomFilter(Dice& dice) {
  ModelFilter filter;
  filter.kind = static_cast<ModelFilter::Kind>(dice.Below(4));
  filter.low = static_cast<int64_t>(dice.Below(100));
  filter.high = filter.low + static_cast<int64_t>(dice.Between(1, 40));
  filter.tag = std::string(1, static_cast<char>('a' + dice.Below(4)));
  if (filter.kind == ModelFilter::Kind::kIds) {
    for (int i = 0; i < 4; ++i) filter.ids.push_back(RandomId(dice));
  }
  return filter;
}

std::shared_ptr<const Filter> ParseFilter(const ModelFilter& filter) {
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  const std::string json = filter.Json();
  if (parser.parse(json).get(element) != simdjson::SUCCESS) throw Violation{"the model made bad JSON: " + json};
  auto parsed = Filter::Parse(element, Limits{});
  if (!parsed) throw Violation{"the filter " + json + " was refused: " + parsed.error().ToString()};
  return *parsed;
}

Result<Rows> ReadAll(OpContext& ctx, const Snapshot& snapshot, uint32_t page_rows) {
  Rows rows;
  ScrollRequest request;
  request.limit = page_rows;
  request.vectors = Include::kYes;
  while (true) {
    AKI_ASSIGN_OR_RETURN(const ScrollPage page, Scroll(ctx, snapshot, request));
    for (const ResultRow& row : page.rows) {
      Require(request.after_id < row.id, "scroll of " + snapshot.spec().name + " is out of order at " + row.id);
      request.after_id = row.id;
      rows[row.id] = RowOf(row);
    }
    Require(!page.more || page.rows.size() == page_rows, "scroll of " + snapshot.spec().name + " gave a short page");
    if (!page.more) return rows;
  }
}

Status CheckSnapshot(OpContext& ctx, const Snapshot& snapshot, const Rows& expected, size_t latest_rows, Dice& dice) {
  AKI_ASSIGN_OR_RETURN(const Rows actual, ReadAll(ctx, snapshot, static_cast<uint32_t>(dice.Between(1, 40))));
  Require(SameRows(expected, actual), "I1, I2: scroll of " + snapshot.spec().name + " at LSN " +
                                          std::to_string(snapshot.position().lsn.value()) + ": " +
                                          DescribeDifference(expected, actual));
  AKI_ASSIGN_OR_RETURN(const uint64_t count, Count(ctx, snapshot, nullptr));
  Require(count == expected.size(), "I2: count of " + snapshot.spec().name + " is " + std::to_string(count) +
                                        ", expected " + std::to_string(expected.size()));
  Require(snapshot.live_rows() == latest_rows, "live_rows of " + snapshot.spec().name + " is " +
                                                   std::to_string(snapshot.live_rows()) + ", expected " +
                                                   std::to_string(latest_rows));
  const ModelFilter filter = RandomFilter(dice);
  const auto matching = static_cast<uint64_t>(
      std::ranges::count_if(expected, [&](const auto& entry) { return filter.Matches(entry.first, *entry.second); }));
  AKI_ASSIGN_OR_RETURN(const uint64_t filtered, Count(ctx, snapshot, ParseFilter(filter).get()));
  Require(filtered == matching, "I10: count of " + snapshot.spec().name + " with " + filter.Json() + " is " +
                                    std::to_string(filtered) + ", expected " + std::to_string(matching));
  AKI_RETURN_IF_ERROR(CheckPointReads(ctx, snapshot, expected, dice));
  AKI_RETURN_IF_ERROR(CheckSearch(ctx, snapshot, expected, nullptr, dice));
  return CheckSearch(ctx, snapshot, expected, &filter, dice);
}

}  // namespace akidb::sim
