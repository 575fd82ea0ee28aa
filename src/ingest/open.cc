#include <algorithm>
#include <cctype>

#include "ingest/row_source.h"

namespace akidb {
namespace {

FileFormat FormatOfName(const std::string& path) {
  std::string lower = path;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const std::string_view ending : {".jsonl", ".ndjson", ".json"}) {
    if (lower.ends_with(ending)) return FileFormat::kJsonl;
  }
  if (lower.ends_with(".csv") || lower.ends_with(".tsv")) return FileFormat::kCsv;
  if (lower.ends_with(".parquet") || lower.ends_with(".pq")) return FileFormat::kParquet;
  return FileFormat::kAuto;
}

}  // namespace

std::optional<FileFormat> ParseFileFormat(std::string_view name) {
  for (const FileFormat format : {FileFormat::kAuto, FileFormat::kJsonl, FileFormat::kCsv, FileFormat::kParquet}) {
    if (name == FileFormatName(format)) return format;
  }
  return std::nullopt;
}

std::string_view FileFormatName(FileFormat format) {
  switch (format) {
    case FileFormat::kAuto: return "auto";
    case FileFormat::kJsonl: return "jsonl";
    case FileFormat::kCsv: return "csv";
    case FileFormat::kParquet: return "parquet";
  }
  return "unknown";
}

Result<std::unique_ptr<RowSource>> OpenRowSource(OpContext& ctx, FileSystem& fs, const std::string& path,
                                                 const SourceOptions& options) {
  SourceOptions chosen = options;
  if (chosen.format == FileFormat::kAuto) chosen.format = FormatOfName(path);
  if (chosen.format == FileFormat::kAuto) {
    return std::unexpected(
        InvalidArgument("'" + path + "': the name does not tell the format; choose it with --format"));
  }
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<File> file, fs.Open(path, OpenMode::kRead));
  if (chosen.format == FileFormat::kParquet) return OpenParquetSource(ctx, path, chosen);
  if (chosen.format == FileFormat::kJsonl) return OpenJsonlSource(ctx, std::move(file), chosen);
  if (path.ends_with(".tsv") && options.format == FileFormat::kAuto) chosen.mapping.csv_delimiter = '\t';
  return OpenCsvSource(ctx, std::move(file), chosen);
}

}  // namespace akidb
