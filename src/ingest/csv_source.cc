// CSV with a header line. Types are guessed from the first rows: a column whose values are all numbers, true/false or
// JSON lists and objects is that, anything else is text. A later value that does not fit is a problem of its row.
#include <simdjson.h>

#include <algorithm>

#include "base/json_writer.h"
#include "ingest/csv_records.h"
#include "ingest/mapping.h"
#include "ingest/row_source.h"
#include "ingest/vector_text.h"

namespace akidb {
namespace {

constexpr uint64_t kSampleRows = 1000;

enum class CellType : uint8_t { kUnseen, kInt, kFloat, kBool, kJson, kString };

std::string_view CellTypeName(CellType type) {
  switch (type) {
    case CellType::kInt: return "int";
    case CellType::kFloat: return "float";
    case CellType::kBool: return "bool";
    case CellType::kJson: return "json";
    case CellType::kUnseen:
    case CellType::kString: return "string";
  }
  return "unknown";
}

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// JSON's grammar of an integer, within 64 bits: "007" and "+1" are text.
bool IsInt(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return AllDigits(text) && text.size() <= 18 && (text.size() == 1 || text[0] != '0');
}

// JSON's grammar of a number.
bool IsFloat(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  size_t mantissa_end = std::min(text.find_first_of("eE"), text.size());
  std::string_view mantissa = text.substr(0, mantissa_end);
  const size_t dot = std::min(mantissa.find('.'), mantissa.size());
  const std::string_view whole = mantissa.substr(0, dot);
  if (!AllDigits(whole) || (whole.size() > 1 && whole[0] == '0')) return false;
  if (dot < mantissa.size() && !AllDigits(mantissa.substr(dot + 1))) return false;
  if (mantissa_end == text.size()) return true;
  std::string_view exponent = text.substr(mantissa_end + 1);
  if (exponent.starts_with('-') || exponent.starts_with('+')) exponent.remove_prefix(1);
  return AllDigits(exponent) && exponent.size() <= 3;
}

class CsvSource final : public RowSource {
 public:
  CsvSource(std::unique_ptr<File> file, SourceOptions options)
      : records_(std::move(file), options.mapping.csv_delimiter, options.limits.row_bytes_max),
        options_(std::move(options)) {}

  Status Open(uint64_t size_bytes);

  const SourceSchema& schema() const override { return schema_; }
  uint64_t bytes_read() const override { return records_.bytes_read(); }
  Status SkipRows(OpContext& ctx, uint64_t count) override;
  Result<bool> NextBatch(OpContext& ctx, uint32_t rows_max, uint64_t bytes_max, RowBatch* batch) override;

 private:
  Status ReadHeader();
  Status SampleTypes();
  CellType TypeOf(std::string_view text);
  bool IsJson(std::string_view text);
  Status AppendRow(RowBatch* batch);
  Status AppendCell(const SourceColumn& column, CellType type, const CsvField& cell, std::string* out);

  CsvRecords records_;
  SourceOptions options_;
  SourceSchema schema_;
  std::vector<CellType> types_;
  std::vector<CsvField> fields_;
  simdjson::dom::parser parser_;
  std::string json_copy_;
  uint64_t row_ = 0;
};

Status CsvSource::Open(uint64_t size_bytes) {
  schema_.format = FileFormat::kCsv;
  schema_.size_bytes = size_bytes;
  AKI_RETURN_IF_ERROR(ReadHeader());
  AKI_RETURN_IF_ERROR(AssignRoles(options_.mapping, options_.limits, ColumnSet::kComplete, &schema_.columns));
  AKI_RETURN_IF_ERROR(SampleTypes());
  records_.Rewind();
  Status problem;
  return internal::ToStatus(records_.Next(&fields_, &problem));
}

Status CsvSource::ReadHeader() {
  Status problem;
  AKI_ASSIGN_OR_RETURN(const bool found, records_.Next(&fields_, &problem));
  if (!found) return InvalidArgument("the file is empty, expected a header line");
  if (!problem.ok()) return std::move(problem).Annotate("header line");
  for (const CsvField& field : fields_) {
    schema_.columns.push_back({std::string(field.text), "string", ColumnRole::kPayload});
  }
  types_.assign(fields_.size(), CellType::kUnseen);
  return OkStatus();
}

bool CsvSource::IsJson(std::string_view text) {
  if (text.size() < 2 || (text[0] != '[' && text[0] != '{')) return false;
  json_copy_.assign(text);
  return parser_.parse(json_copy_).error() == simdjson::SUCCESS;
}

CellType CsvSource::TypeOf(std::string_view text) {
  if (IsInt(text)) return CellType::kInt;
  if (IsFloat(text)) return CellType::kFloat;
  if (text == "true" || text == "false") return CellType::kBool;
  return IsJson(text) ? CellType::kJson : CellType::kString;
}

Status CsvSource::SampleTypes() {
  const auto& strings = options_.mapping.string_columns;
  for (size_t i = 0; i < types_.size(); ++i) {
    const SourceColumn& column = schema_.columns[i];
    const bool forced = std::find(strings.begin(), strings.end(), column.name) != strings.end();
    if (forced || column.role != ColumnRole::kPayload) types_[i] = CellType::kString;
  }
  for (uint64_t row = 0; row < kSampleRows; ++row) {
    Status problem;
    AKI_ASSIGN_OR_RETURN(const bool found, records_.Next(&fields_, &problem));
    if (!found) break;
    if (!problem.ok() || fields_.size() != types_.size()) continue;
    for (size_t i = 0; i < fields_.size(); ++i) {
      const std::string_view text = fields_[i].text;
      if (schema_.dim == 0 && schema_.columns[i].role == ColumnRole::kVector) {
        std::vector<float> vector;
        if (AppendVectorText(text, options_.limits.dim_max, &vector).ok()) {
          schema_.dim = static_cast<uint32_t>(vector.size());
        }
      }
      if (types_[i] == CellType::kString || text.empty()) continue;
      const CellType seen = TypeOf(text);
      const bool both_numbers = seen <= CellType::kFloat && types_[i] <= CellType::kFloat;
      if (types_[i] == CellType::kUnseen) {
        types_[i] = seen;
      } else if (seen != types_[i]) {
        types_[i] = both_numbers ? CellType::kFloat : CellType::kString;
      }
    }
  }
  for (size_t i = 0; i < types_.size(); ++i) {
    if (types_[i] == CellType::kUnseen) types_[i] = CellType::kString;
    schema_.columns[i].type =
        schema_.columns[i].role == ColumnRole::kVector ? "vector text" : std::string(CellTypeName(types_[i]));
  }
  if (schema_.dim > 0) return OkStatus();
  return InvalidArgument("column '" + options_.mapping.vector_column + "' has no vector in the first " +
                         std::to_string(kSampleRows) + " rows");
}

Status CsvSource::AppendCell(const SourceColumn& column, CellType type, const CsvField& cell, std::string* out) {
  bool fits = true;
  switch (type) {
    case CellType::kInt: fits = IsInt(cell.text); break;
    case CellType::kFloat: fits = IsFloat(cell.text); break;
    case CellType::kBool: fits = cell.text == "true" || cell.text == "false"; break;
    case CellType::kJson: fits = IsJson(cell.text); break;
    case CellType::kUnseen:
    case CellType::kString: AppendJsonString(cell.text, out); return OkStatus();
  }
  if (!fits) {
    return InvalidArgument("column '" + column.name + "' is " + std::string(CellTypeName(type)) +
                           " but the value is '" + std::string(cell.text.substr(0, 40)) +
                           "'; if the column is text say --string-columns " + column.name);
  }
  *out += cell.text;
  return OkStatus();
}

Status CsvSource::AppendRow(RowBatch* batch) {
  if (fields_.size() != types_.size()) {
    return InvalidArgument("the record has " + std::to_string(fields_.size()) + " fields, the header has " +
                           std::to_string(types_.size()));
  }
  char separator = '{';
  for (size_t i = 0; i < fields_.size(); ++i) {
    const CsvField& cell = fields_[i];
    const SourceColumn& column = schema_.columns[i];
    if (column.role == ColumnRole::kId) {
      batch->ids += cell.text;
    } else if (column.role == ColumnRole::kVector) {
      AKI_RETURN_IF_ERROR(AppendVectorText(cell.text, options_.limits.dim_max, &batch->vectors));
    } else if (column.role == ColumnRole::kPayload &&
               (!cell.text.empty() || (cell.quoted && types_[i] == CellType::kString))) {
      batch->payloads.push_back(separator);
      separator = ',';
      AppendJsonString(column.name, &batch->payloads);
      batch->payloads.push_back(':');
      AKI_RETURN_IF_ERROR(AppendCell(column, types_[i], cell, &batch->payloads));
    }
  }
  if (separator == '{') batch->payloads.push_back('{');
  batch->payloads.push_back('}');
  return OkStatus();
}

Status CsvSource::SkipRows(OpContext& ctx, uint64_t count) {
  Status problem;
  for (uint64_t i = 0; i < count; ++i) {
    if (i % 4096 == 0) AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_ASSIGN_OR_RETURN(const bool found, records_.Next(&fields_, &problem));
    if (!found) return OkStatus();
    ++row_;
  }
  return OkStatus();
}

Result<bool> CsvSource::NextBatch(OpContext& ctx, uint32_t rows_max, uint64_t bytes_max, RowBatch* batch) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  batch->dim = schema_.dim;
  batch->Clear(row_);
  while (batch->rows_end - batch->rows_begin < rows_max && batch->bytes() < bytes_max) {
    Status problem;
    AKI_ASSIGN_OR_RETURN(const bool found, records_.Next(&fields_, &problem));
    if (!found) break;
    if (problem.ok()) problem = AppendRow(batch);
    batch->EndRow(std::move(problem), options_.limits);
  }
  row_ = batch->rows_end;
  return batch->rows_end > batch->rows_begin;
}

}  // namespace

Result<std::unique_ptr<RowSource>> OpenCsvSource(OpContext& ctx, std::unique_ptr<File> file,
                                                 const SourceOptions& options) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  const char delimiter = options.mapping.csv_delimiter;
  if (delimiter == '"' || delimiter == '\n' || delimiter == '\r') {
    return std::unexpected(InvalidArgument("the delimiter may not be a quote or a line break"));
  }
  AKI_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  auto source = std::make_unique<CsvSource>(std::move(file), options);
  AKI_RETURN_IF_ERROR(source->Open(size));
  return source;
}

}  // namespace akidb
