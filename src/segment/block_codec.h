// Packs blocks with Zstd where it pays.
//
// Threads: BlockPacker belongs to one thread; UnpackBlock may be called from any.
// Errors:  UnpackBlock says false for bytes that are not the packed form of raw_bytes bytes.
// Format:  docs/formats/segment.md
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "format/segment_format.h"

namespace akidb {

class BlockPacker {
 public:
  explicit BlockPacker(int zstd_level);
  ~BlockPacker();
  // The bytes to store, valid until the next call; fills sizes and codec of `block`.
  std::string_view Pack(std::string_view raw, SegmentBlock* block);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
  int level_;
  std::string packed_;
};

// Writes block.raw_bytes bytes to `raw`.
bool UnpackBlock(const SegmentBlock& block, std::string_view stored, char* raw);

}  // namespace akidb
