// Where a command's answer goes: a table for people or one JSON document for machines.
//
// Threads: one.
// Errors:  none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "cli/progress.h"

namespace akidb {

enum class OutputFormat : uint8_t { kHuman, kJson };

class Console {
 public:
  explicit Console(OutputFormat format);

  bool json() const { return format_ == OutputFormat::kJson; }
  // Writes to stdout; a line end is added to JSON.
  void Print(std::string_view text) const;
  void PrintJson(std::string_view json) const;
  // A remark for people on stderr; silent under --json.
  void Note(std::string_view text) const;
  // "akidb: error: ..." or {"error":{...}} on stderr.
  void PrintError(const Status& status) const;
  Progress::Style progress_style() const;

 private:
  OutputFormat format_;
};

}  // namespace akidb
