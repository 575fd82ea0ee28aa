// Parquet, through libakidb_parquet.so: opened at the first use, so that the core binary needs no Arrow.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "ingest/mapping.h"
#include "ingest/parquet/parquet_abi.h"
#include "ingest/row_source.h"

namespace akidb {
namespace {

constexpr const char* kPluginName = "libakidb_parquet.so";
constexpr const char* kPluginVariable = "AKIDB_PARQUET_PLUGIN";

// AKIDB_PARQUET_PLUGIN, else the file beside the running binary.
std::string PluginPath() {
  if (const char* chosen = std::getenv(kPluginVariable); chosen != nullptr && *chosen != 0) return chosen;
  std::error_code error;
  const std::filesystem::path binary = std::filesystem::read_symlink("/proc/self/exe", error);
  return (binary.parent_path() / kPluginName).string();
}

Result<const AkidbParquetApi*> LoadPlugin() {
  const std::string path = PluginPath();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return std::unexpected(Unimplemented(std::string("Parquet needs the plug-in ") + kPluginName + " (" + dlerror() +
                                         "); put it beside the binary or name it in " + kPluginVariable));
  }
  auto* entry = reinterpret_cast<decltype(&akidb_parquet_api)>(dlsym(library, AKIDB_PARQUET_ENTRY));
  if (entry == nullptr || entry()->abi_version != AKIDB_PARQUET_ABI_VERSION) {
    return std::unexpected(FailedPrecondition("'" + path + "' is not a Parquet plug-in of this version"));
  }
  return entry();
}

// One library a process; it is never unloaded.
const Result<const AkidbParquetApi*>& Plugin() {
  static const Result<const AkidbParquetApi*> plugin = LoadPlugin();
  return plugin;
}

class ParquetSource final : public RowSource {
 public:
  ParquetSource(const AkidbParquetApi& api, SourceOptions options) : api_(api), options_(std::move(options)) {}
  ~ParquetSource() override {
    if (reader_ != nullptr) api_.close(reader_);
  }
  ParquetSource(const ParquetSource&) = delete;
  ParquetSource& operator=(const ParquetSource&) = delete;

  Status Open(const std::string& path);

  const SourceSchema& schema() const override { return schema_; }
  uint64_t bytes_read() const override {
    const uint64_t rows = schema_.row_count.value_or(0);
    return rows == 0 ? schema_.size_bytes
                     : static_cast<uint64_t>(static_cast<double>(schema_.size_bytes) * static_cast<double>(row_) /
                                             static_cast<double>(rows));
  }
  Status SkipRows(OpContext& ctx, uint64_t count) override;
  Result<bool> NextBatch(OpContext& ctx, uint32_t rows_max, uint64_t bytes_max, RowBatch* batch) override;

 private:
  Status PluginError() const { return InvalidArgument("parquet: " + std::string(error_text_.data())); }
  Status ChooseRoles(const AkidbParquetSchema& schema, std::vector<uint8_t>* roles);

  const AkidbParquetApi& api_;
  SourceOptions options_;
  SourceSchema schema_;
  AkidbParquetReader* reader_ = nullptr;
  std::array<char, 1024> error_text_{};
  AkidbParquetError error_{error_text_.data(), error_text_.size()};
  uint64_t row_ = 0;
};

Status ParquetSource::ChooseRoles(const AkidbParquetSchema& schema, std::vector<uint8_t>* roles) {
  const std::vector<std::string>& asked = options_.mapping.payload_columns;
  for (uint32_t i = 0; i < schema.column_count; ++i) {
    SourceColumn& column = schema_.columns[i];
    const AkidbParquetColumn& traits = schema.columns[i];
    if (column.role == ColumnRole::kId && traits.can_be_id == 0) {
      return InvalidArgument("id column '" + column.name + "' is " + column.type + ", expected string or integer");
    }
    if (column.role == ColumnRole::kVector && traits.can_be_vector == 0) {
      return InvalidArgument("vector column '" + column.name + "' is " + column.type +
                             ", expected a list of float, double or half float");
    }
    if (column.role == ColumnRole::kPayload && traits.can_be_payload == 0) {
      if (std::find(asked.begin(), asked.end(), column.name) != asked.end()) {
        return InvalidArgument("column '" + column.name + "' is " + column.type + ", which has no JSON form");
      }
      column.role = ColumnRole::kExcluded;
    }
    roles->push_back(column.role == ColumnRole::kId        ? AKIDB_PARQUET_ID
                     : column.role == ColumnRole::kVector  ? AKIDB_PARQUET_VECTOR
                     : column.role == ColumnRole::kPayload ? AKIDB_PARQUET_PAYLOAD
                                                           : AKIDB_PARQUET_SKIP);
  }
  return OkStatus();
}

Status ParquetSource::Open(const std::string& path) {
  AkidbParquetSchema schema{};
  if (api_.open(path.c_str(), &reader_, &schema, &error_) != 0) return PluginError();
  schema_.format = FileFormat::kParquet;
  schema_.row_count = schema.row_count;
  std::error_code ignored;
  schema_.size_bytes = std::filesystem::file_size(path, ignored);
  for (uint32_t i = 0; i < schema.column_count; ++i) {
    schema_.columns.push_back({schema.columns[i].name, schema.columns[i].type, ColumnRole::kPayload});
  }
  AKI_RETURN_IF_ERROR(AssignRoles(options_.mapping, options_.limits, ColumnSet::kComplete, &schema_.columns));
  std::vector<uint8_t> roles;
  AKI_RETURN_IF_ERROR(ChooseRoles(schema, &roles));
  if (api_.start(reader_, roles.data(), &schema_.dim, &error_) != 0) return PluginError();
  if (schema_.dim >= 1 && schema_.dim <= options_.limits.dim_max) return OkStatus();
  return InvalidArgument("column '" + options_.mapping.vector_column + "' has vectors of " +
                         std::to_string(schema_.dim) + " elements, expected 1 to " +
                         std::to_string(options_.limits.dim_max));
}

Status ParquetSource::SkipRows(OpContext& ctx, uint64_t count) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  count = std::min(count, schema_.row_count.value_or(0) - row_);
  if (api_.skip(reader_, count, &error_) != 0) return PluginError();
  row_ += count;
  return OkStatus();
}

Result<bool> ParquetSource::NextBatch(OpContext& ctx, uint32_t rows_max, uint64_t bytes_max, RowBatch* batch) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  batch->dim = schema_.dim;
  batch->Clear(row_);
  while (batch->rows_end - batch->rows_begin < rows_max && batch->bytes() < bytes_max) {
    // A guess of what still fits, so that one call cannot overshoot `bytes_max` by much.
    const uint64_t row_bytes = std::max<uint64_t>(schema_.dim * sizeof(float), 1);
    const uint64_t room = std::max<uint64_t>((bytes_max - batch->bytes()) / row_bytes, 1);
    const auto wanted = static_cast<uint32_t>(std::min(rows_max - (batch->rows_end - batch->rows_begin), room));
    AkidbParquetBatch rows{};
    if (api_.next(reader_, wanted, &rows, &error_) != 0) return std::unexpected(PluginError());
    if (rows.row_count == 0) break;
    for (uint32_t i = 0; i < rows.row_count; ++i) {
      const uint32_t id = i == 0 ? 0 : rows.id_ends[i - 1];
      const uint64_t vector = i == 0 ? 0 : rows.vector_ends[i - 1];
      const uint32_t payload = i == 0 ? 0 : rows.payload_ends[i - 1];
      batch->ids.append(rows.ids + id, rows.id_ends[i] - id);
      batch->vectors.insert(batch->vectors.end(), rows.vectors + vector, rows.vectors + rows.vector_ends[i]);
      batch->payloads.append(rows.payloads + payload, rows.payload_ends[i] - payload);
      batch->EndRow(OkStatus(), options_.limits);
    }
  }
  row_ = batch->rows_end;
  return batch->rows_end > batch->rows_begin;
}

}  // namespace

Result<std::unique_ptr<RowSource>> OpenParquetSource(OpContext& ctx, const std::string& path,
                                                     const SourceOptions& options) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  if (!Plugin()) return std::unexpected(Plugin().error());
  auto source = std::make_unique<ParquetSource>(**Plugin(), options);
  AKI_RETURN_IF_ERROR(source->Open(path));
  return source;
}

}  // namespace akidb
