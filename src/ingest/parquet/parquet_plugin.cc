// Reads Parquet through Arrow, a batch of rows of one row group at a time, behind the C interface of parquet_abi.h.
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <numeric>

#include "base/json_writer.h"
#include "ingest/parquet/arrow_json.h"
#include "ingest/parquet/parquet_abi.h"

namespace akidb::parquet_plugin {
namespace {

constexpr int64_t kBatchRows = 1024;
constexpr int64_t kStreamBufferBytes = 1 << 20;

bool IsFloating(const arrow::DataType& type) {
  return type.id() == arrow::Type::FLOAT || type.id() == arrow::Type::DOUBLE || type.id() == arrow::Type::HALF_FLOAT;
}

bool CanBeVector(const arrow::DataType& type) {
  const bool list = type.id() == arrow::Type::LIST || type.id() == arrow::Type::LARGE_LIST ||
                    type.id() == arrow::Type::FIXED_SIZE_LIST;
  return list && IsFloating(*type.field(0)->type());
}

bool CanBeId(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING || arrow::is_integer(type.id());
}

void CollectLeaves(const parquet::arrow::SchemaField& field, std::vector<int>* leaves) {
  if (field.column_index >= 0) leaves->push_back(field.column_index);
  for (const auto& child : field.children) CollectLeaves(child, leaves);
}

class VectorAppender {
 public:
  // Appends element `index` of `values` .. `index + count`.
  static void Append(const arrow::Array& values, int64_t begin, int64_t count, std::vector<float>* out) {
    const size_t at = out->size();
    out->resize(at + static_cast<size_t>(count));
    float* to = out->data() + at;
    if (values.type_id() == arrow::Type::FLOAT) {
      const float* from = static_cast<const arrow::FloatArray&>(values).raw_values() + begin;
      std::copy(from, from + count, to);
    } else if (values.type_id() == arrow::Type::DOUBLE) {
      const double* from = static_cast<const arrow::DoubleArray&>(values).raw_values() + begin;
      std::transform(from, from + count, to, [](double v) { return static_cast<float>(v); });
    } else {
      const auto& halves = static_cast<const arrow::HalfFloatArray&>(values);
      for (int64_t i = 0; i < count; ++i) to[i] = HalfToFloat(halves.Value(begin + i));
    }
    if (values.null_count() == 0) return;
    for (int64_t i = 0; i < count; ++i) {
      if (values.IsNull(begin + i)) to[i] = NAN;
    }
  }
};

class Reader {
 public:
  arrow::Status Open(const char* path, AkidbParquetSchema* out);
  arrow::Status Start(const uint8_t* roles, uint32_t* dim);
  arrow::Status Skip(uint64_t count);
  arrow::Status Next(uint32_t rows_max, AkidbParquetBatch* out);

 private:
  arrow::Status OpenGroups(uint64_t rows_to_skip);
  arrow::Status Refill();
  arrow::Status Bind(const arrow::RecordBatch& batch);
  void AppendId(int64_t row);
  template <class ListType>
  void AppendVectors(const ListType& list, int64_t begin, int64_t end);
  void AppendPayload(int64_t row);

  std::unique_ptr<parquet::arrow::FileReader> file_;
  std::vector<std::string> names_;
  std::vector<std::string> types_;
  std::vector<AkidbParquetColumn> columns_;
  std::vector<uint8_t> roles_;
  std::vector<int> leaves_;
  std::vector<std::string> keys_;  // "name": of each payload column, by column

  uint64_t row_ = 0;  // of the file, the next to hand out
  std::unique_ptr<arrow::RecordBatchReader> groups_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  int64_t batch_row_ = 0;
  std::shared_ptr<arrow::Array> id_;
  std::shared_ptr<arrow::Array> vector_;
  std::vector<std::pair<const std::string*, std::unique_ptr<CellWriter>>> cells_;

  std::string ids_;
  std::vector<uint32_t> id_ends_;
  std::vector<float> vectors_;
  std::vector<uint64_t> vector_ends_;
  std::string payloads_;
  std::vector<uint32_t> payload_ends_;
};

arrow::Status Reader::Open(const char* path, AkidbParquetSchema* out) {
  ARROW_ASSIGN_OR_RAISE(auto input, arrow::io::ReadableFile::Open(path));
  parquet::ReaderProperties properties;
  properties.enable_buffered_stream();  // memory follows the batch, not the row group
  properties.set_buffer_size(kStreamBufferBytes);
  parquet::ArrowReaderProperties arrow_properties;
  arrow_properties.set_batch_size(kBatchRows);
  arrow_properties.set_pre_buffer(false);
  arrow_properties.set_use_threads(false);
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Open(std::move(input), properties));
  builder.properties(arrow_properties);
  ARROW_ASSIGN_OR_RAISE(file_, builder.Build());
  std::shared_ptr<arrow::Schema> schema;
  ARROW_RETURN_NOT_OK(file_->GetSchema(&schema));
  for (const auto& field : schema->fields()) {
    names_.push_back(field->name());
    types_.push_back(field->type()->ToString());
    std::string key;
    AppendJsonString(field->name(), &key);
    keys_.push_back(key + ":");
  }
  for (int i = 0; i < schema->num_fields(); ++i) {
    const arrow::DataType& type = *schema->field(i)->type();
    const auto at = static_cast<size_t>(i);
    columns_.push_back({names_[at].c_str(), types_[at].c_str(), CanBeId(type), CanBeVector(type), HasJsonForm(type)});
  }
  *out = {columns_.data(), static_cast<uint32_t>(columns_.size()),
          static_cast<uint64_t>(file_->parquet_reader()->metadata()->num_rows())};
  return arrow::Status::OK();
}

arrow::Status Reader::Start(const uint8_t* roles, uint32_t* dim) {
  roles_.assign(roles, roles + columns_.size());
  const auto& fields = file_->manifest().schema_fields;
  for (size_t i = 0; i < roles_.size(); ++i) {
    if (roles_[i] != AKIDB_PARQUET_SKIP) CollectLeaves(fields[i], &leaves_);
  }
  *dim = 0;
  ARROW_RETURN_NOT_OK(OpenGroups(0));
  AkidbParquetBatch first{};
  ARROW_RETURN_NOT_OK(Next(kBatchRows, &first));
  for (uint32_t row = 0; row < first.row_count && *dim == 0; ++row) {
    const uint64_t begin = row == 0 ? 0 : first.vector_ends[row - 1];
    *dim = static_cast<uint32_t>(first.vector_ends[row] - begin);
  }
  row_ = 0;
  return OpenGroups(0);
}

arrow::Status Reader::OpenGroups(uint64_t rows_to_skip) {
  const auto metadata = file_->parquet_reader()->metadata();
  int group = 0;
  while (group < metadata->num_row_groups()) {
    const auto rows = static_cast<uint64_t>(metadata->RowGroup(group)->num_rows());
    if (rows > rows_to_skip) break;
    rows_to_skip -= rows;
    row_ += rows;
    ++group;
  }
  std::vector<int> groups(static_cast<size_t>(metadata->num_row_groups() - group));
  std::iota(groups.begin(), groups.end(), group);
  batch_.reset();
  batch_row_ = 0;
  ARROW_ASSIGN_OR_RAISE(groups_, file_->GetRecordBatchReader(groups, leaves_));
  while (rows_to_skip > 0) {
    ARROW_RETURN_NOT_OK(Refill());
    if (batch_ == nullptr) return arrow::Status::OK();
    const auto here = std::min(rows_to_skip, static_cast<uint64_t>(batch_->num_rows() - batch_row_));
    batch_row_ += static_cast<int64_t>(here);
    row_ += here;
    rows_to_skip -= here;
  }
  return arrow::Status::OK();
}

arrow::Status Reader::Skip(uint64_t count) {
  const uint64_t target = row_ + count;
  row_ = 0;
  return OpenGroups(target);
}

// Makes batch_ hold at least one row not yet handed out, or null at the end of the file.
arrow::Status Reader::Refill() {
  while (batch_ == nullptr || batch_row_ == batch_->num_rows()) {
    ARROW_RETURN_NOT_OK(groups_->ReadNext(&batch_));
    batch_row_ = 0;
    if (batch_ == nullptr) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(Bind(*batch_));
  }
  return arrow::Status::OK();
}

arrow::Status Reader::Bind(const arrow::RecordBatch& batch) {
  cells_.clear();
  int position = 0;
  for (size_t i = 0; i < roles_.size(); ++i) {
    if (roles_[i] == AKIDB_PARQUET_SKIP) continue;
    const std::shared_ptr<arrow::Array> array = batch.column(position++);
    if (roles_[i] == AKIDB_PARQUET_ID) {
      id_ = array;
    } else if (roles_[i] == AKIDB_PARQUET_VECTOR) {
      vector_ = array;
    } else {
      auto writer = MakeCellWriter(array);
      if (writer == nullptr) return arrow::Status::TypeError("column '", names_[i], "' has no JSON form");
      cells_.emplace_back(&keys_[i], std::move(writer));
    }
  }
  return arrow::Status::OK();
}

template <class ArrayType>
bool AppendInteger(const arrow::Array& array, int64_t row, std::string* out) {
  char text[24];
  out->append(text, std::to_chars(text, text + sizeof(text), static_cast<const ArrayType&>(array).Value(row)).ptr);
  return true;
}

void Reader::AppendId(int64_t row) {
  if (id_->IsNull(row)) return;
  switch (id_->type_id()) {
    case arrow::Type::STRING: ids_ += static_cast<const arrow::StringArray&>(*id_).GetView(row); break;
    case arrow::Type::LARGE_STRING: ids_ += static_cast<const arrow::LargeStringArray&>(*id_).GetView(row); break;
    case arrow::Type::INT8: AppendInteger<arrow::Int8Array>(*id_, row, &ids_); break;
    case arrow::Type::INT16: AppendInteger<arrow::Int16Array>(*id_, row, &ids_); break;
    case arrow::Type::INT32: AppendInteger<arrow::Int32Array>(*id_, row, &ids_); break;
    case arrow::Type::INT64: AppendInteger<arrow::Int64Array>(*id_, row, &ids_); break;
    case arrow::Type::UINT8: AppendInteger<arrow::UInt8Array>(*id_, row, &ids_); break;
    case arrow::Type::UINT16: AppendInteger<arrow::UInt16Array>(*id_, row, &ids_); break;
    case arrow::Type::UINT32: AppendInteger<arrow::UInt32Array>(*id_, row, &ids_); break;
    case arrow::Type::UINT64: AppendInteger<arrow::UInt64Array>(*id_, row, &ids_); break;
    default: break;
  }
}

template <class ListType>
void Reader::AppendVectors(const ListType& list, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    if (!list.IsNull(row)) {
      VectorAppender::Append(*list.values(), list.value_offset(row), list.value_length(row), &vectors_);
    }
    vector_ends_.push_back(vectors_.size());
  }
}

void Reader::AppendPayload(int64_t row) {
  char separator = '{';
  for (const auto& [key, writer] : cells_) {
    payloads_.push_back(separator);
    separator = ',';
    payloads_ += *key;
    writer->Append(row, &payloads_);
  }
  if (cells_.empty()) payloads_.push_back('{');
  payloads_.push_back('}');
}

arrow::Status Reader::Next(uint32_t rows_max, AkidbParquetBatch* out) {
  *out = {};
  ARROW_RETURN_NOT_OK(Refill());
  if (batch_ == nullptr) return arrow::Status::OK();
  ids_.clear();
  id_ends_.clear();
  vectors_.clear();
  vector_ends_.clear();
  payloads_.clear();
  payload_ends_.clear();
  const int64_t begin = batch_row_;
  const int64_t end = std::min<int64_t>(begin + rows_max, batch_->num_rows());
  for (int64_t row = begin; row < end; ++row) {
    AppendId(row);
    AppendPayload(row);
    if (ids_.size() > UINT32_MAX || payloads_.size() > UINT32_MAX) {
      return arrow::Status::CapacityError("a batch of ", end - begin, " rows has more than 4 GiB of payload");
    }
    id_ends_.push_back(static_cast<uint32_t>(ids_.size()));
    payload_ends_.push_back(static_cast<uint32_t>(payloads_.size()));
  }
  if (vector_->type_id() == arrow::Type::LIST) {
    AppendVectors(static_cast<const arrow::ListArray&>(*vector_), begin, end);
  } else if (vector_->type_id() == arrow::Type::LARGE_LIST) {
    AppendVectors(static_cast<const arrow::LargeListArray&>(*vector_), begin, end);
  } else {
    AppendVectors(static_cast<const arrow::FixedSizeListArray&>(*vector_), begin, end);
  }
  batch_row_ = end;
  row_ += static_cast<uint64_t>(end - begin);
  *out = {static_cast<uint32_t>(end - begin),
          ids_.data(),
          id_ends_.data(),
          vectors_.data(),
          vector_ends_.data(),
          payloads_.data(),
          payload_ends_.data()};
  return arrow::Status::OK();
}

// The border that no exception crosses.
int Guard(AkidbParquetError* error, const std::function<arrow::Status()>& body) {
  std::string message;
  try {
    const arrow::Status status = body();
    if (status.ok()) return 0;
    message = status.message();
  } catch (const std::exception& e) {
    message = e.what();
  }
  std::snprintf(error->text, error->size, "%s", message.c_str());
  return -1;
}

Reader* Inner(AkidbParquetReader* reader) { return reinterpret_cast<Reader*>(reader); }

int Open(const char* path, AkidbParquetReader** reader, AkidbParquetSchema* schema, AkidbParquetError* error) {
  auto inner = std::make_unique<Reader>();
  const int code = Guard(error, [&] { return inner->Open(path, schema); });
  if (code == 0) *reader = reinterpret_cast<AkidbParquetReader*>(inner.release());
  return code;
}
int Start(AkidbParquetReader* reader, const uint8_t* roles, uint32_t* dim, AkidbParquetError* error) {
  return Guard(error, [&] { return Inner(reader)->Start(roles, dim); });
}
int Skip(AkidbParquetReader* reader, uint64_t count, AkidbParquetError* error) {
  return Guard(error, [&] { return Inner(reader)->Skip(count); });
}
int Next(AkidbParquetReader* reader, uint32_t rows_max, AkidbParquetBatch* batch, AkidbParquetError* error) {
  return Guard(error, [&] { return Inner(reader)->Next(rows_max, batch); });
}
void Close(AkidbParquetReader* reader) { delete Inner(reader); }

constexpr AkidbParquetApi kApi = {AKIDB_PARQUET_ABI_VERSION, Open, Start, Skip, Next, Close};

}  // namespace
}  // namespace akidb::parquet_plugin

extern "C" __attribute__((visibility("default"))) const AkidbParquetApi* akidb_parquet_api(void) {
  return &akidb::parquet_plugin::kApi;
}
