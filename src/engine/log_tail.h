// What a reader has of the streams in which other nodes log the writes of a collection: how far it has come, what it
// read last, and who waits for more.
//
// Threads: values.
// Errors:  none.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "engine/collection.h"

namespace akidb {

// How far a reader has come in the stream of an open epoch.
struct LogTail {
  Epoch epoch;
  WalSequence sequence;
  bool ended = false;  // its fence was read
};

// Records that it read there, and that were checked.
struct LogTailObject {
  Epoch epoch;
  std::string bytes;
  Lsn first_lsn;
  Lsn last_lsn;
};

// Who reads with min_commit.
struct VisibleWaiter {
  Position position;
  MonotonicTime deadline;
  Collection::Done done;
};

}  // namespace akidb
