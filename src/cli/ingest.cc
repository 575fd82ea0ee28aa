// `akidb ingest`: reads rows on this thread, sends them on the sender's.
#include <algorithm>

#include "base/json_writer.h"
#include "base/thread_priority.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/ingest_sender.h"
#include "cli/ingest_state.h"
#include "cli/interrupt.h"
#include "cli/table.h"

namespace akidb {
namespace {

constexpr uint64_t kBatchBytes = 8u << 20;
constexpr Duration kSaveInterval = std::chrono::seconds(1);

// One JSON line a refused row; without a file only the first reason is kept for the summary.
class ErrorLog {
 public:
  ErrorLog(FileSystem& fs, std::string path, uint64_t errors_max)
      : fs_(fs), path_(std::move(path)), errors_max_(errors_max) {}

  Status Open(bool append) {
    if (path_.empty()) return OkStatus();
    AKI_ASSIGN_OR_RETURN(file_, fs_.Open(path_, OpenMode::kCreateOrOpen));
    if (!append) return file_->Truncate(0);
    AKI_ASSIGN_OR_RETURN(offset_, file_->Size());
    return OkStatus();
  }
  Status Add(const std::vector<RowProblem>& problems) {
    if (problems.empty()) return OkStatus();
    if (count_ == 0) first_ = "row " + std::to_string(problems.front().row) + ": " + problems.front().reason;
    count_ += problems.size();
    if (file_ != nullptr) {
      std::string lines;
      for (const RowProblem& problem : problems) {
        JsonWriter writer(&lines);
        writer.BeginObject().Key("row").Value(problem.row).Key("reason").Value(problem.reason).EndObject();
        lines.push_back('\n');
      }
      AKI_RETURN_IF_ERROR(file_->WriteAt(offset_, lines));
      offset_ += lines.size();
    }
    if (count_ <= errors_max_) return OkStatus();
    return FailedPrecondition("more than " + std::to_string(errors_max_) +
                              " rows were refused (--errors-max); the first: " + first_);
  }
  uint64_t count() const { return count_; }
  const std::string& first() const { return first_; }

 private:
  FileSystem& fs_;
  const std::string path_;
  const uint64_t errors_max_;
  std::unique_ptr<File> file_;
  uint64_t offset_ = 0;
  uint64_t count_ = 0;
  std::string first_;
};

void PrintSchema(const SourceSchema& schema, const Console& console) {
  if (console.json()) {
    std::string out;
    JsonWriter writer(&out);
    writer.BeginObject().Key("format").Value(FileFormatName(schema.format)).Key("dim").Value(schema.dim);
    writer.Key("rows");
    schema.row_count ? writer.Value(*schema.row_count) : writer.Null();
    writer.Key("size_bytes").Value(schema.size_bytes).Key("columns").BeginArray();
    for (const SourceColumn& column : schema.columns) {
      writer.BeginObject().Key("name").Value(column.name).Key("type").Value(column.type);
      writer.Key("mapped_to").Value(ColumnRoleName(column.role)).EndObject();
    }
    writer.EndArray().EndObject();
    console.PrintJson(out);
    return;
  }
  Table table({{"COLUMN"}, {"TYPE"}, {"MAPPED TO"}});
  for (const SourceColumn& column : schema.columns) {
    table.Add({column.name, column.type, std::string(ColumnRoleName(column.role))});
  }
  console.Print(table.ToString());
  console.Print(std::string(FileFormatName(schema.format)) + ", " +
                (schema.row_count ? HumanCount(*schema.row_count) + " rows" : std::string("rows not counted")) + ", " +
                std::to_string(schema.dim) + " dimensions, " + HumanBytes(schema.size_bytes) + "\n");
}

Result<SourceOptions> SourceOptionsOf(const IngestOptions& options) {
  SourceOptions source;
  source.format = ParseFileFormat(options.format).value_or(FileFormat::kAuto);
  source.mapping = options.mapping;
  const std::string delimiter = options.delimiter == "\\t" ? "\t" : options.delimiter;
  if (delimiter.size() != 1) {
    return std::unexpected(
        InvalidArgument("--delimiter is '" + options.delimiter + "', expected one character or \\t"));
  }
  source.mapping.csv_delimiter = delimiter[0];
  return source;
}

class Ingest {
 public:
  Ingest(const IngestOptions& options, const Console& console)
      : options_(options), console_(console), errors_(fs_, options.errors_file, options.errors_max), ctx_(clock_) {}

  Status Run();

 private:
  Status PrepareCollection();
  Status CreateCollection(ApiClient& client);
  Status OpenState();
  Status SaveState(IngestSender& sender);
  Status DryRun();
  Status Send();
  Status SendBatches(IngestSender& sender, Progress& progress);
  void PrintSummary(uint64_t upserted, Duration elapsed) const;
  std::optional<double> Fraction(uint64_t rows_done) const;

  const IngestOptions& options_;
  const Console& console_;
  FileSystem& fs_ = PosixFileSystem();
  Clock& clock_ = RealClock();
  ErrorLog errors_;
  OpContext ctx_;
  std::unique_ptr<RowSource> source_;
  ServerUrl url_;
  std::string state_path_;
  IngestState state_;
  MonotonicTime saved_;
  uint64_t rows_read_ = 0;
  uint64_t payload_bytes_ = 0;
};

Status Ingest::Run() {
  AKI_ASSIGN_OR_RETURN(const SourceOptions source_options, SourceOptionsOf(options_));
  AKI_ASSIGN_OR_RETURN(source_, OpenRowSource(ctx_, fs_, options_.file, source_options));
  if (options_.schema_only) {
    PrintSchema(source_->schema(), console_);
    return OkStatus();
  }
  if (options_.dry_run) {
    if (!console_.json()) PrintSchema(source_->schema(), console_);
    AKI_RETURN_IF_ERROR(errors_.Open(false));
    return DryRun();
  }
  if (options_.collection.empty()) return InvalidArgument("--collection is required");
  AKI_ASSIGN_OR_RETURN(url_, ParseServerUrl(options_.client.server));
  AKI_RETURN_IF_ERROR(PrepareCollection());
  AKI_RETURN_IF_ERROR(OpenState());
  AKI_RETURN_IF_ERROR(errors_.Open(state_.rows_acknowledged > 0));
  return Send();
}

Status Ingest::PrepareCollection() {
  ApiClient client(url_, HttpOptionsOf(options_.client), clock_);
  const std::string target = CollectionPath(options_.collection);
  auto found = client.Get(target);
  if (!found && found.error().code() == StatusCode::kNotFound) {
    if (!options_.create) {
      return NotFound("collection '" + options_.collection + "' does not exist; --create makes it");
    }
    AKI_RETURN_IF_ERROR(CreateCollection(client));
    found = client.Get(target);
  }
  if (!found) return std::move(found).error();
  const uint64_t dim = JsonUint(*found, "vector_dim");
  if (dim == source_->schema().dim) return OkStatus();
  return InvalidArgument("collection '" + options_.collection + "' has " + std::to_string(dim) +
                         " dimensions, the file has " + std::to_string(source_->schema().dim));
}

Status Ingest::CreateCollection(ApiClient& client) {
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject().Key("name").Value(options_.collection).Key("vector_dim").Value(source_->schema().dim);
  writer.Key("distance").Value(options_.distance).Key("vector_type").Value(options_.vector_type).EndObject();
  auto created = client.Post("/collections", body, Repeat::kSafe);
  // Someone else, or an earlier try whose answer was lost, created it.
  if (created || created.error().code() == StatusCode::kAlreadyExists) return OkStatus();
  return std::move(created).error();
}

Status Ingest::OpenState() {
  state_path_ = options_.state_file.empty() ? options_.file + ".akidb-ingest.json" : options_.state_file;
  AKI_ASSIGN_OR_RETURN(state_.file, IdentifyFile(fs_, options_.file));
  state_.server = options_.client.server;
  state_.collection = options_.collection;
  if (!options_.resume) return OkStatus();
  Result<IngestState> earlier = LoadIngestState(fs_, state_path_, state_);
  if (!earlier && earlier.error().code() == StatusCode::kNotFound) {
    console_.Note("no state file '" + state_path_ + "': starting at the first row");
    return OkStatus();
  }
  if (!earlier) return std::move(earlier).error();
  state_ = *earlier;
  console_.Note("resuming after row " + HumanCount(state_.rows_acknowledged));
  return source_->SkipRows(ctx_, state_.rows_acknowledged);
}

Status Ingest::SaveState(IngestSender& sender) {
  saved_ = clock_.Now();
  state_.rows_acknowledged = sender.rows_acknowledged();
  return SaveIngestState(fs_, state_path_, state_);
}

std::optional<double> Ingest::Fraction(uint64_t rows_done) const {
  const SourceSchema& schema = source_->schema();
  if (schema.row_count)
    return static_cast<double>(rows_done) / static_cast<double>(std::max<uint64_t>(*schema.row_count, 1));
  return static_cast<double>(source_->bytes_read()) / static_cast<double>(std::max<uint64_t>(schema.size_bytes, 1));
}

Status Ingest::DryRun() {
  Progress progress(clock_, console_.progress_style(), "rows");
  RowBatch batch;
  for (;;) {
    AKI_RETURN_IF_ERROR(CheckInterrupt());
    AKI_ASSIGN_OR_RETURN(const bool more, source_->NextBatch(ctx_, options_.batch_rows, kBatchBytes, &batch));
    if (!more) break;
    rows_read_ += batch.rows_end - batch.rows_begin;
    payload_bytes_ += batch.payloads.size();
    AKI_RETURN_IF_ERROR(errors_.Add(batch.problems));
    progress.Update(rows_read_, Fraction(rows_read_));
  }
  progress.Finish(rows_read_);
  PrintSummary(0, progress.elapsed());
  if (errors_.count() == 0) return OkStatus();
  return Status(StatusCode::kUnknown,
                HumanCount(errors_.count()) + " rows would be refused; the first: " + errors_.first());
}

Status Ingest::SendBatches(IngestSender& sender, Progress& progress) {
  RowBatch batch;
  for (;;) {
    AKI_RETURN_IF_ERROR(CheckInterrupt());
    AKI_ASSIGN_OR_RETURN(const bool more, source_->NextBatch(ctx_, options_.batch_rows, kBatchBytes, &batch));
    if (!more) return sender.Finish();
    rows_read_ += batch.rows_end - batch.rows_begin;
    payload_bytes_ += batch.payloads.size();
    state_.rows_refused += batch.problems.size();
    AKI_RETURN_IF_ERROR(errors_.Add(batch.problems));
    IngestJob job{batch.rows_begin, batch.rows_end, std::move(batch.rows), {}};
    batch.rows = {};
    if (batch.row_count() > 0) job.body = EncodeColumns(batch.View());
    AKI_RETURN_IF_ERROR(sender.Submit(std::move(job)));
    const std::vector<RowProblem> refused = sender.TakeProblems();
    state_.rows_refused += refused.size();
    AKI_RETURN_IF_ERROR(errors_.Add(refused));
    progress.Update(sender.rows_upserted(), Fraction(sender.rows_acknowledged()));
    if (clock_.Now() - saved_ >= kSaveInterval) AKI_RETURN_IF_ERROR(SaveState(sender));
  }
}

Status Ingest::Send() {
  std::string target = CollectionPath(options_.collection) + "/vectors";
  if (!options_.ack.empty()) target += "?ack=" + options_.ack;
  IngestSender sender({url_, HttpOptionsOf(options_.client), target, options_.connections, state_.rows_acknowledged},
                      clock_);
  Progress progress(clock_, console_.progress_style(), "rows");
  saved_ = clock_.Now();
  Status status = SendBatches(sender, progress);
  const Status logged = errors_.Add(sender.TakeProblems());
  if (status.ok()) status = logged;
  if (!status.ok()) {
    const Status saved = SaveState(sender);
    return std::move(status).Annotate("stopped after row " + HumanCount(state_.rows_acknowledged) +
                                      (saved.ok() ? "; the same command with --resume goes on" : ""));
  }
  progress.Finish(sender.rows_upserted());
  fs_.Remove(state_path_)
      .IgnoreError("the run is complete; a state file is there only if it took longer than a second");
  PrintSummary(sender.rows_upserted(), progress.elapsed());
  if (errors_.count() == 0) return OkStatus();
  return Status(StatusCode::kUnknown,
                HumanCount(errors_.count()) + " rows were refused; the first: " + errors_.first());
}

void Ingest::PrintSummary(uint64_t upserted, Duration elapsed) const {
  const double seconds = std::max(1e-9, std::chrono::duration<double>(elapsed).count());
  const double rate = static_cast<double>(options_.dry_run ? rows_read_ : upserted) / seconds;
  if (console_.json()) {
    std::string out;
    JsonWriter writer(&out);
    writer.BeginObject().Key("rows_read").Value(rows_read_).Key("rows_upserted").Value(upserted);
    writer.Key("rows_refused").Value(errors_.count()).Key("payload_bytes").Value(payload_bytes_);
    writer.Key("seconds").Value(seconds).Key("rows_per_second").Value(rate).EndObject();
    console_.PrintJson(out);
    return;
  }
  console_.Print(HumanCount(rows_read_) + " rows read, " + HumanCount(upserted) + " upserted, " +
                 HumanCount(errors_.count()) + " refused in " + HumanDuration(elapsed) + " (" +
                 HumanCount(static_cast<uint64_t>(rate)) + " rows/s)\n");
}

}  // namespace

Status RunIngest(const IngestOptions& options, const Console& console) {
  // Where the server runs on the same machine, searches go first.
  GiveWayToOtherThreads();
  return Ingest(options, console).Run();
}

}  // namespace akidb
