// Decides what becomes of each column of a file.
//
// Threads: pure functions.
// Errors:  kInvalidArgument naming the column and the flag that would help.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "ingest/row_source.h"

namespace akidb {

// The role `mapping` gives to a column of this name.
ColumnRole RoleOf(const ColumnMapping& mapping, std::string_view column);
// Whether the columns are all there are, or only those of the first rows.
enum class ColumnSet : uint8_t { kComplete, kSample };
// Sets the role of every column. Refuses a file without the id or the vector column, a duplicate of either, more than
// limits.columns_max columns, and (complete sets) a flag that names a column the file lacks.
Status AssignRoles(const ColumnMapping& mapping, const RowLimits& limits, ColumnSet set,
                   std::vector<SourceColumn>* columns);

}  // namespace akidb
