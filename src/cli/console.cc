#include "cli/console.h"

#include <unistd.h>

#include <cstdio>

#include "base/json_writer.h"
#include "cli/exit_code.h"

namespace akidb {

Console::Console(OutputFormat format) : format_(format) {}

void Console::Print(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Console::PrintJson(std::string_view json) const { Print(std::string(json) + "\n"); }

void Console::Note(std::string_view text) const {
  if (!json()) std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

void Console::PrintError(const Status& status) const {
  if (!json()) {
    std::fprintf(stderr, "akidb: error: %.*s\n", static_cast<int>(status.message().size()), status.message().data());
    return;
  }
  std::string out;
  JsonWriter writer(&out);
  writer.BeginObject().Key("error").BeginObject();
  writer.Key("code").Value(status.reason().empty() ? StatusCodeName(status.code()) : status.reason());
  writer.Key("message").Value(status.message());
  writer.Key("exit_code").Value(static_cast<int>(ExitCodeOf(status)));
  writer.EndObject().EndObject();
  std::fprintf(stderr, "%s\n", out.c_str());
}

Progress::Style Console::progress_style() const {
  if (json()) return Progress::Style::kSilent;
  return ::isatty(STDERR_FILENO) != 0 ? Progress::Style::kBar : Progress::Style::kLines;
}

}  // namespace akidb
