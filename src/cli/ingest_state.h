// How far an ingest came, so that an interrupted one can go on.
//
// Threads: AckTracker is not locked; the state functions are called from one thread.
// Errors:  LoadIngestState: kNotFound; kFailedPrecondition if the file, the collection or the server is another one.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/file_system.h"
#include "base/status.h"

namespace akidb {

// Which row ranges were acknowledged, and up to where there is no gap.
class AckTracker {
 public:
  explicit AckTracker(uint64_t contiguous = 0) : contiguous_(contiguous) {}
  // Rows (begin, end].
  void Acknowledge(uint64_t begin, uint64_t end);
  uint64_t contiguous() const { return contiguous_; }

 private:
  uint64_t contiguous_;
  std::map<uint64_t, uint64_t> beyond_;  // begin -> end, all > contiguous_
};

// What makes a file the same file.
struct FileIdentity {
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
  std::string sha256_first_mib;
  bool operator==(const FileIdentity&) const = default;
};
Result<FileIdentity> IdentifyFile(FileSystem& fs, const std::string& path);

struct IngestState {
  FileIdentity file;
  std::string server;
  std::string collection;
  uint64_t rows_acknowledged = 0;  // rows 1 .. n need not be sent again
  uint64_t rows_refused = 0;       // among them
};

std::string EncodeIngestState(const IngestState& state);
Result<IngestState> DecodeIngestState(const std::string& json);
// Replaces the file in one step.
Status SaveIngestState(FileSystem& fs, const std::string& path, const IngestState& state);
// The state at `path` if it belongs to the run that `current` describes.
Result<IngestState> LoadIngestState(FileSystem& fs, const std::string& path, const IngestState& current);

}  // namespace akidb
