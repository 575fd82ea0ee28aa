// `akidb bench upsert | search`: N connections, each taking the next request of one schedule.
#include <sys/prctl.h>

#include <cmath>
#include <thread>

#include "base/json_writer.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/thread_priority.h"
#include "cli/api_client.h"
#include "cli/bench_schedule.h"
#include "cli/bench_stats.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/table.h"
#include "format/columns.h"
#include "ingest/npy_file.h"

namespace akidb {
namespace {

using BenchAction = BenchOptions::Action;

void FillVector(Random& random, float* out, uint32_t dim) {
  double norm = 0;
  for (uint32_t i = 0; i < dim; ++i) {
    out[i] = static_cast<float>(static_cast<double>(random.Next() >> 11) / 4503599627370496.0 - 1);
    norm += static_cast<double>(out[i]) * out[i];
  }
  const auto scale = static_cast<float>(1 / std::max(std::sqrt(norm), 1e-20));
  for (uint32_t i = 0; i < dim; ++i) out[i] *= scale;
}

// What the connections send again and again, under new ids: made before the clock starts, because formatting numbers
// costs more than the server needs to take them.
struct Rows {
  std::vector<float> vectors;
  std::vector<std::string> json;
};

Rows MakeRows(Random& random, uint32_t count, uint32_t dim) {
  Rows rows;
  rows.vectors.resize(size_t{count} * dim);
  rows.json.resize(count);
  for (uint32_t row = 0; row < count; ++row) {
    float* vector = rows.vectors.data() + size_t{row} * dim;
    FillVector(random, vector, dim);
    JsonWriter writer(&rows.json[row]);
    writer.BeginArray();
    for (uint32_t i = 0; i < dim; ++i) writer.Value(vector[i]);
    writer.EndArray();
  }
  return rows;
}

// What the searches ask: whole bodies, made before the clock starts.
Result<std::vector<std::string>> MakeSearchBodies(const BenchOptions& options,
                                                  const std::vector<std::string>& vectors) {
  std::string filter;
  if (!options.filter.empty()) {
    AKI_ASSIGN_OR_RETURN(filter, FilterJson(options.filter));
  }
  std::vector<std::string> bodies(vectors.size());
  for (size_t i = 0; i < vectors.size(); ++i) {
    JsonWriter writer(&bodies[i]);
    writer.BeginObject().Key("vector").Raw(vectors[i]).Key("top_k").Value(options.top_k);
    if (!filter.empty()) writer.Key("filter").Raw(filter);
    if (options.ef_search) writer.Key("ef_search").Value(*options.ef_search);
    if (options.recall) writer.Key("recall").Value(*options.recall);
    if (options.no_payload) writer.Key("with_payload").Value(false);
    writer.EndObject();
  }
  return bodies;
}

// The vectors of --queries as JSON.
Result<std::vector<std::string>> ReadQueries(const std::string& file, uint32_t dim) {
  AKI_ASSIGN_OR_RETURN(const FloatMatrix queries, ReadNpyFloats(PosixFileSystem(), file));
  if (queries.columns != dim || queries.rows == 0) {
    return std::unexpected(InvalidArgument(file + ": has " + std::to_string(queries.rows) + " queries of " +
                                           std::to_string(queries.columns) +
                                           " elements; the collection's vectors have " + std::to_string(dim)));
  }
  std::vector<std::string> json(queries.rows);
  for (uint32_t row = 0; row < queries.rows; ++row) {
    JsonWriter writer(&json[row]);
    writer.BeginArray();
    for (uint32_t i = 0; i < dim; ++i) writer.Value(queries.Row(row)[i]);
    writer.EndArray();
  }
  return json;
}

class Bench {
 public:
  Bench(const BenchOptions& options, ServerUrl url) : options_(options), url_(std::move(url)) {}

  Status Run(const Console& console);

 private:
  Status Prepare(ApiClient& client);
  Status MakeBodies();
  void Drive(BenchSchedule& schedule) AKI_EXCLUDES(mutex_);
  std::string UpsertBody(uint64_t number) const;
  void Print(Duration elapsed, const Console& console) AKI_EXCLUDES(mutex_);

  const BenchOptions& options_;
  const ServerUrl url_;
  std::string collection_;
  std::string target_;
  uint32_t dim_ = 0;
  bool drop_at_end_ = false;
  Rows rows_;                          // upsert
  std::vector<std::string> searches_;  // search
  Mutex mutex_;
  Status failure_ AKI_GUARDED_BY(mutex_);
  std::vector<Duration> latencies_ AKI_GUARDED_BY(mutex_);
};

Status Bench::Prepare(ApiClient& client) {
  collection_ = options_.collection;
  if (collection_.empty()) {
    collection_ = "bench-" + NewSystemRandom()->Hex(8);
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject().Key("name").Value(collection_).Key("vector_dim").Value(options_.dim);
    writer.Key("distance").Value("Cosine").EndObject();
    AKI_RETURN_IF_ERROR(client.Post("/collections", body, Repeat::kUnsafe));
    drop_at_end_ = true;
  }
  target_ = CollectionPath(collection_);
  AKI_ASSIGN_OR_RETURN(const simdjson::dom::element description, client.Get(target_));
  dim_ = static_cast<uint32_t>(JsonUint(description, "vector_dim"));
  return OkStatus();
}

Status Bench::MakeBodies() {
  constexpr uint32_t kQueries = 1000;
  const std::unique_ptr<Random> random = NewSeededRandom(options_.seed);
  if (options_.action == BenchAction::kUpsert) {
    rows_ = MakeRows(*random, options_.batch_rows, dim_);
    return OkStatus();
  }
  std::vector<std::string> vectors;
  if (options_.queries.empty()) {
    vectors = MakeRows(*random, kQueries, dim_).json;
  } else {
    AKI_ASSIGN_OR_RETURN(vectors, ReadQueries(options_.queries, dim_));
  }
  AKI_ASSIGN_OR_RETURN(searches_, MakeSearchBodies(options_, vectors));
  return OkStatus();
}

std::string Bench::UpsertBody(uint64_t number) const {
  std::vector<std::string> ids;
  for (uint32_t row = 0; row < options_.batch_rows; ++row) {
    ids.push_back(std::to_string(number * options_.batch_rows + row));
  }
  const std::string payload = R"({"text":")" + std::string(options_.payload_bytes, 'x') + "\"}";
  if (options_.body == "columns") {
    ColumnBatch batch;
    batch.dim = dim_;
    batch.ids.assign(ids.begin(), ids.end());
    batch.payloads.assign(ids.size(), payload);
    batch.vectors = {reinterpret_cast<const char*>(rows_.vectors.data()), rows_.vectors.size() * sizeof(float)};
    return EncodeColumns(batch);
  }
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject().Key("vectors").BeginArray();
  for (uint32_t row = 0; row < options_.batch_rows; ++row) {
    writer.BeginObject().Key("id").Value(ids[row]).Key("vector").Raw(rows_.json[row]);
    writer.Key("payload").Raw(payload).EndObject();
  }
  writer.EndArray().EndObject();
  return body;
}

void Bench::Drive(BenchSchedule& schedule) {
  // The kernel lets sleepers sleep 50 us longer, and who wakes up beside work wait for a tick, which would look like
  // the server's latency.
  if (options_.rate > 0) {
    ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    PreferShortSlices();
  }
  ApiClient client(url_, HttpOptionsOf(options_.client), RealClock());
  const bool upsert = options_.action == BenchAction::kUpsert;
  const std::string target = target_ + (upsert ? "/vectors" : "/search");
  const std::string_view type = upsert && options_.body == "columns" ? kColumnsContentType : "application/json";
  std::vector<Duration> latencies;
  Status status;
  while (status.ok()) {
    std::string upsert_body;
    std::optional<BenchSchedule::Turn> turn = schedule.Take();
    if (!turn) break;
    if (upsert) upsert_body = UpsertBody(turn->number);
    const std::string& body = upsert ? upsert_body : searches_[turn->number % searches_.size()];
    if (options_.rate > 0) {
      status = SleepUnlessInterrupted(turn->due - RealClock().Now());
    } else {
      turn->due = RealClock().Now();
    }
    if (status.ok()) status = internal::ToStatus(client.Call("POST", target, type, body, Repeat::kSafe));
    if (status.ok()) latencies.push_back(RealClock().Now() - turn->due);
    if (status.ok()) status = CheckInterrupt();
  }
  MutexLock lock(mutex_);
  latencies_.insert(latencies_.end(), latencies.begin(), latencies.end());
  if (failure_.ok()) failure_ = std::move(status);
  if (!failure_.ok()) schedule.Stop();
}

void Bench::Print(Duration elapsed, const Console& console) {
  MutexLock lock(mutex_);
  const double seconds = std::max(1e-9, std::chrono::duration<double>(elapsed).count());
  const double requests = static_cast<double>(latencies_.size());
  const bool upsert = options_.action == BenchAction::kUpsert;
  const double rows = upsert ? requests * options_.batch_rows : 0;
  const LatencySummary summary = Summarise(latencies_);
  if (console.json()) {
    const auto ms = [](Duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
    std::string out;
    JsonWriter writer(&out);
    writer.BeginObject().Key("action").Value(upsert ? "upsert" : "search").Key("collection").Value(collection_);
    writer.Key("connections").Value(options_.connections).Key("requests").Value(latencies_.size());
    if (options_.rate > 0) writer.Key("rate").Value(options_.rate);
    writer.Key("seconds").Value(seconds).Key("requests_per_second").Value(requests / seconds);
    writer.Key("rows_per_second").Value(rows / seconds).Key("mean_ms").Value(ms(summary.mean));
    writer.Key("p50_ms").Value(ms(summary.p50)).Key("p95_ms").Value(ms(summary.p95));
    writer.Key("p99_ms").Value(ms(summary.p99)).Key("max_ms").Value(ms(summary.max)).EndObject();
    console.PrintJson(out);
    return;
  }
  Table table({{"REQUESTS", Align::kRight},
               {"REQUESTS/S", Align::kRight},
               {"ROWS/S", Align::kRight},
               {"MEAN", Align::kRight},
               {"P50", Align::kRight},
               {"P95", Align::kRight},
               {"P99", Align::kRight},
               {"MAX", Align::kRight}});
  table.Add({HumanCount(latencies_.size()), HumanCount(static_cast<uint64_t>(requests / seconds)),
             upsert ? HumanCount(static_cast<uint64_t>(rows / seconds)) : "", HumanDuration(summary.mean),
             HumanDuration(summary.p50), HumanDuration(summary.p95), HumanDuration(summary.p99),
             HumanDuration(summary.max)});
  console.Print(table.ToString());
}

Status Bench::Run(const Console& console) {
  ApiClient client(url_, HttpOptionsOf(options_.client), RealClock());
  AKI_RETURN_IF_ERROR(Prepare(client));
  AKI_RETURN_IF_ERROR(MakeBodies());
  const MonotonicTime started = RealClock().Now();
  BenchSchedule schedule(options_.requests, options_.rate, RealClock());
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < options_.connections; ++i) threads.emplace_back([&] { Drive(schedule); });
  for (std::thread& thread : threads) thread.join();
  Print(RealClock().Now() - started, console);
  Status dropped;
  if (drop_at_end_) dropped = internal::ToStatus(client.Call("DELETE", target_, {}, {}, Repeat::kSafe));
  MutexLock lock(mutex_);
  return failure_.ok() ? dropped : failure_;
}

}  // namespace

Status RunBench(const BenchOptions& options, const Console& console) {
  AKI_ASSIGN_OR_RETURN(ServerUrl url, ParseServerUrl(options.client.server));
  return Bench(options, std::move(url)).Run(console);
}

}  // namespace akidb
