// JSON-lines log: one object a line on stderr (or a sink of a test), fields as values, never secrets or vectors.
//
// Threads: thread-safe; a line is written whole.
// Errors:  none; a line that cannot be written is dropped.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

namespace akidb {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };

// One "key": value of a line.
struct LogField {
  std::string_view key;
  std::string value;  // already JSON
  LogField(std::string_view k, std::string_view v);
  LogField(std::string_view k, const char* v) : LogField(k, std::string_view(v)) {}
  LogField(std::string_view k, const std::string& v) : LogField(k, std::string_view(v)) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  template <std::integral T>
  LogField(std::string_view k, T v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, double v);
};

// {"ts":"...","level":"info","msg":"segment published",...fields}
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
void SetLogLevel(LogLevel level);
// Replaces stderr; an empty function restores it. Not for use while other threads log.
void SetLogSink(std::function<void(std::string_view line)> sink);

}  // namespace akidb
