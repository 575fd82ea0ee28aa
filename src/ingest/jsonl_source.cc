// JSON lines: one object a line. The fields that are neither id nor vector are the payload; if that is a single field
// "payload" holding an object, its content is the payload (the form of POST /collections/{c}/vectors).
#include <simdjson.h>

#include "base/json_writer.h"
#include "ingest/mapping.h"
#include "ingest/row_source.h"
#include "ingest/text_window.h"

namespace akidb {
namespace {

namespace dom = simdjson::dom;

constexpr uint64_t kSampleRows = 100;
constexpr size_t kParserBytes = 1u << 20;  // grows with the longest line
constexpr size_t kDepthMax = 128;
constexpr std::string_view kPayloadField = "payload";

void AppendDouble(double value, std::string* out) {
  const size_t begin = out->size();
  AppendJsonNumber(value, out);
  // Keeps a float a float: 5.0 must not come back as the integer 5.
  if (std::string_view(*out).substr(begin).find_first_of(".en") == std::string_view::npos) *out += ".0";
}

void AppendElement(const dom::element& value, std::string* out) {
  char separator = 0;
  switch (value.type()) {
    case dom::element_type::OBJECT:
      out->push_back('{');
      for (const dom::key_value_pair field : dom::object(value)) {
        if (separator != 0) out->push_back(separator);
        separator = ',';
        AppendJsonString(field.key, out);
        out->push_back(':');
        AppendElement(field.value, out);
      }
      out->push_back('}');
      return;
    case dom::element_type::ARRAY:
      out->push_back('[');
      for (const dom::element item : dom::array(value)) {
        if (separator != 0) out->push_back(separator);
        separator = ',';
        AppendElement(item, out);
      }
      out->push_back(']');
      return;
    case dom::element_type::STRING: AppendJsonString(std::string_view(value), out); return;
    case dom::element_type::INT64: *out += std::to_string(int64_t(value)); return;
    case dom::element_type::UINT64: *out += std::to_string(uint64_t(value)); return;
    case dom::element_type::DOUBLE: AppendDouble(double(value), out); return;
    case dom::element_type::BOOL: *out += bool(value) ? "true" : "false"; return;
    case dom::element_type::NULL_VALUE: *out += "null"; return;
  }
}

std::string_view TypeName(const dom::element& value) {
  switch (value.type()) {
    case dom::element_type::OBJECT: return "object";
    case dom::element_type::ARRAY: return "list";
    case dom::element_type::STRING: return "string";
    case dom::element_type::INT64:
    case dom::element_type::UINT64: return "int";
    case dom::element_type::DOUBLE: return "float";
    case dom::element_type::BOOL: return "bool";
    case dom::element_type::NULL_VALUE: return "null";
  }
  return "unknown";
}

Status AppendId(const dom::element& value, std::string* out) {
  switch (value.type()) {
    case dom::element_type::STRING: *out += std::string_view(value); return OkStatus();
    case dom::element_type::INT64: *out += std::to_string(int64_t(value)); return OkStatus();
    case dom::element_type::UINT64: *out += std::to_string(uint64_t(value)); return OkStatus();
    default: return InvalidArgument("id is a " + std::string(TypeName(value)) + ", expected a string or an integer");
  }
}

Status AppendVector(const dom::element& value, size_t length_max, std::vector<float>* out) {
  dom::array array;
  if (value.get(array) != simdjson::SUCCESS) {
    return InvalidArgument("vector is a " + std::string(TypeName(value)) + ", expected a list of numbers");
  }
  size_t length = 0;
  for (const dom::element item : array) {
    double number = 0;
    if (item.get(number) != simdjson::SUCCESS) {
      return InvalidArgument("vector element " + std::to_string(length) + " is a " + std::string(TypeName(item)) +
                             ", expected a number");
    }
    if (++length > length_max) {
      return InvalidArgument("vector has more than " + std::to_string(length_max) + " elements");
    }
    out->push_back(static_cast<float>(number));
  }
  return OkStatus();
}

class JsonlSource final : public RowSource {
 public:
  JsonlSource(std::unique_ptr<File> file, SourceOptions options)
      : window_(std::move(file)), options_(std::move(options)) {}

  Status Open(uint64_t size_bytes);

  const SourceSchema& schema() const override { return schema_; }
  uint64_t bytes_read() const override { return window_.consumed(); }
  Status SkipRows(OpContext& ctx, uint64_t count) override;
  Result<bool> NextBatch(OpContext& ctx, uint32_t rows_max, uint64_t bytes_max, RowBatch* batch) override;

 private:
  // The next line that is not blank.
  Result<bool> NextRow(std::string_view* line, bool* too_long);
  Status ParseObject(std::string_view line, dom::object* object);
  Status ParseRow(std::string_view line, RowBatch* batch);
  Status Sample();
  void SampleField(std::string_view name, const dom::element& value);

  TextWindow window_;
  SourceOptions options_;
  SourceSchema schema_;
  dom::parser parser_;
  uint64_t row_ = 0;
};

Status JsonlSource::Open(uint64_t size_bytes) {
  if (parser_.allocate(kParserBytes, kDepthMax) != simdjson::SUCCESS) {
    return ResourceExhausted("no memory for the JSON parser");
  }
  schema_.format = FileFormat::kJsonl;
  schema_.size_bytes = size_bytes;
  AKI_RETURN_IF_ERROR(Sample());
  window_.Rewind();
  AKI_RETURN_IF_ERROR(AssignRoles(options_.mapping, options_.limits, ColumnSet::kSample, &schema_.columns));
  if (schema_.dim > 0) return OkStatus();
  return InvalidArgument("column '" + options_.mapping.vector_column + "' has no list of numbers in the first " +
                         std::to_string(kSampleRows) + " rows");
}

Result<bool> JsonlSource::NextRow(std::string_view* line, bool* too_long) {
  for (;;) {
    const bool first = window_.consumed() == 0;
    AKI_ASSIGN_OR_RETURN(const bool found, window_.NextLine(options_.limits.row_bytes_max, line, too_long));
    if (!found) return false;
    if (first && line->starts_with("\xEF\xBB\xBF")) line->remove_prefix(3);
    if (*too_long || line->find_first_not_of(" \t") != std::string_view::npos) return true;
  }
}

Status JsonlSource::ParseObject(std::string_view line, dom::object* object) {
  dom::element document;
  if (const auto error = parser_.parse(line.data(), line.size(), false).get(document)) {
    return InvalidArgument(std::string("not valid JSON: ") + simdjson::error_message(error));
  }
  if (document.get(*object) != simdjson::SUCCESS) {
    return InvalidArgument("the line is a " + std::string(TypeName(document)) + ", expected an object");
  }
  return OkStatus();
}

void JsonlSource::SampleField(std::string_view name, const dom::element& value) {
  const std::string_view type = TypeName(value);
  if (schema_.dim == 0 && name == options_.mapping.vector_column && value.is_array()) {
    schema_.dim = static_cast<uint32_t>(std::min<size_t>(dom::array(value).size(), options_.limits.dim_max));
  }
  for (SourceColumn& column : schema_.columns) {
    if (column.name != name) continue;
    if (column.type == "null") column.type = type;
    if (type != "null" && column.type != type) column.type = "mixed";
    return;
  }
  schema_.columns.push_back({std::string(name), std::string(type), ColumnRole::kPayload});
}

Status JsonlSource::Sample() {
  std::string_view line;
  bool too_long = false;
  Status first_problem;
  for (uint64_t row = 0; row < kSampleRows; ++row) {
    AKI_ASSIGN_OR_RETURN(const bool found, NextRow(&line, &too_long));
    if (!found) break;
    dom::object object;
    const Status parsed = too_long ? InvalidArgument("the line is too long") : ParseObject(line, &object);
    if (!parsed.ok()) {
      if (first_problem.ok()) first_problem = Status(parsed).Annotate("row " + std::to_string(row + 1));
      continue;
    }
    for (const dom::key_value_pair field : object) {
      if (schema_.columns.size() > options_.limits.columns_max) break;
      SampleField(field.key, field.value);
    }
  }
  if (!schema_.columns.empty()) return OkStatus();
  return first_problem.ok() ? InvalidArgument("the file has no rows") : first_problem;
}

Status JsonlSource::ParseRow(std::string_view line, RowBatch* batch) {
  dom::object object;
  AKI_RETURN_IF_ERROR(ParseObject(line, &object));
  bool has_id = false;
  bool has_vector = false;
  size_t payload_fields = 0;
  std::optional<dom::element> whole_payload;
  const size_t payload_begin = batch->payloads.size();
  batch->payloads.push_back('{');
  for (const dom::key_value_pair field : object) {
    switch (RoleOf(options_.mapping, field.key)) {
      case ColumnRole::kId:
        if (has_id) return InvalidArgument("field '" + options_.mapping.id_column + "' occurs twice");
        has_id = true;
        AKI_RETURN_IF_ERROR(AppendId(field.value, &batch->ids));
        break;
      case ColumnRole::kVector:
        if (has_vector) return InvalidArgument("field '" + options_.mapping.vector_column + "' occurs twice");
        has_vector = true;
        AKI_RETURN_IF_ERROR(AppendVector(field.value, options_.limits.dim_max, &batch->vectors));
        break;
      case ColumnRole::kPayload:
        if (payload_fields++ > 0) batch->payloads.push_back(',');
        if (field.key == kPayloadField) whole_payload = field.value;
        AppendJsonString(field.key, &batch->payloads);
        batch->payloads.push_back(':');
        AppendElement(field.value, &batch->payloads);
        break;
      case ColumnRole::kExcluded: break;
    }
  }
  batch->payloads.push_back('}');
  if (!has_id) return InvalidArgument("field '" + options_.mapping.id_column + "' is missing");
  if (!has_vector) return InvalidArgument("field '" + options_.mapping.vector_column + "' is missing");
  if (payload_fields == 1 && whole_payload && whole_payload->is_object()) {
    constexpr size_t kWrapperBytes = std::string_view("{\"payload\":").size();
    batch->payloads.pop_back();
    batch->payloads.erase(payload_begin, kWrapperBytes);
  }
  return OkStatus();
}

Status JsonlSource::SkipRows(OpContext& ctx, uint64_t count) {
  std::string_view line;
  bool too_long = false;
  for (uint64_t i = 0; i < count; ++i) {
    if (i % 4096 == 0) AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_ASSIGN_OR_RETURN(const bool found, NextRow(&line, &too_long));
    if (!found) return OkStatus();
    ++row_;
  }
  return OkStatus();
}

Result<bool> JsonlSource::NextBatch(OpContext& ctx, uint32_t rows_max, uint64_t bytes_max, RowBatch* batch) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  batch->dim = schema_.dim;
  batch->Clear(row_);
  std::string_view line;
  bool too_long = false;
  while (batch->rows_end - batch->rows_begin < rows_max && batch->bytes() < bytes_max) {
    AKI_ASSIGN_OR_RETURN(const bool found, NextRow(&line, &too_long));
    if (!found) break;
    Status status =
        too_long ? InvalidArgument("the line has more than " + std::to_string(options_.limits.row_bytes_max) + " bytes")
                 : ParseRow(line, batch);
    batch->EndRow(std::move(status), options_.limits);
  }
  row_ = batch->rows_end;
  return batch->rows_end > batch->rows_begin;
}

}  // namespace

Result<std::unique_ptr<RowSource>> OpenJsonlSource(OpContext& ctx, std::unique_ptr<File> file,
                                                   const SourceOptions& options) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  AKI_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  auto source = std::make_unique<JsonlSource>(std::move(file), options);
  AKI_RETURN_IF_ERROR(source->Open(size));
  return source;
}

}  // namespace akidb
