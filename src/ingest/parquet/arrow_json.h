// Cells of Arrow columns as JSON text.
//
// Threads: a writer belongs to one thread and one record batch.
// Errors:  MakeCellWriter returns null for types that have no JSON form here (binary, intervals, unions).
#pragma once

#include <arrow/api.h>

#include <memory>
#include <string>

namespace akidb::parquet_plugin {

class CellWriter {
 public:
  virtual ~CellWriter() = default;
  virtual void Append(int64_t row, std::string* out) const = 0;
};

bool HasJsonForm(const arrow::DataType& type);
// Requires HasJsonForm(*array->type()).
std::unique_ptr<CellWriter> MakeCellWriter(const std::shared_ptr<arrow::Array>& array);

float HalfToFloat(uint16_t half);

}  // namespace akidb::parquet_plugin
