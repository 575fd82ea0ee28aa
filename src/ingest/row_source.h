// Rows of a file, whatever its format, as columns ready to be sent: ids, float32 vectors, payloads as JSON objects.
// It exists so that `ingest` knows one interface and a new format is one new class.
//
// Threads: a source and its batches belong to one thread at a time.
// Errors:  opening: kInvalidArgument (names column, value and limit), kNotFound, kUnimplemented (no reader for the
//          format). A bad row is never an error of the call: it becomes a RowProblem and the rest goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/file_system.h"
#include "base/status.h"
#include "ingest/row_batch.h"

namespace akidb {

enum class FileFormat : uint8_t { kAuto, kJsonl, kCsv, kParquet };

// Which column of the file becomes what.
struct ColumnMapping {
  std::string id_column = "id";
  std::string vector_column = "vector";
  std::vector<std::string> payload_columns;  // empty: all that are not id, vector or excluded
  std::vector<std::string> exclude;
  std::vector<std::string> string_columns;  // CSV only: never guessed to be numbers
  char csv_delimiter = ',';
};

enum class ColumnRole : uint8_t { kId, kVector, kPayload, kExcluded };
std::string_view ColumnRoleName(ColumnRole role);  // "id" "vector" "payload" "excluded"

struct SourceColumn {
  std::string name;
  std::string type;  // in the format's own words: "list<float>", "string", "int"
  ColumnRole role = ColumnRole::kPayload;
};

struct SourceSchema {
  FileFormat format = FileFormat::kAuto;
  std::vector<SourceColumn> columns;  // JSONL and CSV: as seen in the first rows
  std::optional<uint64_t> row_count;  // known without reading the file only for Parquet
  uint32_t dim = 0;
  uint64_t size_bytes = 0;
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual const SourceSchema& schema() const = 0;
  // Passes over the next `count` rows, good or bad, or to the end of the file.
  virtual Status SkipRows(OpContext& ctx, uint64_t count) = 0;
  // Replaces `batch` by the next rows, at most `rows_max` and about `bytes_max`. False at the end of the file.
  virtual Result<bool> NextBatch(OpContext& ctx, uint32_t rows_max, uint64_t bytes_max, RowBatch* batch) = 0;
  // Bytes of the file that were consumed, for progress; Parquet counts rows instead.
  virtual uint64_t bytes_read() const = 0;
};

struct SourceOptions {
  FileFormat format = FileFormat::kAuto;  // kAuto: by the name's ending: .jsonl .ndjson .json .csv .tsv .parquet .pq
  ColumnMapping mapping;
  RowLimits limits;
};

Result<std::unique_ptr<RowSource>> OpenRowSource(OpContext& ctx, FileSystem& fs, const std::string& path,
                                                 const SourceOptions& options);

std::optional<FileFormat> ParseFileFormat(std::string_view name);  // "auto" "jsonl" "csv" "parquet"
std::string_view FileFormatName(FileFormat format);

// The readers behind OpenRowSource; tests and fuzz targets hand them files in memory.
Result<std::unique_ptr<RowSource>> OpenJsonlSource(OpContext& ctx, std::unique_ptr<File> file,
                                                   const SourceOptions& options);
Result<std::unique_ptr<RowSource>> OpenCsvSource(OpContext& ctx, std::unique_ptr<File> file,
                                                 const SourceOptions& options);
Result<std::unique_ptr<RowSource>> OpenParquetSource(OpContext& ctx, const std::string& path,
                                                     const SourceOptions& options);

}  // namespace akidb
