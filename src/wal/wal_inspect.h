// What a log directory holds, for people and machines: files, groups, LSN ranges, synced claims, where a bad byte is.
//
// Threads: reads only; the log should not be in use.
// Errors:  I/O errors. Damage is part of the answer, not an error.
#pragma once

#include <string>

#include "base/file_system.h"
#include "base/status.h"

namespace akidb {

// {"status":"ok"|"torn_tail"|"corrupt","detail","records","next_lsn","files":[{"name","sequence",..,"groups":[{..}]}]}
Result<std::string> InspectWalJson(FileSystem& fs, const std::string& dir);
// One line a file, and a last line that says whether a server would start.
Result<std::string> InspectWalText(FileSystem& fs, const std::string& dir);

}  // namespace akidb
