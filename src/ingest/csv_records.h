// Cuts RFC 4180 text into records and fields. Fields may be quoted, hold line breaks, and double their quotes.
//
// Threads: one.
// Errors:  those of the file. A record that breaks the grammar is reported as its own problem, and reading goes on at
//          the next line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/text_window.h"

namespace akidb {

struct CsvField {
  std::string_view text;  // valid until the next record
  bool quoted = false;    // "" is an empty string, nothing between two delimiters is a missing value
};

class CsvRecords {
 public:
  CsvRecords(std::unique_ptr<File> file, char delimiter, size_t record_bytes_max)
      : window_(std::move(file)), delimiter_(delimiter), record_bytes_max_(record_bytes_max) {}

  // The next record that is not a blank line; false at the end of the file. If `problem` is set, `fields` is empty.
  Result<bool> Next(std::vector<CsvField>* fields, Status* problem);
  void Rewind() { window_.Rewind(); }
  uint64_t bytes_read() const { return window_.consumed(); }

 private:
  enum class Outcome : uint8_t { kRecord, kNeedsMore, kBad };
  struct Span {
    size_t begin = 0;
    size_t size = 0;
    bool quoted = false;
    bool unescaped = false;  // lies in unescaped_ and not in the window
  };

  // Reads one record at the front of `text`; `*size` is how far it went, line end included.
  Outcome Parse(std::string_view text, size_t* size, Status* problem);
  Outcome ParseQuoted(std::string_view text, size_t* position, Status* problem);
  Status SkipLine(Status* problem, Status reason);
  void Emit(std::string_view text, std::vector<CsvField>* fields) const;

  TextWindow window_;
  char delimiter_;
  size_t record_bytes_max_;
  std::vector<Span> spans_;
  std::string unescaped_;
};

}  // namespace akidb
