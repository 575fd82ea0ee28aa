// The identity of a data directory's disk, in a file beside the log that makes the directory worth something: a node
// of the same name with an empty disk is another one (docs/adr/0010-local-acknowledgement-on-a-bucket.md).
//
// Format:  docs/formats/disk_id.md
// Threads: values and pure functions.
// Errors:  decoding: kDataLoss naming the field; kUnimplemented for a format version of a newer writer. Encoding a
//          struct that does not Validate() is a bug.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace akidb {

inline constexpr std::string_view kDiskIdName = "disk.id";  // in DATA_DIR/wal
inline constexpr size_t kDiskIdDigits = 32;
inline constexpr uint64_t kDiskIdBytesMax = 4u << 10;
// The longest time for which a home may acknowledge without reading that it still is one.
inline constexpr uint64_t kHomeConfirmMsMax = 3'600'000;

struct DiskId {
  std::string id;     // 32 lower-case hexadecimal digits, drawn once
  std::string store;  // whose records the log holds: a data directory serves one store

  // What must hold of every encoded one; kDataLoss naming the field.
  Status Validate() const;
  bool operator==(const DiskId&) const = default;
};

bool IsDiskId(std::string_view text);

std::string EncodeDiskId(const DiskId& disk);
Result<DiskId> DecodeDiskId(std::string_view bytes);

}  // namespace akidb
