#include "ingest/mapping.h"

#include <algorithm>

namespace akidb {
namespace {

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string NameList(const std::vector<SourceColumn>& columns) {
  constexpr size_t kShownMax = 20;
  std::string out;
  for (size_t i = 0; i < std::min(columns.size(), kShownMax); ++i) {
    if (i > 0) out += ", ";
    out += columns[i].name;
  }
  if (columns.size() > kShownMax) out += ", ... (" + std::to_string(columns.size()) + " in all)";
  return out.empty() ? "none" : out;
}

Status RequireColumn(std::string_view what, const std::string& name, const std::vector<SourceColumn>& columns) {
  const auto count =
      std::count_if(columns.begin(), columns.end(), [&](const SourceColumn& column) { return column.name == name; });
  if (count == 1) return OkStatus();
  if (count > 1) {
    return InvalidArgument("column '" + name + "' occurs " + std::to_string(count) + " times; " + std::string(what) +
                           " column must be unique");
  }
  return InvalidArgument("the file has no column '" + name + "' (" + std::string(what) + " column); choose it with --" +
                         std::string(what) + "-column; columns: " + NameList(columns));
}

}  // namespace

std::string_view ColumnRoleName(ColumnRole role) {
  switch (role) {
    case ColumnRole::kId: return "id";
    case ColumnRole::kVector: return "vector";
    case ColumnRole::kPayload: return "payload";
    case ColumnRole::kExcluded: return "excluded";
  }
  return "unknown";
}

ColumnRole RoleOf(const ColumnMapping& mapping, std::string_view column) {
  if (column == mapping.id_column) return ColumnRole::kId;
  if (column == mapping.vector_column) return ColumnRole::kVector;
  if (Contains(mapping.exclude, column)) return ColumnRole::kExcluded;
  if (mapping.payload_columns.empty() || Contains(mapping.payload_columns, column)) return ColumnRole::kPayload;
  return ColumnRole::kExcluded;
}

Status AssignRoles(const ColumnMapping& mapping, const RowLimits& limits, ColumnSet set,
                   std::vector<SourceColumn>* columns) {
  if (columns->size() > limits.columns_max) {
    return InvalidArgument("the file has " + std::to_string(columns->size()) + " columns, at most " +
                           std::to_string(limits.columns_max) + " are allowed");
  }
  if (mapping.id_column == mapping.vector_column) {
    return InvalidArgument("id and vector column are both '" + mapping.id_column + "'");
  }
  AKI_RETURN_IF_ERROR(RequireColumn("id", mapping.id_column, *columns));
  AKI_RETURN_IF_ERROR(RequireColumn("vector", mapping.vector_column, *columns));
  for (const auto* names : {&mapping.payload_columns, &mapping.exclude, &mapping.string_columns}) {
    for (const std::string& name : *names) {
      const bool known = std::any_of(columns->begin(), columns->end(),
                                     [&](const SourceColumn& column) { return column.name == name; });
      if (!known && set == ColumnSet::kComplete) {
        return InvalidArgument("the file has no column '" + name + "'; columns: " + NameList(*columns));
      }
    }
  }
  for (SourceColumn& column : *columns) column.role = RoleOf(mapping, column.name);
  return OkStatus();
}

}  // namespace akidb
