#include "server/version.h"

namespace akidb {

std::string_view Version() { return AKIDB_VERSION; }

}  // namespace akidb
