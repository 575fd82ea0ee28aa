#include "ingest/text_window.h"

#include <cstring>

namespace akidb {

Status TextWindow::Fill() {
  if (at_end_) return OkStatus();
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() < end_ + kChunkBytes + kPadding) {
    // Doubling keeps the cost of a long record linear.
    buffer_.resize(std::max(2 * end_, end_ + kChunkBytes) + kPadding);
  }
  AKI_ASSIGN_OR_RETURN(const size_t count,
                       file_->ReadAt(file_offset_, buffer_.size() - kPadding - end_, buffer_.data() + end_));
  file_offset_ += count;
  end_ += count;
  at_end_ = count == 0;
  return OkStatus();
}

void TextWindow::Rewind() {
  begin_ = end_ = 0;
  file_offset_ = consumed_ = 0;
  at_end_ = false;
}

Status TextWindow::SkipPastNewline() {
  for (;;) {
    const std::string_view bytes = data();
    const size_t newline = bytes.find('\n');
    if (newline != std::string_view::npos) {
      Consume(newline + 1);
      return OkStatus();
    }
    Consume(bytes.size());
    if (at_end_) return OkStatus();
    AKI_RETURN_IF_ERROR(Fill());
  }
}

Result<bool> TextWindow::NextLine(size_t size_max, std::string_view* line, bool* too_long) {
  *too_long = false;
  size_t searched = 0;
  for (;;) {
    const std::string_view bytes = data();
    const size_t newline = bytes.find('\n', searched);
    if (newline != std::string_view::npos && newline <= size_max) {
      *line = bytes.substr(0, newline);
      Consume(newline + 1);
      break;
    }
    if (bytes.size() > size_max) {
      AKI_RETURN_IF_ERROR(SkipPastNewline());
      *too_long = true;
      *line = {};
      return true;
    }
    if (at_end_) {
      if (bytes.empty()) return false;
      *line = bytes;
      Consume(bytes.size());
      break;
    }
    searched = bytes.size();
    AKI_RETURN_IF_ERROR(Fill());
  }
  if (line->ends_with('\r')) line->remove_suffix(1);
  return true;
}

}  // namespace akidb
