#include "server/version.h"

namespace akidb {

std::string_view Version() { return AKIDB_VERSION; }

std::string_view SourceCommit() { return AKIDB_COMMIT; }

}  // namespace akidb
