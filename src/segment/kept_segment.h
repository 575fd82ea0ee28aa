// Opening a segment that was just written, without reading what its writer kept.
//
// Threads: any.
// Errors:  those of SegmentReader::Open.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/huge_arena.h"
#include "segment/segment_reader.h"

namespace akidb {

// `kept` are header and vectors as BeforeCommit got them (segment_writer.h); null: everything is read. `inverse_norms`:
// those of all rows, in their order; empty: they are computed where they are needed. With `kept`, a small payload goes
// into the cache at once.
Result<std::shared_ptr<const SegmentReader>> OpenKeptSegment(OpContext& ctx, std::shared_ptr<ObjectStore> store,
                                                             const std::string& key, const SegmentEntry& entry,
                                                             std::shared_ptr<PayloadBlockCache> cache,
                                                             std::shared_ptr<const HugeArena> kept,
                                                             std::vector<float> inverse_norms = {});

}  // namespace akidb
