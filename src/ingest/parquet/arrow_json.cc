#include "ingest/parquet/arrow_json.h"

#include <bit>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "base/json_writer.h"

namespace akidb::parquet_plugin {
namespace {

template <class Integer>
void AppendInteger(Integer value, std::string* out) {
  char text[24];
  out->append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

// Keeps a float a float: 5.0 must not come back as the integer 5.
template <class Float>
void AppendFloat(Float value, std::string* out) {
  const size_t begin = out->size();
  AppendJsonNumber(value, out);
  if (std::string_view(*out).substr(begin).find_first_of(".en") == std::string_view::npos) *out += ".0";
}

// RFC 3339, UTC; fractional digits only as far as the unit goes and only when there are any.
void AppendTimestamp(int64_t value, arrow::TimeUnit::type unit, std::string* out) {
  const int64_t per_second = unit == arrow::TimeUnit::SECOND  ? 1
                             : unit == arrow::TimeUnit::MILLI ? 1000
                             : unit == arrow::TimeUnit::MICRO ? 1000000
                                                              : 1000000000;
  const int digits = unit == arrow::TimeUnit::SECOND  ? 0
                     : unit == arrow::TimeUnit::MILLI ? 3
                     : unit == arrow::TimeUnit::MICRO ? 6
                                                      : 9;
  int64_t seconds = value / per_second;
  int64_t fraction = value % per_second;
  if (fraction < 0) {
    fraction += per_second;
    --seconds;
  }
  int64_t days = seconds / 86400;
  int64_t of_day = seconds % 86400;
  if (of_day < 0) {
    of_day += 86400;
    --days;
  }
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{static_cast<int>(days)}}};
  char text[64];
  int size =
      std::snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    static_cast<int>(of_day / 3600), static_cast<int>(of_day / 60 % 60), static_cast<int>(of_day % 60));
  if (fraction != 0) {
    size += std::snprintf(text + size, sizeof(text) - static_cast<size_t>(size), ".%0*lld", digits,
                          static_cast<long long>(fraction));
  }
  out->push_back('"');
  out->append(text, static_cast<size_t>(size));
  *out += "Z\"";
}

void AppendDate(int64_t days, std::string* out) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{static_cast<int>(days)}}};
  char text[32];
  const int size = std::snprintf(text, sizeof(text), "\"%04d-%02u-%02u\"", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  out->append(text, static_cast<size_t>(size));
}

// Writes null, or what `append(array, row, out)` writes.
template <class ArrayType, class AppendValue>
class ValueWriter final : public CellWriter {
 public:
  ValueWriter(const std::shared_ptr<arrow::Array>& array, AppendValue append)
      : array_(std::static_pointer_cast<ArrayType>(array)), append_(std::move(append)) {}
  void Append(int64_t row, std::string* out) const override {
    if (array_->IsNull(row)) {
      *out += "null";
    } else {
      append_(*array_, row, out);
    }
  }

 private:
  std::shared_ptr<ArrayType> array_;
  AppendValue append_;
};

template <class ArrayType, class AppendValue>
std::unique_ptr<CellWriter> Make(const std::shared_ptr<arrow::Array>& array, AppendValue append) {
  return std::make_unique<ValueWriter<ArrayType, AppendValue>>(array, std::move(append));
}

template <class ArrayType>
std::unique_ptr<CellWriter> MakeInteger(const std::shared_ptr<arrow::Array>& array) {
  return Make<ArrayType>(array,
                         [](const ArrayType& a, int64_t row, std::string* out) { AppendInteger(a.Value(row), out); });
}

template <class ArrayType>
std::unique_ptr<CellWriter> MakeString(const std::shared_ptr<arrow::Array>& array) {
  return Make<ArrayType>(
      array, [](const ArrayType& a, int64_t row, std::string* out) { AppendJsonString(a.GetView(row), out); });
}

template <class ArrayType>
std::unique_ptr<CellWriter> MakeList(const std::shared_ptr<arrow::Array>& array) {
  std::shared_ptr<CellWriter> items = MakeCellWriter(std::static_pointer_cast<ArrayType>(array)->values());
  return Make<ArrayType>(array, [items](const ArrayType& a, int64_t row, std::string* out) {
    out->push_back('[');
    const int64_t begin = a.value_offset(row);
    for (int64_t i = 0; i < a.value_length(row); ++i) {
      if (i > 0) out->push_back(',');
      items->Append(begin + i, out);
    }
    out->push_back(']');
  });
}

std::unique_ptr<CellWriter> MakeStruct(const std::shared_ptr<arrow::Array>& array) {
  const auto& record = static_cast<const arrow::StructArray&>(*array);
  auto fields = std::make_shared<std::vector<std::pair<std::string, std::unique_ptr<CellWriter>>>>();
  for (int i = 0; i < record.num_fields(); ++i) {
    std::string key;
    AppendJsonString(record.type()->field(i)->name(), &key);
    fields->emplace_back(key + ":", MakeCellWriter(record.field(i)));
  }
  return Make<arrow::StructArray>(array, [fields](const arrow::StructArray&, int64_t row, std::string* out) {
    out->push_back('{');
    for (size_t i = 0; i < fields->size(); ++i) {
      if (i > 0) out->push_back(',');
      *out += (*fields)[i].first;
      (*fields)[i].second->Append(row, out);
    }
    out->push_back('}');
  });
}

// Keys are strings: HasJsonForm says so.
std::unique_ptr<CellWriter> MakeMap(const std::shared_ptr<arrow::Array>& array) {
  const auto& map = static_cast<const arrow::MapArray&>(*array);
  std::shared_ptr<CellWriter> keys = MakeCellWriter(map.keys());
  std::shared_ptr<CellWriter> items = MakeCellWriter(map.items());
  return Make<arrow::MapArray>(array, [keys, items](const arrow::MapArray& a, int64_t row, std::string* out) {
    out->push_back('{');
    const int64_t begin = a.value_offset(row);
    for (int64_t i = 0; i < a.value_length(row); ++i) {
      if (i > 0) out->push_back(',');
      keys->Append(begin + i, out);
      out->push_back(':');
      items->Append(begin + i, out);
    }
    out->push_back('}');
  });
}

std::unique_ptr<CellWriter> MakeDictionary(const std::shared_ptr<arrow::Array>& array) {
  std::shared_ptr<CellWriter> values = MakeCellWriter(static_cast<const arrow::DictionaryArray&>(*array).dictionary());
  return Make<arrow::DictionaryArray>(array, [values](const arrow::DictionaryArray& a, int64_t row, std::string* out) {
    values->Append(a.GetValueIndex(row), out);
  });
}

bool ChildrenHaveJsonForm(const arrow::DataType& type) {
  for (const auto& field : type.fields()) {
    if (!HasJsonForm(*field->type())) return false;
  }
  return true;
}

}  // namespace

float HalfToFloat(uint16_t half) { return static_cast<float>(std::bit_cast<_Float16>(half)); }

bool HasJsonForm(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::NA:
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::HALF_FLOAT:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: return true;
    case arrow::Type::DICTIONARY: return HasJsonForm(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::MAP:
      return static_cast<const arrow::MapType&>(type).key_type()->id() == arrow::Type::STRING &&
             HasJsonForm(*static_cast<const arrow::MapType&>(type).item_type());
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::STRUCT: return ChildrenHaveJsonForm(type);
    default: return false;
  }
}

std::unique_ptr<CellWriter> MakeCellWriter(const std::shared_ptr<arrow::Array>& array) {
  switch (array->type_id()) {
    case arrow::Type::NA:
      return Make<arrow::NullArray>(array, [](const arrow::NullArray&, int64_t, std::string* out) { *out += "null"; });
    case arrow::Type::BOOL:
      return Make<arrow::BooleanArray>(array, [](const arrow::BooleanArray& a, int64_t row, std::string* out) {
        *out += a.Value(row) ? "true" : "false";
      });
    case arrow::Type::INT8: return MakeInteger<arrow::Int8Array>(array);
    case arrow::Type::INT16: return MakeInteger<arrow::Int16Array>(array);
    case arrow::Type::INT32: return MakeInteger<arrow::Int32Array>(array);
    case arrow::Type::INT64: return MakeInteger<arrow::Int64Array>(array);
    case arrow::Type::UINT8: return MakeInteger<arrow::UInt8Array>(array);
    case arrow::Type::UINT16: return MakeInteger<arrow::UInt16Array>(array);
    case arrow::Type::UINT32: return MakeInteger<arrow::UInt32Array>(array);
    case arrow::Type::UINT64: return MakeInteger<arrow::UInt64Array>(array);
    case arrow::Type::HALF_FLOAT:
      return Make<arrow::HalfFloatArray>(array, [](const arrow::HalfFloatArray& a, int64_t row, std::string* out) {
        AppendFloat(HalfToFloat(a.Value(row)), out);
      });
    case arrow::Type::FLOAT:
      return Make<arrow::FloatArray>(
          array, [](const arrow::FloatArray& a, int64_t row, std::string* out) { AppendFloat(a.Value(row), out); });
    case arrow::Type::DOUBLE:
      return Make<arrow::DoubleArray>(
          array, [](const arrow::DoubleArray& a, int64_t row, std::string* out) { AppendFloat(a.Value(row), out); });
    case arrow::Type::STRING: return MakeString<arrow::StringArray>(array);
    case arrow::Type::LARGE_STRING: return MakeString<arrow::LargeStringArray>(array);
    case arrow::Type::DATE32:
      return Make<arrow::Date32Array>(
          array, [](const arrow::Date32Array& a, int64_t row, std::string* out) { AppendDate(a.Value(row), out); });
    case arrow::Type::DATE64:
      return Make<arrow::Date64Array>(array, [](const arrow::Date64Array& a, int64_t row, std::string* out) {
        AppendDate(a.Value(row) / 86400000, out);
      });
    case arrow::Type::TIMESTAMP: {
      const auto unit = static_cast<const arrow::TimestampType&>(*array->type()).unit();
      return Make<arrow::TimestampArray>(array, [unit](const arrow::TimestampArray& a, int64_t row, std::string* out) {
        AppendTimestamp(a.Value(row), unit, out);
      });
    }
    case arrow::Type::DECIMAL128:
      return Make<arrow::Decimal128Array>(
          array, [](const arrow::Decimal128Array& a, int64_t row, std::string* out) { *out += a.FormatValue(row); });
    case arrow::Type::DECIMAL256:
      return Make<arrow::Decimal256Array>(
          array, [](const arrow::Decimal256Array& a, int64_t row, std::string* out) { *out += a.FormatValue(row); });
    case arrow::Type::DICTIONARY: return MakeDictionary(array);
    case arrow::Type::MAP: return MakeMap(array);
    case arrow::Type::LIST: return MakeList<arrow::ListArray>(array);
    case arrow::Type::LARGE_LIST: return MakeList<arrow::LargeListArray>(array);
    case arrow::Type::FIXED_SIZE_LIST: return MakeList<arrow::FixedSizeListArray>(array);
    case arrow::Type::STRUCT: return MakeStruct(array);
    default: return nullptr;
  }
}

}  // namespace akidb::parquet_plugin
