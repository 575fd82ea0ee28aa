#include "cli/client.h"

#include <simdjson.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "base/json_writer.h"

namespace akidb {
namespace {

constexpr uint64_t kFilterBytesMax = 16u << 20;

}  // namespace

Result<std::string> TextOrFile(const std::string& text, uint64_t size_max) {
  if (!text.starts_with('@')) return text;
  return ReadWholeFile(PosixFileSystem(), text.substr(1), size_max);
}

Result<std::string> AtJson(const std::string& text) {
  constexpr std::string_view kVersion = "version:";
  constexpr std::string_view kTime = "time:";
  std::string json;
  JsonWriter writer(&json);
  if (text.starts_with(kVersion)) {
    const std::string digits = text.substr(kVersion.size());
    if (digits.empty() || digits.size() > 19 || digits.find_first_not_of("0123456789") != std::string::npos) {
      return std::unexpected(InvalidArgument("--at: '" + digits + "' is not the number of a version"));
    }
    writer.BeginObject().Key("version").Value(std::stoull(digits)).EndObject();
  } else if (text.starts_with(kTime)) {
    writer.BeginObject().Key("time").Value(text.substr(kTime.size())).EndObject();
  } else {
    writer.Value(text);
  }
  return json;
}

Result<std::string> FilterJson(const std::string& text) {
  AKI_ASSIGN_OR_RETURN(std::string filter, TextOrFile(text, kFilterBytesMax));
  simdjson::dom::parser parser;
  if (const auto error = parser.parse(filter).error()) {
    return std::unexpected(
        InvalidArgument(std::string("--filter is not valid JSON: ") + simdjson::error_message(error)));
  }
  return filter;
}

Status ConfirmByName(const std::string& question, const std::string& name, bool yes, const Console& console) {
  if (yes) return OkStatus();
  if (console.json() || ::isatty(STDIN_FILENO) == 0) {
    return InvalidArgument("this needs --yes when nobody can be asked");
  }
  std::fprintf(stderr, "%s? Type '%s' to go on: ", question.c_str(), name.c_str());
  std::string typed;
  std::getline(std::cin, typed);
  return typed == name ? OkStatus() : Cancelled("nothing was changed");
}

}  // namespace akidb
