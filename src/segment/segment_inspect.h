// Everything there is to say about a stored segment, for `akidb segment inspect`.
//
// Threads: any. Blocks on the store: reads the whole object, one block at a time.
// Errors:  those of SegmentReader. A block with a wrong checksum is reported in the answer, not as an error.
#pragma once

#include <memory>
#include <string>

#include "base/context.h"
#include "base/status.h"
#include "objstore/object_store.h"

namespace akidb {

// {"key","size_bytes","vector_type","dim","distance","row_count","lsn_max","id_min","id_max","bytes_per_vector",
//  "intact","sections":[{"name","offset","stored_bytes","raw_bytes","blocks","broken_blocks":[n]}],"footer":{..}}
Result<std::string> InspectSegmentJson(OpContext& ctx, std::shared_ptr<ObjectStore> store, const std::string& key);

}  // namespace akidb
