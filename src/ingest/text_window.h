// A sliding window over a text file: records are found in it and handed out as views, without a copy.
//
// Threads: one.
// Errors:  those of File::ReadAt.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/status.h"

namespace akidb {

class TextWindow {
 public:
  explicit TextWindow(std::unique_ptr<File> file) : file_(std::move(file)) {}

  // The bytes not yet consumed that are in memory; at least kPadding readable bytes follow them.
  std::string_view data() const { return {buffer_.data() + begin_, end_ - begin_}; }
  bool at_end() const { return at_end_; }
  uint64_t consumed() const { return consumed_; }
  // Drops the first `size` bytes of data().
  void Consume(size_t size) {
    begin_ += size;
    consumed_ += size;
  }
  // Reads more behind data(); earlier views are gone. Nothing changes at the end of the file.
  Status Fill();
  // Starts again at the beginning of the file.
  void Rewind();

  // Cuts the next line, without its end ("\n" or "\r\n"). A line above `size_max` bytes is passed over and sets
  // *too_long. False at the end of the file.
  Result<bool> NextLine(size_t size_max, std::string_view* line, bool* too_long);

  static constexpr size_t kPadding = 64;  // simdjson reads past the end of its input

 private:
  static constexpr size_t kChunkBytes = 1u << 20;

  Status SkipPastNewline();

  std::unique_ptr<File> file_;
  std::string buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t file_offset_ = 0;
  uint64_t consumed_ = 0;
  bool at_end_ = false;
};

}  // namespace akidb
